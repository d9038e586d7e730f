package reconcile_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
)

// TestHint: what the webhook saw coming is looked for three times before it is acknowledged;
// what anyone else reports is looked at once.
func TestHint(t *testing.T) {
	for name, c := range map[string]struct {
		source  string
		written time.Duration // when there is something to do
		took    time.Duration
		looks   int
	}{
		"written already":    {"admission", 0, 0, 1},
		"written soon":       {"admission", 500 * time.Millisecond, time.Second, 2},
		"written late":       {"admission", 2 * time.Second, 4 * time.Second, 3},
		"never written":      {"admission", time.Hour, 4 * time.Second, 3},
		"reported by a log":  {"audit", time.Hour, 0, 1},
		"asked by the sweep": {"sweep", time.Hour, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, started := newRig(t), time.Now()
				looks := 0
				r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (found reconcile.Result, err error) {
					turn.Began()
					looks++
					if time.Since(started) >= c.written {
						found.Planned = []plan.Step{{Op: plan.CreateGroup}}
					}
					return found, nil
				}
				rec := r.post(payload(strings.Replace(fmt.Sprintf(service, "web"), "audit", c.source, 1)))
				if took := time.Since(started); rec.Code != 204 || took != c.took || looks != c.looks {
					t.Errorf("answered %d after %v and %d looks, want 204 after %v and %d", rec.Code, took, looks, c.took, c.looks)
				}
			})
		})
	}
}

// TestPodEntries: an EndpointSlice follows its Pods. A look that came before it is followed
// by another.
func TestPodEntries(t *testing.T) {
	const live, terminating, absent = reconcile.Live, reconcile.Terminating, reconcile.Absent
	for name, c := range map[string]struct {
		pods     string // of the message
		seen     reconcile.Presence
		unasked  bool // the Service asks for no groups
		followed bool
	}{
		"deleted, still live":       {`"podsDeleted":["web-1"]`, live, false, true},
		"deleted, terminating":      {`"podsDeleted":["web-1"]`, terminating, false, false},
		"deleted, gone":             {`"podsDeleted":["web-1"]`, absent, false, false},
		"created, not there yet":    {`"podsCreated":["web-1"]`, absent, false, true},
		"created, there":            {`"podsCreated":["web-1"]`, live, false, false},
		"created, gone again":       {`"podsCreated":["web-1"]`, terminating, false, false},
		"created, nobody's concern": {`"podsCreated":["web-1"]`, absent, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, started := newRig(t), time.Now()
				looks := 0
				r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
					turn.Began()
					looks++
					switch {
					case c.unasked:
						return reconcile.Result{}, nil
					case looks == 1:
						return reconcile.Result{Pods: map[string]reconcile.Presence{"web-1": c.seen, "web-2": live}}, nil
					case strings.Contains(c.pods, "Created"):
						return reconcile.Result{Pods: map[string]reconcile.Presence{"web-1": live}}, nil
					}
					return reconcile.Result{Pods: map[string]reconcile.Presence{}}, nil
				}
				rec := r.post(payload(strings.Replace(fmt.Sprintf(service, "web"), `"chain":0`, `"chain":0,`+c.pods, 1)))
				want, wait := 1, time.Duration(0)
				if c.followed {
					want, wait = 2, time.Second
				}
				if rec.Code != 204 || looks != want || time.Since(started) != wait {
					t.Errorf("answered %d after %v and %d looks, want 204 after %v and %d", rec.Code, time.Since(started), looks, wait, want)
				}
			})
		})
	}
}

// TestDue: a look that knows when another is due gets it, though nothing tells of it. What is
// due later than a delivery can be held for is published again.
func TestDue(t *testing.T) {
	for name, c := range map[string]struct {
		due   time.Duration // after the first look
		took  time.Duration
		looks int
		again int
	}{
		"soon":  {10 * time.Second, 10 * time.Second, 2, 0},
		"later": {time.Hour, 48 * time.Second, 2, 1}, // the rig's budget is a minute
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, started := newRig(t), time.Now()
				looks := 0
				r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (found reconcile.Result, err error) {
					turn.Began()
					looks++
					if due := started.Add(c.due); time.Now().Before(due) {
						found.Due = due
					}
					return found, nil
				}
				rec := r.post(payload(fmt.Sprintf(service, "web")))
				if took := time.Since(started); rec.Code != 204 || took != c.took || looks != c.looks || len(r.again) != c.again {
					t.Errorf("answered %d after %v, %d looks and %d more deliveries; want %v, %d, %d", rec.Code, took, looks, len(r.again), c.took, c.looks, c.again)
				}
			})
		})
	}
}
