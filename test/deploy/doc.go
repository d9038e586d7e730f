// Package deploy holds scripts/deploy, scripts/undeploy and scripts/smoke to what they say:
// what a dry run prints is compared with golden files. It has tests only.
package deploy
