package health

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

type mark struct {
	place
	due time.Duration
}

func (*mark) happen(*Engine) {}

// TestAgenda adds and removes at random and expects the rest in order.
func TestAgenda(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		var a agenda
		inside := map[*mark]bool{}
		for range random.IntN(200) {
			m := &mark{due: time.Duration(random.IntN(50))}
			a.add(m.due, m)
			inside[m] = true
			if random.IntN(3) == 0 {
				for out := range inside {
					a.remove(out)
					a.remove(out)
					delete(inside, out)
					break
				}
			}
		}
		last := time.Duration(0)
		for due, some := a.first(); some; due, some = a.first() {
			if a.pop(due-1) != nil {
				t.Fatal("popped before it is due")
			}
			m := a.pop(due).(*mark)
			if m.due != due || due < last || !inside[m] || m.at != 0 {
				t.Fatalf("%+v at %v after %v, expected: %t", m, due, last, inside[m])
			}
			last = due
			delete(inside, m)
		}
		if len(inside) != 0 {
			t.Fatalf("%d lost", len(inside))
		}
	}
}

func TestFollowing(t *testing.T) {
	for _, tt := range []struct{ now, phase, want time.Duration }{
		{0, 3, 3}, {2, 3, 3}, {3, 3, 13}, {4, 3, 13}, {13, 3, 23}, {99, 3, 103}, {0, 0, 10},
	} {
		if got := following(tt.now, tt.phase, 10); got != tt.want {
			t.Errorf("after %d at phase %d: %d, want %d", tt.now, tt.phase, got, tt.want)
		}
	}
}

// TestPhasesSpread counts neighbouring addresses, and one address with many
// ports, in the hundredths of an interval.
func TestPhasesSpread(t *testing.T) {
	const interval, slots, mean = 5 * time.Second, 100, 500
	for name, endpoint := range map[string]func(int) netip.AddrPort{
		"addresses": nth,
		"ports":     func(i int) netip.AddrPort { return ep(uint16(i)) },
	} {
		var count [slots]int
		for i := range slots * mean {
			count[phase("g", "hc", endpoint(i), interval)*slots/interval]++
		}
		for slot, n := range count {
			if n < mean*7/10 || n > mean*13/10 {
				t.Errorf("%s: %d of %d in slot %d", name, n, slots*mean, slot)
			}
		}
	}
}
