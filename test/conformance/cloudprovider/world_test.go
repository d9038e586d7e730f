package cloudprovider

import (
	"net/http"
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud"
	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/meta"
	alpha "google.golang.org/api/compute/v0.alpha"
	beta "google.golang.org/api/compute/v0.beta"
	compute "google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

const (
	project  = "p1"
	zone     = "europe-west1-b"
	region   = "europe-west1"
	instance = "node-1"
)

// world is an emulator that holds one machine, and the library in front of it.
type world struct {
	*testing.T
	server  *fakegce.Server
	service *cloud.Service
	cloud.Cloud
}

func newWorld(t *testing.T, opts fakegce.Options) *world {
	t.Helper()
	server := fakegce.New(opts)
	err := server.Seed(fakegce.Seed{Instances: []fakegce.Instance{{
		Project: project, Zone: zone, Name: instance, IP: "10.132.0.2", AliasRanges: []string{"10.8.0.0/24"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	service := newService(t, fakegce.Start(t, server))
	return &world{T: t, server: server, service: service, Cloud: cloud.NewGCE(service)}
}

// newService wires the three versions as cloud-provider-gcp does from one endpoint.
func newService(t *testing.T, base string) *cloud.Service {
	t.Helper()
	ga, err := compute.NewService(t.Context(), endpoint(base, "v1")...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := beta.NewService(t.Context(), endpoint(base, "beta")...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := alpha.NewService(t.Context(), endpoint(base, "alpha")...)
	if err != nil {
		t.Fatal(err)
	}
	return &cloud.Service{
		GA: ga, Beta: b, Alpha: a,
		ProjectRouter: &cloud.SingleProjectRouter{ID: project},
		// Between two looks at an operation, not between calls.
		RateLimiter: &cloud.MinimumRateLimiter{RateLimiter: &cloud.NopRateLimiter{}, Minimum: time.Millisecond},
	}
}

func endpoint(base, version string) []option.ClientOption {
	return []option.ClientOption{option.WithEndpoint(base + "/compute/" + version + "/"), option.WithHTTPClient(http.DefaultClient)}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func zonal(name string) *meta.Key    { return meta.ZonalKey(name, zone) }
func regional(name string) *meta.Key { return meta.RegionalKey(name, region) }
func global(name string) *meta.Key   { return meta.GlobalKey(name) }

func group() *compute.NetworkEndpointGroup {
	return &compute.NetworkEndpointGroup{
		NetworkEndpointType: "GCE_VM_IP_PORT", Description: "of ours",
		Network: "global/networks/default", Subnetwork: "regions/" + region + "/subnetworks/default",
	}
}

func address(ip string) *compute.NetworkEndpoint {
	return &compute.NetworkEndpoint{Instance: instance, IpAddress: ip, Port: 8080}
}

func groupLink(name string) string {
	return "https://www.googleapis.com/compute/v1/projects/" + project + "/zones/" + zone + "/networkEndpointGroups/" + name
}
