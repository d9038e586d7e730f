package cloudprovider

import (
	"slices"
	"testing"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/filter"
	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

func (w *world) attach(name string, ips ...string) error {
	in := &compute.NetworkEndpointGroupsAttachEndpointsRequest{}
	for _, ip := range ips {
		in.NetworkEndpoints = append(in.NetworkEndpoints, address(ip))
	}
	return w.NetworkEndpointGroups().AttachNetworkEndpoints(w.Context(), zonal(name), in)
}

func (w *world) detach(name string, ips ...string) error {
	in := &compute.NetworkEndpointGroupsDetachEndpointsRequest{}
	for _, ip := range ips {
		in.NetworkEndpoints = append(in.NetworkEndpoints, address(ip))
	}
	return w.NetworkEndpointGroups().DetachNetworkEndpoints(w.Context(), zonal(name), in)
}

// shown lists a group's endpoints with their health.
func (w *world) shown(name string) []*compute.NetworkEndpointWithHealthStatus {
	w.Helper()
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SHOW"}
	list, err := w.NetworkEndpointGroups().ListNetworkEndpoints(w.Context(), zonal(name), in, filter.None)
	w.must(err)
	return list
}

func (w *world) attached(name string) (ips []string) {
	w.Helper()
	for _, item := range w.shown(name) {
		ips = append(ips, item.NetworkEndpoint.IpAddress)
	}
	slices.Sort(ips)
	return ips
}

func TestGroupLife(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	negs := w.NetworkEndpointGroups()
	for _, name := range []string{"a", "b"} {
		w.must(negs.Insert(t.Context(), zonal(name), group()))
	}
	w.must(w.attach("a", "10.8.0.1", "10.8.0.2", "10.8.0.3"))
	w.must(w.detach("a", "10.8.0.2"))
	if got := w.attached("a"); !slices.Equal(got, []string{"10.8.0.1", "10.8.0.3"}) {
		t.Errorf("attached %v", got)
	}
	got, err := negs.Get(t.Context(), zonal("a"))
	w.must(err)
	if got.Size != 2 || got.SelfLink != groupLink("a") || got.Description != "of ours" {
		t.Errorf("group %+v", got)
	}
	list, err := negs.List(t.Context(), zone, filter.None)
	w.must(err)
	all, err := negs.AggregatedList(t.Context(), filter.Regexp("name", "b"))
	w.must(err)
	if len(list) != 2 || len(all["zones/"+zone]) != 1 || all["zones/"+zone][0].Name != "b" {
		t.Errorf("listed %d, aggregated %v", len(list), all["zones/"+zone])
	}
	for _, name := range []string{"a", "b"} {
		w.must(negs.Delete(t.Context(), zonal(name)))
	}
	if left := w.server.Groups(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestGroupsOfOtherScopes: groups of a region and global ones live beside the zonal.
func TestGroupsOfOtherScopes(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	regions, globals := w.RegionNetworkEndpointGroups(), w.GlobalNetworkEndpointGroups()
	w.must(regions.Insert(t.Context(), regional("r"), &compute.NetworkEndpointGroup{
		NetworkEndpointType: "SERVERLESS", CloudRun: &compute.NetworkEndpointGroupCloudRun{Service: "s"},
	}))
	w.must(globals.Insert(t.Context(), global("g"), &compute.NetworkEndpointGroup{NetworkEndpointType: "INTERNET_FQDN_PORT", DefaultPort: 443}))
	w.must(globals.AttachNetworkEndpoints(t.Context(), global("g"), &compute.GlobalNetworkEndpointGroupsAttachEndpointsRequest{
		NetworkEndpoints: []*compute.NetworkEndpoint{{Fqdn: "backend.example", Port: 443}},
	}))
	r, err := regions.Get(t.Context(), regional("r"))
	w.must(err)
	g, err := globals.Get(t.Context(), global("g"))
	w.must(err)
	if r.CloudRun == nil || r.CloudRun.Service != "s" || g.Size != 1 {
		t.Errorf("regional %+v, global %+v", r, g)
	}
	w.must(regions.Delete(t.Context(), regional("r")))
	w.must(globals.Delete(t.Context(), global("g")))
}
