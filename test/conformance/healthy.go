package conformance

import (
	"fmt"
	"time"

	"google.golang.org/api/compute/v1"
)

// slowest is how long an endpoint may take to become healthy.
const slowest = 10 * time.Minute

// seeTimeToHealthy measures from the end of an attach to a served load balancer until the
// group's list says HEALTHY. One good probe is enough, so it is not the probes that take
// the time.
func seeTimeToHealthy(w *world) string {
	if w.Instance == "" || w.ServingPort == 0 {
		return unwatched + "no instance and port that serve were named"
	}
	g := w.inserted("a")
	w.admitProbes()
	w.serve(w.service(w.eager("h"), g).SelfLink)
	w.done(w.attach(g, &compute.NetworkEndpoint{Instance: w.Instance, Port: w.ServingPort}))
	last := ""
	took, ok := w.poll(slowest, func() bool {
		last = w.healthState(g)
		return last == "HEALTHY"
	})
	if !ok {
		return fmt.Sprintf("%s after %s", last, slowest)
	}
	return took.Round(time.Second).String()
}

// eager is a health check that asks every second and believes the first answer.
func (w *world) eager(name string) *compute.HealthCheck {
	w.Helper()
	hc := w.healthCheck(name)
	w.done(w.svc.HealthChecks.Patch(w.Project, hc.Name, &compute.HealthCheck{
		CheckIntervalSec: 1, TimeoutSec: 1, HealthyThreshold: 1, UnhealthyThreshold: 1,
	}).Context(w.ctx).Do())
	return hc
}

// seeHealthUnreached: has an endpoint health while no forwarding rule leads to it?
func seeHealthUnreached(w *world) string {
	g := w.inserted("a")
	w.service(w.eager("h"), g)
	w.done(w.attach(g, w.endpoint(0)))
	_, seen := w.poll(w.Patience, func() bool { return w.healthState(g) != "no health" })
	return fmt.Sprint(seen)
}

// seeDrainingHidden: does the list still show, with health, what was detached a moment ago?
func seeDrainingHidden(w *world) string {
	g := w.inserted("a")
	bs := w.service(w.eager("h"), g)
	w.done(w.patchService(bs.Name, &compute.BackendService{
		Fingerprint: bs.Fingerprint, ConnectionDraining: &compute.ConnectionDraining{DrainingTimeoutSec: 60},
	}))
	w.serve(bs.SelfLink)
	w.done(w.attach(g, w.endpoint(0)))
	if _, ok := w.poll(w.Patience, func() bool { return w.healthState(g) != "no health" }); !ok {
		return unwatched + "the endpoint got no health"
	}
	w.done(w.detach(g, w.endpoint(0)))
	switch state := w.healthState(g); state {
	case "no endpoint":
		return "true"
	case "DRAINING":
		return "false"
	default:
		return state
	}
}

// healthState is that of a group's only endpoint, or what of it there is not.
func (w *world) healthState(group string) string {
	w.Helper()
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SHOW"}
	list, err := w.svc.NetworkEndpointGroups.ListNetworkEndpoints(w.Project, w.Zone, group, in).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	switch {
	case len(list.Items) == 0:
		return "no endpoint"
	case len(list.Items[0].Healths) == 0:
		return "no health"
	}
	return list.Items[0].Healths[0].HealthState
}

// admitProbes lets the load balancer's probes in.
func (w *world) admitProbes() {
	w.Helper()
	name := w.token + "-w"
	w.done(w.svc.Firewalls.Insert(w.Project, &compute.Firewall{
		Name: name, Network: w.Network, SourceRanges: []string{"35.191.0.0/16", "130.211.0.0/22"},
		Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{fmt.Sprint(w.ServingPort)}}},
	}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) { return w.svc.Firewalls.Delete(w.Project, name).Context(w.ctx).Do() })
}
