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
