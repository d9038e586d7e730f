package cloudprovider

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestHealth: what probes find is what a list that shows health and getHealth both say, from
// the moment that a forwarding rule leads to the endpoint.
func TestHealth(t *testing.T) {
	var ill atomic.Bool
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer pod.Close()
	clock := fakegce.NewManualClock(time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC))
	w := newWorld(t, fakegce.Options{Clock: clock, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, pod.Listener.Addr().String())
	}})
	p := w.places()["global"]
	w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group()))
	w.must(w.attach("a", "10.8.0.1"))
	service := w.serve(p, "a")
	w.must(p.services.Patch(t.Context(), p.key("s"), &compute.BackendService{
		Fingerprint: service.Fingerprint, ConnectionDraining: &compute.ConnectionDraining{DrainingTimeoutSec: 60},
	}))
	later := func() { clock.AdvanceSettled(30*time.Second, w.server.SettleHealth) }
	later()
	w.healthy(p, "no forwarding rule", "")
	w.lead(service)
	w.healthy(p, "no probe yet", "UNKNOWN")
	later()
	w.healthy(p, "it answers", "HEALTHY")
	ill.Store(true)
	later()
	w.healthy(p, "it is ill", "UNHEALTHY")
	ill.Store(false)
	later()
	w.must(w.detach("a", "10.8.0.1"))
	w.healthy(p, "detached", "DRAINING")
	later()
	later()
	if left := w.shown("a"); len(left) > 0 {
		t.Errorf("drained, but shown: %+v", left[0])
	}
}

// lead makes a forwarding rule for a backend service.
func (w *world) lead(service *compute.BackendService) {
	w.Helper()
	ctx := w.Context()
	w.must(w.UrlMaps().Insert(ctx, global("m"), &compute.UrlMap{DefaultService: service.SelfLink}))
	m, err := w.UrlMaps().Get(ctx, global("m"))
	w.must(err)
	w.must(w.TargetHttpProxies().Insert(ctx, global("p"), &compute.TargetHttpProxy{UrlMap: m.SelfLink}))
	p, err := w.TargetHttpProxies().Get(ctx, global("p"))
	w.must(err)
	w.must(w.GlobalForwardingRules().Insert(ctx, global("f"), &compute.ForwardingRule{
		Target: p.SelfLink, PortRange: "80", LoadBalancingScheme: "EXTERNAL_MANAGED",
	}))
}

// healthy holds both answers about the only endpoint of group "a"; an empty state is none.
func (w *world) healthy(p place, when, want string) {
	w.Helper()
	list := w.shown("a")
	if len(list) != 1 {
		w.Fatalf("%s: %d endpoints", when, len(list))
	}
	listed, told := "", ""
	for _, h := range list[0].Healths {
		listed += h.HealthState
	}
	health, err := p.services.GetHealth(w.Context(), p.key("s"), &compute.ResourceGroupReference{Group: groupLink("a")})
	w.must(err)
	for _, h := range health.HealthStatus {
		told += h.HealthState
	}
	if listed != want || told != want {
		w.Errorf("%s: listed as %q, told as %q, want %q", when, listed, told, want)
	}
}
