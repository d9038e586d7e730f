// Package readiness decides when a Pod may count as ready: when the load balancers that
// lead to it find it healthy, or when there is none to wait for; and it follows them until
// that is so.
//
// Decide is a pure function of one Pod and of what was read of its Services: which groups
// their ports have, which backend services should serve them, and what these say. It is
// strict where a load balancer is about to serve: "no word yet" is a reason to wait, not
// to open. GKE's controller takes it for consent, and so lets the first Pod of a zone into
// a rollout before anything sends traffic there
// (https://github.com/kubernetes/ingress-gce/issues/1718). Deciding must not do I/O, log
// or read a clock.
//
// A Follower stays with a key while Pods of it wait, one look about each second, inside
// one delivery. A look reads the Pods, then what the load balancers say: one listing for
// each group, whoever many Pods wait in it. What could not be read opens nothing but by
// the time-out. A gate that is open stays open.
//
// The package changes nothing but gates and the Lease: a live endpoint that it finds in no
// group it reports to reconcile. It must not import Kubernetes, Compute or Pub/Sub.
package readiness
