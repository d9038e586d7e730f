package bench

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

const (
	burst     = 1000
	bystander = "bystander"
)

// TestBurst makes 1,000 Services at once, each with a Pod in each of three zones, while
// another Service goes on changing.
func TestBurst(t *testing.T) {
	timed(t)
	w := newWorld(t, 30, nil)
	w.events()
	w.deploy(bystander, 3)
	w.serve(bystander)
	for i := range burst {
		w.deploy(service(i), 3)
	}
	w.drained()
	w.reset()
	last := make(chan time.Time, 1)
	started := time.Now()
	go func() { last <- w.lastAttach() }()
	go func() {
		for i := range burst {
			w.serve(service(i))
		}
	}()
	changes, end := w.bystand(last)
	w.drained()

	slices.Sort(changes)
	measured(t, "burst-last-attach", end.Sub(started).Seconds(), 30, "s")
	measured(t, "burst-calls", float64(sum(w.compute())-5*len(changes))/burst, 13, "calls")
	measured(t, "burst-bystander-p50", changes[len(changes)/2].Seconds(), 0, "s")
	measured(t, "burst-bystander-max", changes[len(changes)-1].Seconds(), 0, "s")
	measured(t, "burst-bystander-changes", float64(len(changes)), 0, "changes")
	sizes := w.attached()
	for i := range burst {
		if got := sizes[w.group(service(i))]; len(got) != 3 || got["us-central1-a"] != 1 || got["us-central1-b"] != 1 || got["us-central1-c"] != 1 {
			t.Fatalf("%s: attached %v", service(i), got)
		}
	}
}

// follow hands every transition to see until that says it has seen enough.
func (w *world) follow(since uint64, see func(fakegce.Transition) (enough bool)) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		for _, tr := range w.GCE.AwaitTimeline(ctx, since) {
			since = tr.Seq
			if see(tr) {
				return
			}
		}
	}
	w.t.Error("it did not come in time")
}

// lastAttach waits until every Service of the burst has an endpoint in each zone.
func (w *world) lastAttach() (at time.Time) {
	left := 3 * burst
	w.follow(0, func(tr fakegce.Transition) bool {
		if tr.Event == "attached" && !strings.Contains(tr.Group, bystander) {
			left--
			at = tr.Time
		}
		return left == 0
	})
	return at
}

// bystand changes the other Service, one change after the other, until the burst is over.
func (w *world) bystand(over <-chan time.Time) (took []time.Duration, end time.Time) {
	for n := 4; ; n++ {
		var since uint64
		if all := w.GCE.Timeline(0); len(all) > 0 {
			since = all[len(all)-1].Seq
		}
		started := time.Now()
		w.check(w.Scale(namespace, bystander, n))
		w.follow(since, func(tr fakegce.Transition) bool {
			if tr.Event == "attached" && strings.Contains(tr.Group, bystander) {
				took = append(took, tr.Time.Sub(started))
				return true
			}
			return false
		})
		select {
		case end = <-over:
			return took, end
		default:
		}
	}
}
