package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// renamed is a Service whose groups got other names, while the deletion of the old ones
// failed: neg-status names what is wanted, and nothing names what is left.
func renamed(t *testing.T) *world {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(`{"exposed_ports":{"80":{"name":"old"}}}`))
	w.mustLook()
	w.mustLook()
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) { s.Annotations[neg.AnnotationNEG] = port80 }))
	inUse := &fakegce.OperationError{Code: "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", HTTPStatus: 400}
	w.check(w.gce.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.delete", Operation: inUse, Count: 3}))
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Blocked {
		t.Fatalf("outcome %v: %v", neg.OutcomeOf(err), err)
	}
	if !strings.Contains(w.status(), w.generated(80)) || !w.holds("/old:") {
		t.Fatalf("status %s, groups %v", w.status(), w.groups())
	}
	return w
}

func (w *world) holds(text string) bool {
	return slices.ContainsFunc(w.groups(), func(line string) bool { return strings.Contains(line, text) })
}

// TestFailedDeletionIsTriedAgain: the instance remembers what it could not delete, and
// forgets it once it is gone.
func TestFailedDeletionIsTriedAgain(t *testing.T) {
	w := renamed(t)
	w.mustLook()
	if w.holds("/old:") {
		t.Errorf("left over: %v", w.groups())
	}
	w.reset()
	w.mustLook()
	if n := w.gce.Stats().Verbs["networkEndpointGroups.aggregatedList"]; n != 0 {
		t.Errorf("%d heavy reads after the last one was gone", n)
	}
}

// TestThoroughLookFindsLeftovers: an instance that knows nothing of a failed deletion finds
// the groups when it is asked to look thoroughly, as the sweep does.
func TestThoroughLookFindsLeftovers(t *testing.T) {
	w := renamed(t)
	other := &reconcile.Reconciler{Open: w.r.Open, Publish: w.r.Publish, Log: w.r.Log, Now: w.r.Now, Grace: w.r.Grace}
	turn := reconcile.Turn{Began: func() {}, Rereads: func() {}, Thorough: func() bool { return true }}
	if _, err := other.Look(t.Context(), web, turn); err != nil {
		t.Fatal(err)
	}
	if w.holds("/old:") {
		t.Errorf("left over: %v", w.groups())
	}
	w.wantExact(w.generated(80), 80)
}

// TestThoroughLookFindsGroupsOfNobody: both annotations are gone, and with them all that
// the Service says of its groups.
func TestThoroughLookFindsGroupsOfNobody(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) { s.Annotations = nil }))
	turn := reconcile.Turn{Began: func() {}, Rereads: func() {}, Thorough: func() bool { return true }}
	if _, err := w.r.Look(t.Context(), web, turn); err != nil {
		t.Fatal(err)
	}
	if left := w.groups(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}
