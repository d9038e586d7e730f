package bench

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/shared/neg"
	looking "github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

const stale = 100

// TestOrdering measures the same with ordering keys and without: hints of one key that are
// overtaken by the time they come, and a change behind them; then many keys at once.
func TestOrdering(t *testing.T) {
	timed(t)
	for name, ordered := range map[string]bool{"off": false, "on": true} {
		t.Run(name, func(t *testing.T) {
			w, looks := orderingWorld(t, ordered)
			w.settle("web", 1)
			looks.Store(0)
			started := time.Now()
			for range stale {
				w.check(w.Publish(t.Context(), key("web-0"), "audit"))
			}
			took := w.changed("web-0")
			w.drained()
			measured(t, "ordering-"+name+"-looks-for-100-hints", float64(looks.Load()), 0, "looks")
			measured(t, "ordering-"+name+"-change-behind-100-hints", took.Seconds(), 0, "s")
			measured(t, "ordering-"+name+"-all-answered", time.Since(started).Seconds(), 0, "s")
			if n := looks.Load(); !ordered && n > 12 {
				t.Errorf("%d looks for %d hints without ordering", n, stale+1)
			}

			w.settle("many", 300)
			started = time.Now()
			for range 3 {
				for i := range 300 {
					w.check(w.Publish(t.Context(), key(fmt.Sprint("many-", i)), "audit"))
				}
			}
			w.drained()
			measured(t, "ordering-"+name+"-300-keys-thrice", time.Since(started).Seconds(), 0, "s")
		})
	}
}

// orderingWorld is one instance whose looks are a tenth of a second apart at least, and the
// count of those that deliveries led to.
func orderingWorld(t *testing.T, ordered bool) (*world, *atomic.Int32) {
	looks := &atomic.Int32{}
	r := rig.Start(t, rig.Options{
		Project: "bench-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), Clusters: []string{cluster}, Nodes: 9,
		Env:  map[string]string{"NEGFLEET_LOOK_INTERVAL": "100ms"},
		Push: pubsub.Subscription{AckDeadline: patience, MaxOutstanding: handlers, Ordering: ordered},
		Adjust: func(f *reconcile.Function) {
			look := f.Look
			f.Look = func(ctx context.Context, k neg.Key, turn looking.Turn) (looking.Result, error) {
				looks.Add(1)
				return look(ctx, k, turn)
			}
		},
	})
	return &world{Rig: r, World: r.Clusters[0].World, t: t, c: r.Clusters[0]}, looks
}

// changed changes a Service and returns how long that takes to reach the cloud.
func (w *world) changed(name string) time.Duration {
	w.t.Helper()
	started := time.Now()
	w.check(w.Scale(namespace, name, 6))
	w.check(w.Publish(w.t.Context(), key(name), "audit"))
	w.await(name, 6)
	return time.Since(started)
}
