// Package readiness decides when a Pod may count as ready: when the load balancers that
// lead to it find it healthy, or when there is none to wait for.
//
// Decide is a pure function of one Pod and of what was read of its Service: which groups
// its ports have, which backend services should serve them, and what these say. It is
// strict where a load balancer is about to serve: "no word yet" is a reason to wait, not
// to open. GKE's controller takes it for consent, and so lets the first Pod of a zone into
// a rollout before anything sends traffic there
// (https://github.com/kubernetes/ingress-gce/issues/1718).
//
// A gate that is open stays open. Deciding must not do I/O, log or read a clock.
package readiness
