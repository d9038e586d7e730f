package readiness

import (
	"testing"
	"time"
)

// TestKept: what is old goes when there is much of it, what is new stays whatever its number,
// and is not looked through at each read.
func TestKept(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	var c kept[int, int]
	reads := 0
	get := func(k int) {
		v, err := c.get(clock, time.Minute, k, func() (int, error) { reads++; return k, nil })
		if v != k || err != nil {
			t.Fatalf("%d: %d, %v", k, v, err)
		}
	}
	const many = 5 * room
	for range 2 {
		for k := range many {
			get(k)
		}
	}
	if reads != many || len(c.entries) != many || c.full < room || c.full > 2*many {
		t.Errorf("%d reads, %d kept, looked through again at %d", reads, len(c.entries), c.full)
	}
	now = now.Add(2 * time.Minute)
	for k := range 2 * many {
		get(many + k)
	}
	if len(c.entries) != 2*many {
		t.Errorf("%d kept, want the new %d alone", len(c.entries), 2*many)
	}
}
