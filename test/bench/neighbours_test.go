package bench

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// handlers is how many deliveries one instance serves at once, as docs/operators/functions.md
// says to deploy it.
const handlers = 80

// neighbours is one instance with that many handlers before two clusters; calls to the
// second hang while told to.
func neighbours(t *testing.T) (w *world, hang *hanging) {
	hang = &hanging{over: make(chan struct{})}
	r := rig.Start(t, rig.Options{
		Project: "bench-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), Clusters: []string{cluster, "other"}, Nodes: 3,
		Push:  pubsub.Subscription{AckDeadline: patience, MaxOutstanding: handlers},
		Watch: func(_ int, gce, kube http.Handler) (http.Handler, http.Handler) { return gce, hang.before(kube) },
	})
	t.Cleanup(func() { close(hang.over) })
	return &world{Rig: r, World: r.Clusters[0].World, t: t, c: r.Clusters[0]}, hang
}

// hanging lets calls to the other cluster hang.
type hanging struct {
	on           atomic.Bool
	begun, ended atomic.Int32
	over         chan struct{}
}

func (h *hanging) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.on.Load() || !strings.HasPrefix(r.URL.Path, "/clusters/other/") {
			next.ServeHTTP(w, r)
			return
		}
		h.begun.Add(1)
		select {
		case <-r.Context().Done():
		case <-h.over:
			panic(http.ErrAbortHandler)
		}
		h.ended.Add(1)
	})
}

// TestHangingCluster: while a cluster answers nothing, five hundred deliveries of its keys
// do not keep those of another waiting for its time-outs.
func TestHangingCluster(t *testing.T) {
	w, hang := neighbours(t)
	w.settle("quiet", 20)
	quiet := w.change("quiet", 20)
	w.settle("busy", 20)

	hang.on.Store(true)
	for i := range 500 {
		w.check(w.Publish(t.Context(), neg.Key{Cluster: "other", Namespace: namespace, Service: service(i)}, "audit"))
	}
	busy := w.change("busy", 20)
	if hang.begun.Load() == 0 || hang.ended.Load() != 0 {
		t.Errorf("%d calls to the other cluster began and %d ended before the changes were made: they waited for it", hang.begun.Load(), hang.ended.Load())
	}
	measured(t, "neighbour-quiet-p50", quiet[len(quiet)/2].Seconds(), 0, "s")
	measured(t, "neighbour-of-hanging-cluster-p50", busy[len(busy)/2].Seconds(), 0, "s")
	measured(t, "neighbour-of-hanging-cluster-max", busy[len(busy)-1].Seconds(), 0, "s")
}

// TestStormOnOneService: two thousand deliveries of one key that cannot be looked at keep
// none of another key waiting.
func TestStormOnOneService(t *testing.T) {
	w, hang := neighbours(t)
	w.settle("busy", 20)
	hang.on.Store(true)
	for range 2000 {
		w.check(w.Publish(t.Context(), neg.Key{Cluster: "other", Namespace: namespace, Service: "storm"}, "audit"))
	}
	took := w.change("busy", 20)
	if hang.begun.Load() != 1 || hang.ended.Load() != 0 {
		t.Errorf("%d calls for the storm began and %d ended before the changes were made, want one that hangs", hang.begun.Load(), hang.ended.Load())
	}
	measured(t, "neighbour-of-storm-p50", took[len(took)/2].Seconds(), 0, "s")
	measured(t, "neighbour-of-storm-max", took[len(took)-1].Seconds(), 0, "s")
}

// settle makes n Services with three endpoints each.
func (w *world) settle(name string, n int) {
	w.t.Helper()
	for i := range n {
		one := fmt.Sprint(name, "-", i)
		w.deploy(one, 3)
		w.serve(one)
		w.look(one)
	}
}

// change changes each of them, one after the other, and returns how long the changes took
// to reach the cloud, sorted.
func (w *world) change(name string, n int) (took []time.Duration) {
	w.t.Helper()
	for i := range n {
		one, started := fmt.Sprint(name, "-", i), time.Now()
		w.check(w.Scale(namespace, one, 6))
		w.check(w.Publish(w.t.Context(), key(one), "audit"))
		w.await(one, 6)
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return took
}

// await waits until the groups of a Service hold n endpoints.
func (w *world) await(name string, n int) {
	w.t.Helper()
	deadline := time.After(patience)
	for since := uint64(0); ; {
		held := 0
		for _, zone := range w.attached()[w.group(name)] {
			held += zone
		}
		if held == n {
			return
		}
		select {
		case <-deadline:
			w.t.Fatalf("%s holds %d endpoints, want %d", name, held, n)
		default:
		}
		for _, tr := range w.GCE.AwaitTimeline(w.t.Context(), since) {
			since = tr.Seq
		}
	}
}
