package bench

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	groups = "networkEndpointGroups."
	wait   = "zoneOperations.wait"
)

// TestCalls counts what looks cost, exactly.
func TestCalls(t *testing.T) {
	w := newWorld(t, 3, nil)
	w.deploy("web", 3)
	w.serve("web")
	w.reset()
	w.look("web")
	counted(t, "new-service-calls", sum(w.compute()), 13)

	w.reset()
	w.look("web")
	if d := cmp.Diff(map[string]int{groups + "listNetworkEndpoints": 3}, w.compute()); d != "" {
		t.Errorf("a look that changes nothing (-want +got):\n%s", d)
	}
	if d := cmp.Diff("c1 get services: 1\nc1 list endpointslices: 1", w.Kube.Calls().String()); d != "" {
		t.Errorf("a look that changes nothing, in the cluster (-want +got):\n%s", d)
	}
	counted(t, "idle-compute-calls", sum(w.compute()), 3)
	counted(t, "idle-cluster-calls", w.Kube.Calls().Count("", ""), 2)
}

// TestCallsOfChange: an attach for every 500 endpoints of a zone, beside the lists.
func TestCallsOfChange(t *testing.T) {
	sizes := []int{1, 499, 500, 501, 1600}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, 21, nil)
			w.deploy("web", 3)
			w.serve("web")
			w.look("web")
			w.check(w.Scale(namespace, "web", 3+3*n)) // n more in each zone
			w.reset()
			w.look("web")
			calls := 3 * ((n + 499) / 500)
			want := map[string]int{groups + "listNetworkEndpoints": 3, groups + "attachNetworkEndpoints": calls, wait: calls}
			if d := cmp.Diff(want, w.compute()); d != "" {
				t.Errorf("a change of %d endpoints in each of 3 zones (-want +got):\n%s", n, d)
			}
			counted(t, fmt.Sprintf("change-calls-%d", n), w.compute()[groups+"attachNetworkEndpoints"], calls)
			if got := slices.Sorted(maps.Values(w.attached()[w.group("web")])); !slices.Equal(got, []int{n + 1, n + 1, n + 1}) {
				t.Errorf("attached %v", got)
			}
		})
	}
}

func sum(calls map[string]int) int {
	n := 0
	for _, c := range calls {
		n += c
	}
	return n
}
