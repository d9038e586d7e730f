package health

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestChurn changes everything at once, from several goroutines, and then looks
// for what was left behind.
func TestChurn(t *testing.T) {
	clock := newManualClock()
	var inside [32]atomic.Int32
	e := New(Options{Clock: clock, Workers: 4, Probe: func(_ context.Context, _ Check, endpoint netip.AddrPort) error {
		i := endpoint.Port()
		if inside[i].Add(1) > 1 {
			t.Errorf("two probes of %d at once", i)
		}
		defer inside[i].Add(-1)
		if rand.IntN(3) == 0 {
			return errIll
		}
		return nil
	}})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for range 500 {
				disturb(e)
			}
		})
	}
	disturbed := make(chan struct{})
	go func() { busy.Wait(); close(disturbed) }()
	for running := true; running; {
		select {
		case <-disturbed:
			running = false
		default:
			clock.advance(time.Second, func() {})
		}
	}
	e.Put(two("a", 1, 2, 3))
	clock.advance(time.Minute, e.Settle)
	e.Set(nil)
	clock.advance(time.Minute, e.Settle)
	e.Settle()
	if got := e.Stats(); got.Endpoints != 0 || got.Probed != 0 || got.Running != 0 || got.Due != 0 || got.Probes == 0 {
		t.Errorf("%+v", got)
	}
	if len(e.shares) != 0 || len(e.targets) != 0 || len(e.agenda.entries) != 0 {
		t.Errorf("%d shares, %d targets, %d events left", len(e.shares), len(e.targets), len(e.agenda.entries))
	}
	e.Close()
}

func disturb(e *Engine) {
	services := []string{"a", "b", "c"}
	service, port := services[rand.IntN(len(services))], uint16(rand.IntN(32))
	switch rand.IntN(8) {
	case 0, 1:
		e.Put(two(service, port, port/2, port/3))
	case 2:
		e.Drop("g", service)
	case 3:
		e.Force(Selector{Endpoint: ep(port)}, []State{Healthy, Unhealthy, Absent}[rand.IntN(3)])
	case 4:
		e.Detach("g", ep(port), ep(port/2))
	case 5:
		e.Group("g")
	default:
		e.Attach("g", ep(port), ep(port/2))
	}
}
