package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	compute "google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

const (
	project = "shop"
	zone    = "us-central1-a"
	global  = "projects/" + project + "/global/"
	groups  = "projects/" + project + "/zones/" + zone + "/networkEndpointGroups/"
)

// world is an emulator over HTTP and the API's own client.
type world struct {
	t      *testing.T
	server *fakegce.Server
	base   string
	api    *compute.Service
}

func newWorld(t *testing.T) world {
	t.Helper()
	server := fakegce.New(fakegce.Options{})
	base := fakegce.Start(t, server)
	api, err := compute.NewService(t.Context(), option.WithEndpoint(fakegce.ComputeEndpoint(base)), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	return world{t, server, base, api}
}

// did fails on an error; at no latency an operation is done when it is answered.
func (w world) did(_ *compute.Operation, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// group makes a group of endpoints that need no instance.
func (w world) group(name, description string, addresses ...string) {
	w.t.Helper()
	w.did(w.api.NetworkEndpointGroups.Insert(project, zone, &compute.NetworkEndpointGroup{
		Name: name, Description: description, NetworkEndpointType: "NON_GCP_PRIVATE_IP_PORT",
	}).Do())
	w.attach(name, addresses...)
}

func (w world) attach(name string, addresses ...string) {
	w.t.Helper()
	for len(addresses) > 0 {
		n := min(500, len(addresses))
		w.did(w.api.NetworkEndpointGroups.AttachNetworkEndpoints(project, zone, name, &compute.NetworkEndpointGroupsAttachEndpointsRequest{
			NetworkEndpoints: endpoints(addresses[:n]),
		}).Do())
		addresses = addresses[n:]
	}
}

func (w world) detach(name string, addresses ...string) {
	w.t.Helper()
	w.did(w.api.NetworkEndpointGroups.DetachNetworkEndpoints(project, zone, name, &compute.NetworkEndpointGroupsDetachEndpointsRequest{
		NetworkEndpoints: endpoints(addresses),
	}).Do())
}

func endpoints(addresses []string) []*compute.NetworkEndpoint {
	var list []*compute.NetworkEndpoint
	for _, address := range addresses {
		at := netip.MustParseAddrPort(address)
		list = append(list, &compute.NetworkEndpoint{IpAddress: at.Addr().String(), Port: int64(at.Port())})
	}
	return list
}

// service makes a backend service of groups, with a health check of its name.
func (w world) service(name, description string, names ...string) {
	w.t.Helper()
	w.did(w.api.HealthChecks.Insert(project, &compute.HealthCheck{
		Name: name, Type: "HTTP", CheckIntervalSec: 1, TimeoutSec: 1, HealthyThreshold: 1, UnhealthyThreshold: 1,
		HttpHealthCheck: &compute.HTTPHealthCheck{PortSpecification: "USE_SERVING_PORT"},
	}).Do())
	var backends []*compute.Backend
	for _, group := range names {
		backends = append(backends, &compute.Backend{Group: groups + group, BalancingMode: "RATE", MaxRatePerEndpoint: 1})
	}
	w.did(w.api.BackendServices.Insert(project, &compute.BackendService{
		Name: name, Description: description, Protocol: "HTTP", LoadBalancingScheme: "EXTERNAL_MANAGED",
		HealthChecks: []string{global + "healthChecks/" + name}, Backends: backends,
		ConnectionDraining: &compute.ConnectionDraining{DrainingTimeoutSec: 3600},
	}).Do())
}

// front makes a forwarding rule and all that is between it and a backend service.
func (w world) front(name string) {
	w.t.Helper()
	w.did(w.api.UrlMaps.Insert(project, &compute.UrlMap{Name: name, DefaultService: global + "backendServices/" + name}).Do())
	w.did(w.api.TargetHttpProxies.Insert(project, &compute.TargetHttpProxy{Name: name, UrlMap: global + "urlMaps/" + name}).Do())
	w.did(w.api.GlobalForwardingRules.Insert(project, &compute.ForwardingRule{
		Name: name, IPAddress: "198.51.100.7", PortRange: "80", LoadBalancingScheme: "EXTERNAL_MANAGED",
		Target: global + "targetHttpProxies/" + name,
	}).Do())
}

// web is a whole load balancer "web" of one group, whose two endpoints are really probed: the
// first answers, and the second says that it is out of order.
func (w world) web() (good, bad string) {
	w.t.Helper()
	good, bad = backend(w.t, http.StatusOK), backend(w.t, http.StatusServiceUnavailable)
	w.group("web", "", good, bad)
	w.service("web", "", "web")
	w.front("web")
	return good, bad
}

// backend is a server on loopback that answers with a status, by its address.
func backend(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// addresses are many that nobody probes.
func addresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.9.%d.%d:8080", i/250, i%250+1)
	}
	return list
}
