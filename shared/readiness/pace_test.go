package readiness

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A ticking clock goes on at each reading, and at once by what is waited for.
type ticking struct {
	mu  sync.Mutex
	now time.Time
}

func (c *ticking) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(30 * time.Millisecond)
	return c.now
}

func (c *ticking) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(max(d, 0))
	done := make(chan time.Time, 1)
	done <- c.now
	return done
}

// TestTimeoutBeforeGivingUp: a key in which nothing moves is given up when its Pods' time-out
// is over, and not a moment before that was seen.
func TestTimeoutBeforeGivingUp(t *testing.T) {
	for early := time.Duration(0); early < slowest; early += 60 * time.Millisecond {
		c := &ticking{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
		ready := c.now.Add(-early)
		s := &still{pod: neg.GatedPod{
			Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}, IP: netip.MustParseAddr("10.64.0.1"), Type: neg.GateNEG, Ready: ready, Changed: ready,
		}}
		f := New(time.Hour, slog.New(slog.DiscardHandler))
		f.Now, f.After = c.Now, c.After
		f.Open = func(context.Context, string) (Scope, error) {
			return Scope{Project: "p1", Zones: []neg.Zone{"us-central1-a"}, Gates: []string{neg.GateNEG}, Cluster: s, Cloud: s}, nil
		}
		f.Reconcile = func(context.Context, neg.Key) error { return nil }
		f.Again = f.Reconcile
		if err := f.Follow(t.Context(), neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}); err != nil || !s.pod.Gate.Open {
			t.Fatalf("%v after the containers were ready: %v, the gate is %+v after %v", early, err, s.pod.Gate, c.now.Sub(ready))
		}
	}
}

// TestRate: a burst at once, then an even flow, first come, first served; idle time is
// saved up to the burst.
func TestRate(t *testing.T) {
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	r := &rate{perSecond: 2, burst: 4}
	for i, c := range []struct {
		at   time.Duration
		n    int
		want time.Duration
	}{
		{0, 3, 0}, {0, 1, 0}, // the burst
		{0, 1, 500 * time.Millisecond}, {0, 2, 1500 * time.Millisecond}, // owed
		{time.Second, 1, time.Second}, // three are owed, two have come
		{time.Minute, 4, 0},           // no more than a burst is saved
		{time.Minute, 1, 500 * time.Millisecond},
		{59 * time.Second, 1, time.Second}, // a clock that steps back gives nothing
	} {
		if got := r.take(noon.Add(c.at), c.n); got != c.want {
			t.Errorf("%d: %d at %v: wait %v, want %v", i, c.n, c.at, got, c.want)
		}
	}
}

func TestRetry(t *testing.T) {
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 15 * time.Second, 1000: 15 * time.Second} {
		if got := retry(n); got != want {
			t.Errorf("after %d failures: %v, want %v", n, got, want)
		}
	}
}

func TestRegionOf(t *testing.T) {
	if got := regionOf("europe-west4-b"); got != "europe-west4" {
		t.Errorf("got %s", got)
	}
}
