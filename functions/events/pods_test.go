package events

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

// The message tells which Pods led to it, so that the look knows when it came too early.
func TestPodsAreNamed(t *testing.T) {
	w := newWorld(t, nil)
	if status, _ := w.post(w.path, entry(t, "list", "pods")); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	want := []event.Message{{
		Key:    neg.Key{Cluster: "prod-eu", Namespace: "shop", Service: "web"},
		Reason: "pods create web-6d4c9-a1b2c", Source: "audit", Observed: time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC),
		PodsCreated: []string{"web-6d4c9-a1b2c"}, PodsDeleted: []string{"web-6d4c9-q8w7e", "web-6d4c9-x7k2p"},
	}}
	if diff := cmp.Diff(want, w.messages(t)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// A key that slices named already is published again with its Pods: the first message did
// not tell of them.
func TestPodsBesideSlices(t *testing.T) {
	w := newWorld(t, nil)
	w.post(w.path, `{"items":[`+item(entry(t, "list", "slice-update"))+","+item(entry(t, "list", "pods"))+`]}`)
	messages := w.messages(t)
	if len(messages) != 2 || messages[0].PodsDeleted != nil || len(messages[1].PodsDeleted) != 2 {
		t.Errorf("published %+v", messages)
	}
}

func TestManyPodsMakeSeveralMessages(t *testing.T) {
	one := item(entry(t, "list", "pods-bare"))
	one = one[strings.Index(one, `},{"level"`)+2:]                 // without the creation
	one = one[:strings.Index(one, `},{"level"`)+1]                 // the deletion alone
	one = strings.Replace(one, `"web-6d4c9-x7k2p"`, `"web-%d"`, 1) // its objectRef's name
	var items []string
	for i := range 250 {
		items = append(items, fmt.Sprintf(one, i), fmt.Sprintf(one, i)) // each logged twice
	}
	w := newWorld(t, nil)
	if status, _ := w.post(w.path, `{"items":[`+strings.Join(items, ",")+`]}`); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	sizes, names := map[string][]int{}, map[string]bool{}
	for _, m := range w.messages(t) {
		sizes[m.Key.Service] = append(sizes[m.Key.Service], len(m.PodsDeleted))
		for _, name := range m.PodsDeleted {
			names[m.Key.Service+"/"+name] = true
		}
	}
	total := 0
	for _, each := range sizes["web"] {
		total += each
	}
	if len(sizes["web"]) != 3 || len(sizes["cart"]) != 3 || total != 250 || len(names) != 500 {
		t.Errorf("messages with %v Pods, %d names in all", sizes, len(names))
	}
	if diff := cmp.Diff([]string{"selectors prod-eu/shop"}, w.services.asked); diff != "" {
		t.Errorf("asked the cluster (-want +got):\n%s", diff)
	}
}

func TestSelectedBy(t *testing.T) {
	selector := map[string]string{"app": "web", "tier": ""}
	for name, c := range map[string]struct {
		labels map[string]string
		want   bool
	}{
		"all of it":       {map[string]string{"app": "web", "tier": "", "more": "x"}, true},
		"another value":   {map[string]string{"app": "cart", "tier": ""}, false},
		"an empty value":  {map[string]string{"app": "web"}, false},
		"no labels":       {map[string]string{}, false},
		"labels unlogged": {nil, true},
	} {
		if got := (podWrite{labels: c.labels}).selectedBy(selector); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A storm of Pods in one namespace costs one list in two seconds, however many instances
// of this wait for it.
func TestSelectorsAreReadOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		s := &selectors{now: time.Now, timeout: 10 * time.Second, read: func(context.Context, string, string) (map[string]map[string]string, error) {
			reads++
			time.Sleep(500 * time.Millisecond)
			return map[string]map[string]string{"web": {"app": "web"}}, nil
		}}
		started := time.Now()
		for time.Since(started) < 10*time.Second {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if found, err := s.in(t.Context(), "prod-eu", "shop"); err != nil || len(found) != 1 {
						t.Errorf("found %v, %v", found, err)
					}
				})
			}
			wg.Wait()
			time.Sleep(100 * time.Millisecond)
		}
		if reads != 5 {
			t.Errorf("%d reads in 10 s", reads)
		}
		if _, err := s.in(t.Context(), "prod-eu", "blog"); err != nil || len(s.kept) != 1 {
			t.Errorf("%v; what is old is kept: %v", err, s.kept)
		}
	})
}

// A cluster that is down costs one caller the time-out, and those of the next two seconds
// nothing; whoever goes away does not end the read for the others.
func TestSelectorsOfAClusterThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		s := &selectors{now: time.Now, timeout: time.Second, read: func(ctx context.Context, _, _ string) (map[string]map[string]string, error) {
			reads++
			<-ctx.Done()
			return nil, errDown
		}}
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.in(impatient, "prod-eu", "shop"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		wg.Go(func() {
			if _, err := s.in(t.Context(), "prod-eu", "shop"); !errors.Is(err, errDown) {
				t.Errorf("the patient one got %v", err)
			}
		})
		wg.Wait()
		before := time.Now()
		if _, err := s.in(t.Context(), "prod-eu", "shop"); !errors.Is(err, errDown) || time.Since(before) > 0 || reads != 1 {
			t.Errorf("%v after %s, %d reads", err, time.Since(before), reads)
		}
		time.Sleep(selectorsAge)
		if _, _ = s.in(t.Context(), "prod-eu", "shop"); reads != 2 {
			t.Errorf("%d reads: a failure is kept for good", reads)
		}
	})
}
