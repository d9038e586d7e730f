package fakegce_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

// A fleet is 10,000 groups over three zones, 200 of which hold 500 endpoints each,
// made through the handler as clients would.
const (
	perFull        = 500
	fleetEndpoints = fleetFull * perFull
)

var fleetZones = []string{"us-central1-a", "us-central1-b", "us-central1-c"}

func fleetGroup(n int) (zone, name string) {
	return fleetZones[n%len(fleetZones)], fmt.Sprintf("g%05d", n)
}

// newFleet tells beside the server how much heap its groups and its endpoints take.
func newFleet(b testing.TB) (s *fakegce.Server, perGroup, perEndpoint float64) {
	s = fakegce.New(fakegce.Options{MaxOperations: 1, CallLog: 1, TimelineLog: 1})
	b.Cleanup(s.Close)
	seed := fakegce.Seed{Projects: []string{"p1"}}
	for i, zone := range fleetZones {
		seed.Instances = append(seed.Instances, fakegce.Instance{
			Zone: zone, Name: "node", IP: fmt.Sprintf("10.128.0.%d", i+2), AliasRanges: []string{"10.16.0.0/16"},
		})
	}
	if err := s.Seed(seed); err != nil {
		b.Fatal(err)
	}
	empty := heap()
	for n := range fleetGroups {
		zone, name := fleetGroup(n)
		serve(b, s, "POST", "projects/p1/zones/"+zone+"/networkEndpointGroups", fmt.Sprintf(
			`{"name":"%s","networkEndpointType":"GCE_VM_IP_PORT","description":"{\"negfleet\":\"nf1-%05d\"}","annotations":{"cluster":"c%d"}}`, name, n, n%50))
	}
	grouped := heap()
	for n := range fleetFull {
		zone, name := fleetGroup(n)
		body := strings.ReplaceAll(numbered(0, perFull), `"i0"`, `"node"`)
		serve(b, s, "POST", "projects/p1/zones/"+zone+"/networkEndpointGroups/"+name+"/attachNetworkEndpoints", body)
	}
	return s, float64(grouped-empty) / fleetGroups, float64(heap()-grouped) / fleetEndpoints
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestFleetScale reads a large world over loopback with the real client and puts
// it into a file's text and back. Only five times a target fails.
func TestFleetScale(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 groups")
	}
	s, perGroup, perEndpoint := newFleet(t)
	t.Logf("heap: %.0f B per group, %.0f B per endpoint", perGroup, perEndpoint)
	client, err := compute.NewService(t.Context(), option.WithEndpoint(fakegce.ComputeEndpoint(fakegce.Start(t, s))),
		option.WithoutAuthentication(), option.WithHTTPClient(http.DefaultClient))
	if err != nil {
		t.Fatal(err)
	}
	within(t, "first page of aggregatedList", 50*time.Millisecond, func() (int, int) {
		list, err := client.NetworkEndpointGroups.AggregatedList("p1").Do()
		return counted(t, list, err), 500
	})
	within(t, "aggregatedList of 10,000 groups", 2*time.Second, func() (int, int) { return aggregated(t, client, ""), fleetGroups })
	within(t, "aggregatedList with a description filter", 50*time.Millisecond, func() (int, int) {
		return aggregated(t, client, `description eq ".*nf1-00777.*"`), 1
	})
	within(t, "100,000 endpoints of 200 groups", 2*time.Second, func() (int, int) { return listed(t, client), fleetEndpoints })

	var saved bytes.Buffer
	within(t, "save", time.Second, func() (int, int) {
		saved.Reset()
		err := s.Save(&saved)
		if err != nil {
			t.Error(err)
		}
		return strings.Count(saved.String(), `"port":80`), fleetEndpoints
	})
	t.Logf("saved: %.1f MiB", float64(saved.Len())/(1<<20))
	other := fakegce.New(fakegce.Options{})
	t.Cleanup(other.Close)
	within(t, "load", 2*time.Second, func() (int, int) {
		if err := other.Load(bytes.NewReader(saved.Bytes())); err != nil {
			t.Error(err)
		}
		return len(other.Groups()), fleetGroups
	})
}

// within takes the best of a few times: others share the machine.
func within(t *testing.T, what string, target time.Duration, do func() (got, want int)) {
	t.Helper()
	took := time.Hour
	for range 5 {
		begin := time.Now()
		if got, want := do(); got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
		if took = min(took, time.Since(begin)); raceDetector {
			break
		}
	}
	t.Logf("%s: %v, target %v", what, took.Round(100*time.Microsecond), target)
	if took > 5*target && !raceDetector {
		t.Errorf("%s took %v, more than five times its target of %v", what, took, target)
	}
}

func counted(t *testing.T, list *compute.NetworkEndpointGroupAggregatedList, err error) int {
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, scoped := range list.Items {
		n += len(scoped.NetworkEndpointGroups)
	}
	return n
}

func aggregated(t *testing.T, client *compute.Service, filter string) int {
	n := 0
	err := client.NetworkEndpointGroups.AggregatedList("p1").Filter(filter).Pages(t.Context(), func(list *compute.NetworkEndpointGroupAggregatedList) error {
		n += counted(t, list, nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func listed(t *testing.T, client *compute.Service) int {
	endpoints := 0
	for n := range fleetFull {
		zone, name := fleetGroup(n)
		call := client.NetworkEndpointGroups.ListNetworkEndpoints("p1", zone, name, &compute.NetworkEndpointGroupsListEndpointsRequest{}).MaxResults(500)
		err := call.Pages(t.Context(), func(list *compute.NetworkEndpointGroupsListNetworkEndpoints) error {
			endpoints += len(list.Items)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return endpoints
}
