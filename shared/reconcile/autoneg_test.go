package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// finalize puts finalizers on the Service.
func (w *world) finalize(names ...string) {
	w.t.Helper()
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) { s.Finalizers = names }))
}

// byAutoneg is a world in which autoneg put the groups of shop/web into the backend service
// shop, and left its finalizer; its clock goes on by late.
func byAutoneg(t *testing.T, late *time.Duration) *world {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.r.Now = func() time.Time { return time.Now().Add(*late) }
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	var entries []string
	for _, z := range zones[:2] {
		entries = append(entries, fmt.Sprintf(`{"group":"zones/%s/networkEndpointGroups/%s","balancingMode":"RATE","maxRatePerEndpoint":100,"capacityScaler":0.3}`, z, w.generated(80)))
	}
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"],"backends":[`+strings.Join(entries, ",")+`]}`)
	w.annotate(neg.AnnotationAutonegStatus, `{"backend_services":{"80":{"shop":{"name":"shop","max_rate_per_endpoint":100}}},"network_endpoint_groups":{"80":"`+w.generated(80)+`"},"zones":["us-central1-a","us-central1-b"]}`)
	w.annotate(neg.AnnotationAutoneg, autone)
	w.finalize(neg.FinalizerAutoneg, "example.com/other")
	return w
}

// served tells whether negfleet has taken over and added the third zone.
func (w *world) served() bool {
	w.t.Helper()
	return w.inShopAt(80) == 3
}

// TestAutonegIsGone: its finalizer is taken off, and once it does not come back its entries
// are taken over. Until then they stay as they are.
func TestAutonegIsGone(t *testing.T) {
	late := time.Duration(0)
	w := byAutoneg(t, &late)
	before := w.balancers()
	began := time.Now()
	found := w.mustLook()
	if earliest, latest := began.Add(10*time.Second), time.Now().Add(15*time.Second); found.Due.Before(earliest) || found.Due.After(latest) {
		t.Errorf("the next look is due at %v, want %v to %v", found.Due, earliest, latest)
	}
	if d := cmp.Diff([]string{"example.com/other"}, w.finalizers()); d != "" {
		t.Errorf("finalizers (-want +got):\n%s", d)
	}
	w.mustLook()
	w.wantBalancers("until it is seen not to run", before...)
	late = 20 * time.Second
	if found = w.mustLook(); !w.served() || !found.Due.IsZero() {
		t.Errorf("not taken over; the next look is due at %v:\n%s", found.Due, strings.Join(w.balancers(), "\n"))
	}
	w.still("taken over")
	if e := w.event("AutonegRunning"); e != nil {
		t.Errorf("Event %s", e.Message)
	}
}

// TestAutonegRuns: it puts its finalizer on again. Then it is told, nothing is written that
// it writes too, and ten minutes later it is tried once more.
func TestAutonegRuns(t *testing.T) {
	late := time.Duration(0)
	w := byAutoneg(t, &late)
	before := w.balancers()
	w.mustLook()
	w.finalize(neg.FinalizerAutoneg, "example.com/other")
	w.mustLook()
	w.wantBalancers("while autoneg runs", before...)
	if e := w.event("AutonegRunning"); e == nil || !strings.Contains(e.Message, "scale it to zero") {
		t.Errorf("Event %+v", e)
	}
	if held := w.finalizers(); len(held) != 2 {
		t.Errorf("a fight over the finalizer: %v", held)
	}
	w.check(w.Scale("shop", "web", 5))
	w.mustLook()
	w.wantExact(w.generated(80), 80) // Pods are attached all the same
	late = 11 * time.Minute
	w.mustLook()
	w.wantBalancers("tried once more", before...)
	late += 20 * time.Second
	w.mustLook()
	if held := w.finalizers(); !w.served() || len(held) != 1 {
		t.Errorf("autoneg is gone by now, finalizers %v:\n%s", held, strings.Join(w.balancers(), "\n"))
	}
}

// TestAutonegFinalizerStays: where negfleet may only add, or not write at all, it takes no
// finalizer off.
func TestAutonegFinalizerStays(t *testing.T) {
	for _, p := range []plan.Policy{plan.Upsert, plan.Observe} {
		late := time.Duration(0)
		w := byAutoneg(t, &late)
		w.scope.Policy = p
		w.mustLook()
		if held := w.finalizers(); len(held) != 2 || w.served() != (p == plan.Upsert) {
			t.Errorf("%v: finalizers %v, taken over %v", p, held, w.served())
		}
	}
}

// TestAutonegBesideGKE: where GKE's own controller keeps the groups nothing is written, the
// finalizer of a controller that serves them included, whatever the Service asks for.
func TestAutonegBesideGKE(t *testing.T) {
	status := `{"network_endpoint_groups":{"80":"k8s1-d9e3f9d8-shop-web-80-b179df67"},"zones":["us-central1-a"]}`
	for name, annotations := range map[string]map[string]string{
		"it asks for groups": exposed(port80),
		"it asks for none":   {},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			annotations[neg.AnnotationStatus], annotations[neg.AnnotationAutoneg] = status, autone
			w.start(3, annotations)
			w.finalize(neg.FinalizerAutoneg)
			w.reset()
			_, _ = w.look() // blocked or not: what counts is what it wrote
			for _, wr := range w.kube.Writes() {
				if wr.User == "negfleet" && wr.Resource == "services" {
					t.Errorf("it wrote: %s %s/%s", wr.Verb, wr.Namespace, wr.Name)
				}
			}
			if d := cmp.Diff([]string{neg.FinalizerAutoneg}, w.finalizers()); d != "" {
				t.Errorf("finalizers (-want +got):\n%s", d)
			}
			if got := w.annotation(neg.AnnotationStatus); got != status {
				t.Errorf("neg-status became %s", got)
			}
		})
	}
}
