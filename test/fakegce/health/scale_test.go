package health

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

const (
	manyGroups = 200
	perGroup   = 500
	many       = manyGroups * perGroup
)

// manyTargets are 100,000 endpoints in 200 groups.
func manyTargets(interval time.Duration) []Target {
	targets := make([]Target, manyGroups)
	for g := range targets {
		targets[g] = Target{Group: fmt.Sprintf("group-%d", g), Service: "s", Check: every(interval), Drain: time.Minute}
		for i := range perGroup {
			targets[g].Endpoints = append(targets[g].Endpoints, nth(g*perGroup+i))
		}
	}
	return targets
}

func nth(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 8080)
}

func index(endpoint netip.AddrPort) int {
	b := endpoint.Addr().As4()
	return int(b[1])<<16 | int(b[2])<<8 | int(b[3])
}

// tally is a prober that remembers when each endpoint was asked.
type tally struct {
	clock      *manualClock
	count      [many]atomic.Int32
	last       [many]atomic.Int64
	early      atomic.Int64 // the least time between two probes of one endpoint
	late       atomic.Int64 // the most
	inside     atomic.Int64
	together   atomic.Int64 // the most probes under way
	goroutines atomic.Int64
}

func (p *tally) probe(_ context.Context, _ Check, endpoint netip.AddrPort) error {
	raise(&p.together, p.inside.Add(1))
	defer p.inside.Add(-1)
	i, now := index(endpoint), p.clock.Now().UnixNano()
	if p.count[i].Add(1) > 1 {
		gap := now - p.last[i].Load()
		lower(&p.early, gap)
		raise(&p.late, gap)
	}
	p.last[i].Store(now)
	raise(&p.goroutines, int64(runtime.NumGoroutine()))
	return nil
}

func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

func lower(a *atomic.Int64, v int64) {
	for old := a.Load(); v < old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestHundredThousandEndpoints(t *testing.T) {
	const interval, rounds, workers = 10 * time.Second, 2, 32
	p := &tally{clock: newManualClock()}
	p.early.Store(int64(time.Hour))
	targets := manyTargets(interval)
	goroutines, before := runtime.NumGoroutine(), heap()
	e := New(Options{Probe: p.probe, Clock: p.clock, Workers: workers})
	defer e.Close()
	e.Set(targets)
	p.clock.advance(rounds*interval, e.Settle)
	t.Logf("%d endpoints: %d bytes each; at most %d goroutines above the test's own; %v to %v between probes",
		many, (heap()-before)/many, p.goroutines.Load()-int64(goroutines),
		time.Duration(p.early.Load()), time.Duration(p.late.Load()))
	for i := range many {
		if got := p.count[i].Load(); got < rounds-1 || got > rounds {
			t.Fatalf("endpoint %d was probed %d times in %d intervals", i, got, rounds)
		}
	}
	if early, late := time.Duration(p.early.Load()), time.Duration(p.late.Load()); early < interval-tick || late > interval+tick {
		t.Errorf("%v to %v between probes, the interval is %v", early, late, interval)
	}
	if got := p.together.Load(); got > workers {
		t.Errorf("%d probes at once, %d workers", got, workers)
	}
	// Workers that have left the pool count until the runtime has seen them return.
	if got := p.goroutines.Load(); got > int64(goroutines+10*workers) {
		t.Errorf("%d goroutines, %d before, %d workers", got, goroutines, workers)
	}
	if got := e.State("group-0", "s", nth(0)); got != Healthy {
		t.Errorf("the first endpoint is %s", got)
	}
	runtime.KeepAlive(targets)
}

// BenchmarkInterval is one interval of 100,000 endpoints: what scheduling costs
// apart from asking.
func BenchmarkInterval(b *testing.B) {
	const interval = 5 * time.Second
	clock := newManualClock()
	nothing := func(context.Context, Check, netip.AddrPort) error { return nil }
	e := New(Options{Probe: nothing, Clock: clock})
	defer e.Close()
	before, targets := heap(), manyTargets(interval)
	own := heap() - before
	e.Set(targets)
	clock.advance(2*interval, e.Settle)
	held := float64(heap()-before-own) / many
	for b.Loop() {
		clock.advance(interval, e.Settle)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/probe")
	b.ReportMetric(held, "B/endpoint")
	runtime.KeepAlive(targets)
}

// BenchmarkSet tells the engine the same 100,000 endpoints again.
func BenchmarkSet(b *testing.B) {
	e := New(Options{Clock: newManualClock()})
	defer e.Close()
	targets := manyTargets(5 * time.Second)
	e.Set(targets)
	b.ReportAllocs()
	for b.Loop() {
		e.Set(targets)
	}
}

// BenchmarkAttachDetach is one endpoint in and out of a group of 10,000 among
// 100,000.
func BenchmarkAttachDetach(b *testing.B) {
	e := New(Options{Clock: newManualClock()})
	defer e.Close()
	e.Set(manyTargets(5 * time.Second))
	big := two("s")
	for i := range 10_000 {
		big.Endpoints = append(big.Endpoints, nth(i))
	}
	big.Drain = 0
	e.Put(big)
	b.ReportAllocs()
	for b.Loop() {
		e.Attach("g", ep(1))
		e.Detach("g", ep(1))
	}
}

// BenchmarkGroup reads the health of 100,000 endpoints, group by group.
func BenchmarkGroup(b *testing.B) {
	e := New(Options{Clock: newManualClock()})
	defer e.Close()
	e.Set(manyTargets(5 * time.Second))
	for b.Loop() {
		for g := range manyGroups {
			e.Group(fmt.Sprintf("group-%d", g))
		}
	}
}
