// Package stage holds the source trees that scripts/stage makes against the rules of the Go
// buildpack, by doing what it does: find the package, write the main, build without a
// network, start it, ask it. It has tests only; package tree has the steps.
//
// The rules are those of GoogleCloudPlatform/buildpacks, cmd/go/functions_framework.
package stage
