// Package supply is the module of the tools that say what is in what ships: govulncheck and
// cyclonedx-gomod. It has no code; scripts/vulncheck and scripts/sbom build them.
package supply
