package drain_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestDrain: all of the cluster goes, nothing else does, whatever stands in the way at
// first.
func TestDrain(t *testing.T) {
	for name, prepare := range map[string]func(*world){
		"": func(*world) {},
		"everything is published again and again": func(w *world) { w.drain.Patience = 0 },
		"messages are lost": func(w *world) {
			// The functions see the fleet file later than we do; what came before has no effect.
			publish, lost := w.drain.Publish, 2
			w.drain.Publish = func(ctx context.Context, found []resync.Find) error {
				if lost--; lost >= 0 {
					return nil
				}
				return publish(ctx, found)
			}
		},
		"a list lacks a zone, at times": func(w *world) {
			w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.aggregatedList", Unreachable: "zones/us-central1-b", Nth: 3, Count: 2}))
		},
		"a Service is gone already": func(w *world) {
			w.check(w.kube.Cluster("c1").Delete(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			prepare(w)
			l, silent, err := w.run()
			if err != nil || silent != nil || len(l.Held) != 0 || l.First.Groups != 4 || l.First.Endpoints != 4 || l.First.Entries != 4 || l.First.BackendServices != 1 || l.First.HealthChecks != 1 {
				t.Errorf("%v, %v: %+v", err, silent, l)
			}
			if d := cmp.Diff(w.others(), w.left()); d != "" {
				t.Errorf("left (-want +got):\n%s", d)
			}
		})
	}
}

// TestInterrupted: a run that ends anywhere is taken up by the next.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	w.looks = false
	ctx, cancel := context.WithCancel(t.Context())
	if _, _, err := w.drain.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	l, err := w.drain.Follow(ctx)
	if !errors.Is(err, context.Canceled) || len(l.Held) == 0 {
		t.Errorf("%v, held %v", err, l.Held)
	}
	w.looks = true
	w.reopen()
	if l, _, err := w.run(); err != nil || len(l.Held) != 0 {
		t.Errorf("%v, held %v", err, l.Held)
	}
}

// TestSilent: of a cluster that does not answer the cloud tells the keys, and nothing goes:
// that its Services want nothing is not proved.
func TestSilent(t *testing.T) {
	w := newWorld(t)
	w.kube.RemoveCluster("c1")
	before := w.left()
	l, silent, err := w.run()
	if !errors.Is(err, context.DeadlineExceeded) || silent == nil || l.Published != 2*drain.Tries {
		t.Errorf("%v, silent: %v, %d published, want %d", err, silent, l.Published, 2*drain.Tries)
	}
	if d := cmp.Diff(before, w.left()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestInTheWay: what no key removes keeps the drain from its end and is named; what a user
// holds stays and is named with its user.
func TestInTheWay(t *testing.T) {
	gke := `{"cluster-uid":"` + uid + `","namespace":"shop","service-name":"web","port":"80"}`
	group := neg.GroupID{Zone: "us-central1-a", Name: "k8s1-f1a2b3c4-shop-web-80-525d8ef9"}
	for name, c := range map[string]struct {
		prepare func(*world)
		want    string // the line told last
		users   string
	}{
		"a group of GKE's own controller": {func(w *world) { w.group("p1", group, gke) }, "1 group of GKE's own controller", ""},
		"a group with half a description": {func(w *world) { w.group("p1", group, `{"negfleet":1,"uid":"`+uid+`"}`) }, "1 group that names the cluster", ""},
		"a URL map": {
			func(w *world) {
				web := neg.GroupName(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}, 80)
				w.api("urlMaps", `{"name":"shop","defaultService":"global/backendServices/`+web+`"}`)
			}, "1 backend service, 1 health check", "urlMaps/shop",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			l, _, err := w.run()
			if !errors.Is(err, context.DeadlineExceeded) || len(l.Held) == 0 {
				t.Fatalf("%v, held %v", err, l.Held)
			}
			if last := w.told[len(w.told)-1]; !strings.HasSuffix(last, c.want) || !strings.HasPrefix(last, "0 groups, 0 endpoints, 0 backend entries, ") {
				t.Errorf("told %q, want %q", last, c.want)
			}
			if c.users != "" && !strings.Contains(strings.Join(l.Held[0].Users, " "), c.users) {
				t.Errorf("held %+v", l.Held)
			}
		})
	}
}

// TestOutOfTheWay: what was in the way for long and lets go at last has its key published again.
func TestOutOfTheWay(t *testing.T) {
	w := newWorld(t)
	web := neg.GroupName(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}, 80)
	w.api("urlMaps", `{"name":"shop","defaultService":"global/backendServices/`+web+`"}`)
	sleep, slept := w.drain.Sleep, 0
	w.drain.Sleep = func(ctx context.Context, d time.Duration) error {
		w.sleeps = 0
		switch slept++; slept {
		case 100: // a quarter of an hour
			req, err := http.NewRequestWithContext(ctx, http.MethodDelete, w.at+"projects/p1/global/urlMaps/shop", http.NoBody)
			w.check(err)
			res, err := http.DefaultClient.Do(req)
			w.check(err)
			w.check(res.Body.Close())
		case 200:
			return context.DeadlineExceeded
		}
		return sleep(ctx, d)
	}
	if l, _, err := w.run(); err != nil || len(l.Held) != 0 || slept < 100 {
		t.Errorf("%v after %d looks, held %+v", err, slept, l.Held)
	}
}

// TestElsewhere: what stands in another project of the fleet is found at the end, and ends
// it: no key reaches it.
func TestElsewhere(t *testing.T) {
	w := newWorld(t)
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	w.group("p2", neg.GroupID{Zone: "us-central1-a", Name: "moved"}, neg.OwnerOf(uid, web, 80).Description())
	l, _, err := w.run()
	if err != nil || len(l.Held) != 1 || l.Held[0].Project != "p2" {
		t.Errorf("%v, held %v", err, l.Held)
	}
}

// TestNotKnown: a list that fails is no empty one. One that will always fail ends it.
func TestNotKnown(t *testing.T) {
	for verb, scope := range map[string]string{
		"networkEndpointGroups.aggregatedList": "zones/us-central1-a", "backendServices.aggregatedList": "regions/us-central1", "healthChecks.aggregatedList": "global",
	} {
		w := newWorld(t)
		if l, _, err := w.run(); err != nil || len(l.Held) != 0 {
			t.Fatalf("%v, held %v", err, l.Held)
		}
		w.reopen()
		w.check(w.cloud.AddFaults(fakegce.Fault{Verb: verb, Unreachable: scope}))
		if _, _, err := w.drain.Begin(t.Context()); err == nil {
			t.Errorf("%s: a list that lacks a scope counts", verb)
		}
		if _, err := w.drain.Everywhere(t.Context()); err == nil {
			t.Errorf("%s: a list that lacks a scope counts, everywhere", verb)
		}
		w.cloud.ClearFaults()
		w.check(w.cloud.AddFaults(fakegce.Fault{Verb: verb, Path: "projects/p2", Status: 403, Message: "denied"}))
		if _, _, err := w.run(); neg.OutcomeOf(err) != neg.Blocked || !strings.Contains(err.Error(), "project p2") {
			t.Errorf("%s: %v, want that p2 is not known", verb, err)
		}
	}
}

// TestNotPublished: what cannot be published ends it, and is told apart from a cluster that
// does not answer.
func TestNotPublished(t *testing.T) {
	w := newWorld(t)
	full := errors.New("the topic is full")
	w.drain.Publish = func(context.Context, []resync.Find) error { return full }
	if _, silent, err := w.drain.Begin(t.Context()); !errors.Is(err, full) || silent != nil {
		t.Errorf("%v, silent: %v", err, silent)
	}
}
