// Package fakecontainer is the part of the GKE API (container.googleapis.com, v1) that
// negfleet asks, over real HTTP, in memory: the container/v1 Go library and gcloud drive
// it and see the wire shapes and error texts of the real service.
//
// Clusters are seeded as the JSON that the API would answer, and answered as they were
// seeded: what no rule reads is kept. A deletion or an update answers with an operation;
// until that is done, after Options.OpLatency, the cluster is STOPPING or RECONCILING and
// refuses other operations, and a deletion takes the cluster along in the end. A location
// that is declared missing is named in lists over all locations, and its clusters are not.
//
// It creates no clusters, keeps no node pools of its own and checks no rights; faults
// play refusals. Whether an API server answers behind an endpoint is the seed's affair.
package fakecontainer
