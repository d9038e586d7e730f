// Package sandbox is the world that negfleet lives in, on one Linux machine: real
// Kubernetes control planes, a Compute Engine API emulator, Pub/Sub, and one process per
// function, each as its own Kubernetes user with the ClusterRole of infra/rbac.
//
//	kube-apiserver ──audit webhook──▶ audit ─▶ negfleet-keys ──push──▶ reconcile ──▶ fakegce
//
// Clusters of even number report through a log sink, as GKE clusters do:
//
//	kube-apiserver ──audit webhook──▶ LogEntry ─▶ negfleet-audit ──push──▶ events ─▶ negfleet-keys
//
// No informer stands in for the audit webhook and no fake for the functions: what runs
// here is what is deployed. Everything listens on loopback. A sandbox owns its folder; one
// that was killed leaves nothing that stops the next.
package sandbox
