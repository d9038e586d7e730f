package readiness

import (
	"testing"
	"time"
)

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
