package kube_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

func node(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{ProviderID: "gce://p1/us-central1-a/vm-" + name}}
}

// TestNodes: instance and zone come from the providerID; a node of another cloud is none.
func TestNodes(t *testing.T) {
	w := newWorld(t)
	kind, none := node("kind"), node("none")
	kind.Spec.ProviderID, none.Spec.ProviderID = "kind://docker/kind/kind", ""
	w.apply(node("a"), kind, none)
	got, err := w.Nodes(t.Context(), false)
	w.check(err)
	if d := cmp.Diff(map[string]neg.Node{"a": {Project: "p1", Zone: "us-central1-a", Instance: "vm-a"}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNodesAreKept: for five minutes, for a second when somebody misses one; a failure is
// not kept, and does not drop what is.
func TestNodesAreKept(t *testing.T) {
	w := newWorld(t)
	w.apply(node("a"))
	read := func(fresh bool, wantNodes, wantLists int) {
		t.Helper()
		nodes, err := w.Nodes(t.Context(), fresh)
		if lists := w.server.Calls().Count("list", "nodes"); err != nil || len(nodes) != wantNodes || lists != wantLists {
			t.Errorf("%d nodes after %d lists, %v; want %d after %d", len(nodes), lists, err, wantNodes, wantLists)
		}
	}
	read(false, 1, 1)
	w.apply(node("b"))
	read(false, 1, 1)
	read(true, 1, 1) // read a moment ago
	w.advance(time.Second)
	read(false, 1, 1)
	read(true, 2, 2)
	w.apply(node("c"))
	w.advance(5*time.Minute - 1)
	read(false, 2, 2)
	w.advance(1)
	read(false, 3, 3)

	w.advance(time.Minute)
	w.server.Inject(fakekube.Fault{Resource: "nodes", Times: 1, Status: 503})
	if _, err := w.Nodes(t.Context(), true); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("a list that failed: %v", err)
	}
	read(false, 3, 4) // what is kept is still good
	read(true, 3, 5)
}

// TestNodesSingleFlight: fifty looks that miss the same node make one list.
func TestNodesSingleFlight(t *testing.T) {
	w := newWorld(t)
	w.apply(node("a"))
	const looks = 50
	hold := w.server.Inject(fakekube.Fault{Resource: "nodes", Delay: time.Hour}) // until it is lifted
	var done sync.WaitGroup
	var waiting sync.WaitGroup
	waiting.Add(looks)
	for range looks {
		done.Go(func() {
			waiting.Done()
			if nodes, err := w.Nodes(t.Context(), true); err != nil || len(nodes) != 1 {
				t.Errorf("%d nodes, %v", len(nodes), err)
			}
		})
	}
	waiting.Wait()
	hold.Lift()
	done.Wait()
	// One that came after the answer found the map a moment old: the clock stands still.
	if lists := w.server.Calls().Count("list", "nodes"); lists != 1 {
		t.Errorf("%d lists, want 1", lists)
	}
}
