package readiness_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/rig"
)

// TestThousand: 1,000 Pods of one Service become healthy over a minute. Each gate opens
// within a second at the median and three at the 99th percentile, by one listing a second
// of each group.
func TestThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand Pods")
	}
	const all, over = 1000, time.Minute
	w := newWorld(t, 6)
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
	for n := 0; n < all; {
		// Those whose time comes before the next look, each at its own.
		for due := w.clock.Now().Add(time.Second).Sub(started); n < all && over*time.Duration(n)/all < due; n++ {
			w.health(pods[n], neg.Healthy)
			healthy[pods[n].Name] = started.Add(over * time.Duration(n) / all)
		}
		d.step()
	}
	seconds := int(w.clock.Now().Sub(started) / time.Second)
	var lags []time.Duration
	for _, p := range w.pods("web") {
		if c := gate(p); c.Status == corev1.ConditionTrue {
			lags = append(lags, c.LastTransitionTime.Sub(healthy[p.Name]))
		}
	}
	slices.Sort(lags)
	if len(lags) != all {
		t.Fatalf("%d gates are open, want %d", len(lags), all)
	}
	p50, p99 := lags[all/2], lags[all*99/100]
	if p50 > time.Second || p99 > 3*time.Second {
		t.Errorf("lag p50 %v, p99 %v", p50, p99)
	}
	// 167 Pods a node, two nodes a zone: each group is one page.
	if n := w.calls(listing); n > (seconds+1)*len(rig.Zones) {
		t.Errorf("%d listings in %d s of %d groups", n, seconds, len(rig.Zones))
	}
	t.Logf("lag p50 %v, p99 %v, max %v; %d listings of %d groups in %d s; %d patches of Pods", p50, p99, lags[all-1],
		w.calls(listing), len(rig.Zones), seconds, w.rig.Kube.Calls().Count("patch", "pods/status"))
}
