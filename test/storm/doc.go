// Package storm tests negfleet in bad weather. Each seed is a fleet of its own: two
// clusters, two instances of the reconcile function behind a balancer, and a cloud with
// its undocumented switches set at random. For some hundred steps Pods, Services,
// annotations and instances change, people meddle, calls to Compute and to the clusters
// fail, and the events of it all are lost, doubled and shuffled. Then the weather clears,
// one sweep asks for every key, and the world must be exactly as desired.
//
// What is desired is worked out here from the objects in the clusters, without
// shared/plan. The other half of the test is history: each step notes what was wanted
// from when to when, each instance's reads of the clusters are noted, and every removal in
// the cloud's timeline is held against what the instance that sent it could have read.
//
//	make storm SEEDS=7
//
// Order and timing are the machine's; a seed repeats the choices, not the interleaving.
package storm
