package cloudprovider

import (
	"context"
	"testing"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud"
	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/filter"
	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/meta"
	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

// services are the calls that global and regional backend services share.
type services interface {
	Get(context.Context, *meta.Key, ...cloud.Option) (*compute.BackendService, error)
	Insert(context.Context, *meta.Key, *compute.BackendService, ...cloud.Option) error
	Delete(context.Context, *meta.Key, ...cloud.Option) error
	GetHealth(context.Context, *meta.Key, *compute.ResourceGroupReference, ...cloud.Option) (*compute.BackendServiceGroupHealth, error)
	Patch(context.Context, *meta.Key, *compute.BackendService, ...cloud.Option) error
	Update(context.Context, *meta.Key, *compute.BackendService, ...cloud.Option) error
}

type healthChecks interface {
	Get(context.Context, *meta.Key, ...cloud.Option) (*compute.HealthCheck, error)
	Insert(context.Context, *meta.Key, *compute.HealthCheck, ...cloud.Option) error
	Delete(context.Context, *meta.Key, ...cloud.Option) error
	Update(context.Context, *meta.Key, *compute.HealthCheck, ...cloud.Option) error
}

// place is where a backend service and its health check live.
type place struct {
	services
	healthChecks
	key    func(string) *meta.Key
	scheme string
}

func (w *world) places() map[string]place {
	return map[string]place{
		"global":   {w.BackendServices(), w.HealthChecks(), global, "EXTERNAL_MANAGED"},
		"regional": {w.RegionBackendServices(), w.RegionHealthChecks(), regional, "INTERNAL_MANAGED"},
	}
}

// serve makes a health check "h" and a backend service "s" that has the group.
func (w *world) serve(p place, group string) *compute.BackendService {
	w.Helper()
	w.must(p.healthChecks.Insert(w.Context(), p.key("h"), &compute.HealthCheck{
		Type: "HTTP", HttpHealthCheck: &compute.HTTPHealthCheck{PortSpecification: "USE_SERVING_PORT", RequestPath: "/"},
	}))
	h, err := p.healthChecks.Get(w.Context(), p.key("h"))
	w.must(err)
	w.must(p.services.Insert(w.Context(), p.key("s"), &compute.BackendService{
		LoadBalancingScheme: p.scheme, Protocol: "HTTP", HealthChecks: []string{h.SelfLink},
		Backends: []*compute.Backend{{Group: groupLink(group), BalancingMode: "RATE", MaxRatePerEndpoint: 100, CapacityScaler: 1}},
	}))
	return w.read(p)
}

func (w *world) read(p place) *compute.BackendService {
	w.Helper()
	s, err := p.services.Get(w.Context(), p.key("s"))
	w.must(err)
	return s
}

func TestServiceLife(t *testing.T) {
	for _, name := range []string{"global", "regional"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			p := w.places()[name]
			w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group()))
			w.must(w.attach("a", "10.8.0.1"))
			before := w.serve(p, "a")
			w.must(p.services.Patch(t.Context(), p.key("s"), &compute.BackendService{Fingerprint: before.Fingerprint, TimeoutSec: 45}))
			patched := w.read(p)
			patched.Description = "updated"
			w.must(p.services.Update(t.Context(), p.key("s"), patched))
			after := w.read(p)
			if after.TimeoutSec != 45 || after.Description != "updated" || len(after.Backends) != 1 || after.Backends[0].MaxRatePerEndpoint != 100 {
				t.Errorf("service %+v", after)
			}
			if before.Fingerprint == patched.Fingerprint || patched.Fingerprint == after.Fingerprint {
				t.Errorf("fingerprints %s, %s, %s", before.Fingerprint, patched.Fingerprint, after.Fingerprint)
			}
			health, err := p.services.GetHealth(t.Context(), p.key("s"), &compute.ResourceGroupReference{Group: groupLink("a")})
			w.must(err)
			if health.Kind != "compute#backendServiceGroupHealth" {
				t.Errorf("health %+v", health)
			}
			w.must(p.services.Delete(t.Context(), p.key("s")))
			w.must(p.healthChecks.Delete(t.Context(), p.key("h")))
			w.must(w.NetworkEndpointGroups().Delete(t.Context(), zonal("a")))
		})
	}
}

func TestServicesListed(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group()))
	for _, p := range w.places() {
		w.serve(p, "a")
	}
	globals, err := w.BackendServices().List(t.Context(), filter.Regexp("name", "s"))
	w.must(err)
	regionals, err := w.RegionBackendServices().List(t.Context(), region, filter.EqualInt("timeoutSec", 30))
	w.must(err)
	none, err := w.RegionBackendServices().List(t.Context(), region, filter.NotEqualInt("timeoutSec", 30))
	w.must(err)
	all, err := w.BackendServices().AggregatedList(t.Context(), filter.None)
	w.must(err)
	if len(globals) != 1 || len(regionals) != 1 || len(none) != 0 || len(all["global"]) != 1 || len(all["regions/"+region]) != 1 {
		t.Errorf("global %v, regional %v, none %v, aggregated %v", globals, regionals, none, all)
	}
	checks, err := w.HealthChecks().List(t.Context(), filter.None)
	w.must(err)
	regionalChecks, err := w.RegionHealthChecks().List(t.Context(), region, filter.None)
	w.must(err)
	if len(checks) != 1 || len(regionalChecks) != 1 {
		t.Errorf("health checks %v, %v", checks, regionalChecks)
	}
}

func TestHealthCheckUpdate(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	for name, p := range w.places() {
		check := &compute.HealthCheck{Type: "TCP", CheckIntervalSec: 7, TcpHealthCheck: &compute.TCPHealthCheck{Port: 80}}
		w.must(p.healthChecks.Insert(t.Context(), p.key("h"), check))
		h, err := p.healthChecks.Get(t.Context(), p.key("h"))
		w.must(err)
		h.TcpHealthCheck.Port = 81
		w.must(p.healthChecks.Update(t.Context(), p.key("h"), h))
		h, err = p.healthChecks.Get(t.Context(), p.key("h"))
		w.must(err)
		if h.TcpHealthCheck.Port != 81 || h.CheckIntervalSec != 7 || h.UnhealthyThreshold != 2 {
			t.Errorf("%s: %+v", name, h)
		}
	}
}
