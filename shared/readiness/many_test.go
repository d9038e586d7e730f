package readiness_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/rig"
)

// minute is how long the Pods of a rollout take to become healthy, one after the other.
const minute = time.Minute

// rollout has so many Pods of one Service become healthy over a minute, and returns how much
// later each gate opened, sorted.
func rollout(w *world, all int) (lags []time.Duration) {
	w.serve("web", nil)
	w.deploy("web", all)
	w.reconcile("web")
	w.balance("web", rig.Zones...)
	w.health(nil, neg.Unhealthy)
	pods := w.pods("web")
	d := w.follow(w.Follower, web)
	d.look()
	w.rig.GCE.ClearCalls()
	started, healthy := w.clock.Now(), map[string]time.Time{}
	at := func(n int) time.Duration { return minute * time.Duration(n) / time.Duration(all) }
	for n := 0; n < all; d.step() {
		for due := w.clock.Now().Add(time.Second).Sub(started); n < all && at(n) < due; n++ {
			w.health(pods[n], neg.Healthy)
			healthy[pods[n].Name] = started.Add(at(n))
		}
	}
	for _, p := range w.pods("web") {
		if c := gate(p); c.Status == corev1.ConditionTrue {
			lags = append(lags, c.LastTransitionTime.Sub(healthy[p.Name]))
		}
	}
	slices.Sort(lags)
	return lags
}

// checkRollout asserts the lags, and one listing a second of each group: none holds more than a
// page.
func checkRollout(w *world, lags []time.Duration, all int) {
	w.t.Helper()
	if len(lags) != all {
		w.t.Fatalf("%d gates are open, want %d", len(lags), all)
	}
	if p50, p99 := lags[all/2], lags[all*99/100]; p50 > time.Second || p99 > 3*time.Second {
		w.t.Errorf("lag p50 %v, p99 %v", p50, p99)
	}
	if n, most := w.calls(listing), int(minute/time.Second+1)*len(rig.Zones); n > most {
		w.t.Errorf("%d listings of %d groups, at most %d are wanted", n, len(rig.Zones), most)
	}
}

// TestMany: the gates of many Pods open soon after each is healthy, by one listing a second
// of each group, however many wait in it.
func TestMany(t *testing.T) {
	w := newWorld(t, 6)
	checkRollout(w, rollout(w, 150), 150)
}

// BenchmarkThousand is a thousand of them.
func BenchmarkThousand(b *testing.B) {
	for range b.N {
		w := newWorld(b, 6)
		lags := rollout(w, 1000)
		checkRollout(w, lags, 1000)
		b.ReportMetric(lags[500].Seconds(), "p50-s")
		b.ReportMetric(lags[990].Seconds(), "p99-s")
		b.ReportMetric(float64(w.calls(listing)), "listings")
		b.ReportMetric(float64(w.rig.Kube.Calls().Count("patch", "pods/status")), "patches")
	}
}
