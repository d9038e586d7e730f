package fakegce_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// listing is what each list of the emulator shows, as text: names with what of them
// changes, scopes left out.
func (c client) listing() []string {
	c.t.Helper()
	var got []string
	add := func(items any) {
		list, _ := items.([]any)
		for _, item := range list {
			item := item.(map[string]any)
			got = append(got, fmt.Sprintf("%v %v size=%v usedBy=%v status=%v", item["kind"], item["name"], item["size"], item["usedBy"], item["status"]))
		}
	}
	for _, path := range []string{"zones/us-central1-a/networkEndpointGroups", "global/urlMaps", "global/backendServices", "regions/us-central1/addresses"} {
		add(c.ok("GET", "projects/p1/"+path, "")["items"])
	}
	scopes, _ := c.ok("GET", "projects/p1/aggregated/networkEndpointGroups", "")["items"].(map[string]any)
	add(scopes["zones/us-central1-a"].(map[string]any)["networkEndpointGroups"])
	for _, name := range []string{"a", "b"} {
		status, page := c.do("POST", zone+"networkEndpointGroups/"+name+"/listNetworkEndpoints", "{}")
		if status == http.StatusOK {
			got = append(got, fmt.Sprintf("endpoints of %s: %v", name, page["items"]))
		}
	}
	slices.Sort(got)
	return got
}

// TestListsLag: a lagging emulator lists exactly what a prompt one listed a lag ago,
// through a random life of groups, endpoints and what uses what.
func TestListsLag(t *testing.T) {
	const lag, tick, rounds = 3 * time.Second, time.Second, 100
	clock := fakegce.NewManualClock(noon)
	_, c := start(t, fakegce.Options{Clock: clock, ListLag: lag})
	_, p := start(t, fakegce.Options{Clock: clock})
	for _, each := range []client{c, p} {
		each.ok("POST", "projects/p1/global/healthChecks", `{"name":"h","type":"TCP"}`)
		each.ok("POST", "projects/p1/global/backendServices", `{"name":"s","healthChecks":["global/healthChecks/h"]}`)
		each.ok("POST", "projects/p1/regions/us-central1/backendServices", `{"name":"r","loadBalancingScheme":"EXTERNAL"}`)
	}
	clock.Advance(lag)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	steps := [][3]string{
		{"POST", zone + "networkEndpointGroups", `{"name":"a","networkEndpointType":"GCE_VM_IP_PORT"}`},
		{"POST", zone + "networkEndpointGroups", `{"name":"b","networkEndpointType":"GCE_VM_IP_PORT"}`},
		{"POST", zone + "networkEndpointGroups/a/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80", "i1 10.4.1.1:80")},
		{"POST", zone + "networkEndpointGroups/a/attachNetworkEndpoints", endpoints("i0 10.4.0.2:80")},
		{"POST", zone + "networkEndpointGroups/a/detachNetworkEndpoints", endpoints("i0 10.4.0.1:80")},
		{"DELETE", zone + "networkEndpointGroups/a", ""},
		{"DELETE", zone + "networkEndpointGroups/b", ""},
		{"POST", "projects/p1/global/urlMaps", `{"name":"m","defaultService":"global/backendServices/s"}`},
		{"DELETE", "projects/p1/global/urlMaps/m", ""},
		{"POST", "projects/p1/regions/us-central1/addresses", `{"name":"x","address":"198.18.9.9"}`},
		{"POST", "projects/p1/regions/us-central1/forwardingRules", `{"name":"f","IPAddress":"198.18.9.9","backendService":"regions/us-central1/backendServices/r"}`},
		{"DELETE", "projects/p1/regions/us-central1/forwardingRules/f", ""},
		{"DELETE", "projects/p1/regions/us-central1/addresses/x", ""},
	}
	history := map[time.Time][]string{clock.Now(): p.listing()}
	for range rounds {
		for range random.IntN(4) {
			step := steps[random.IntN(len(steps))]
			got, _ := c.do(step[0], step[1], step[2])
			if want, body := p.do(step[0], step[1], step[2]); got != want {
				t.Fatalf("%v: %d, want %d %v", step, got, want, body)
			}
		}
		history[clock.Now()] = p.listing()
		if then, ok := history[clock.Now().Add(-lag)]; ok {
			known := slices.DeleteFunc(slices.Clone(then), func(line string) bool {
				name, ok := strings.CutPrefix(line, "endpoints of ")
				return ok && !there(c, name[:1]) // a group that is gone answers 404 at once
			})
			got := slices.DeleteFunc(c.listing(), func(line string) bool { return strings.HasSuffix(line, "<nil>") && !slices.Contains(known, line) })
			if d := cmp.Diff(known, got); d != "" {
				t.Fatalf("at %s, -want +got:\n%s", clock.Now(), d)
			}
		}
		clock.Advance(tick)
	}
}

func there(c client, group string) bool {
	status, _ := c.do("GET", zone+"networkEndpointGroups/"+group, "")
	return status == http.StatusOK
}

// TestGetDoesNotLag, and a list does to the moment.
func TestGetDoesNotLag(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	_, c := start(t, fakegce.Options{Clock: clock, ListLag: 2 * time.Second})
	listed := func() int {
		items, _ := c.ok("GET", zone+"networkEndpointGroups", "")["items"].([]any)
		return len(items)
	}
	c.insert("g")
	c.ok("GET", zone+"networkEndpointGroups/g", "")
	clock.Advance(2*time.Second - time.Nanosecond)
	if n := listed(); n != 0 {
		t.Errorf("%d listed too early", n)
	}
	clock.Advance(time.Nanosecond)
	if n := listed(); n != 1 {
		t.Errorf("%d listed a lag after", n)
	}
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
	if n := listed(); n != 1 {
		t.Errorf("%d listed right after the deletion", n)
	}
	clock.Advance(2 * time.Second)
	if n := listed(); n != 0 {
		t.Errorf("%d listed a lag after the deletion", n)
	}
}

// TestLaggingFault: one list is behind, the next is not; nor does it look back
// further than the fault was there.
func TestLaggingFault(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	s, c := start(t, fakegce.Options{Clock: clock})
	c.insert("before")
	arm(t, s, fakegce.Fault{Verb: "networkEndpointGroups.list", Count: 1, ListLag: fakegce.Duration(time.Minute)})
	c.insert("after")
	clock.Advance(time.Second)
	for _, want := range []int{1, 2} {
		if items, _ := c.ok("GET", zone+"networkEndpointGroups", "")["items"].([]any); len(items) != want {
			t.Errorf("listed %v, want %d", items, want)
		}
	}
}
