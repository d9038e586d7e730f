package gce

import (
	"testing"
	"time"
)

// TestBackoff: exponential to a minute with full jitter; 2 to 10 s for what is not ready.
func TestBackoff(t *testing.T) {
	almost := 0.9999999
	for _, c := range []struct {
		kind    kind
		attempt int
		most    time.Duration
		least   time.Duration
	}{
		{transient, 0, time.Second, 0},
		{transient, 1, 2 * time.Second, 0},
		{transient, 5, 32 * time.Second, 0},
		{transient, 6, time.Minute, 0},
		{transient, 1000, time.Minute, 0},
		{notReady, 0, 10 * time.Second, 2 * time.Second},
		{notReady, 9, 10 * time.Second, 2 * time.Second},
	} {
		if got := backoff(c.kind, c.attempt, 0); got != c.least {
			t.Errorf("kind %d, attempt %d: at least %v, want %v", c.kind, c.attempt, got, c.least)
		}
		if got := backoff(c.kind, c.attempt, almost).Round(time.Millisecond); got != c.most {
			t.Errorf("kind %d, attempt %d: at most %v, want %v", c.kind, c.attempt, got, c.most)
		}
		if low, high := backoff(c.kind, c.attempt, 0.25), backoff(c.kind, c.attempt, 0.75); low >= high {
			t.Errorf("kind %d, attempt %d: the jitter does not count: %v, %v", c.kind, c.attempt, low, high)
		}
	}
}
