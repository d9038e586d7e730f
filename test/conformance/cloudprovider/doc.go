// Package cloudprovider puts the emulator to github.com/GoogleCloudPlatform/k8s-cloud-provider,
// the client library of GKE's own controllers, over HTTP. What that library reads out of
// operations, links and error bodies is what any controller built on it stands on.
//
// It is a module of its own because the library is no dependency of negfleet, and it has
// tests only.
package cloudprovider
