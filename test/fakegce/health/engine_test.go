package health

import (
	"context"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func TestHealthFollowsProbes(t *testing.T) {
	w := newWorld(t)
	w.set(ep(2), true)
	w.Put(two("s", 1, 2))
	w.expect(t, "g/s 1 →UNKNOWN attached", "g/s 2 →UNKNOWN attached")
	w.run(10 * time.Second)
	w.expect(t)
	w.run(10 * time.Second)
	w.expect(t, "g/s 1 UNKNOWN→HEALTHY probe: ok", "g/s 2 UNKNOWN→UNHEALTHY probe: ill")
	w.set(ep(2), false)
	w.run(20 * time.Second)
	w.expect(t, "g/s 2 UNHEALTHY→HEALTHY probe: ok")
	w.run(time.Minute)
	w.expect(t)
	if got := w.count(ep(1)); got != 10 {
		t.Errorf("%d probes in 100 s", got)
	}
}

// TestDelay: what probes find of a new endpoint does not count before the probers know of
// it, and what is forced is not said; until then it is UNKNOWN, or nothing is said at all.
func TestDelay(t *testing.T) {
	for silent, first := range map[bool]State{true: Absent, false: Unknown} {
		w := newWorld(t)
		w.Delay, w.Silent = func() time.Duration { return 25 * time.Second }, silent
		w.Put(two("s", 1))
		w.Force(Selector{Endpoint: ep(2)}, Healthy)
		w.Attach("g", ep(2))
		for _, at := range []struct {
			after  time.Duration
			probed State
			forced State
		}{
			{0, first, first}, {24 * time.Second, first, first}, {time.Second, Unknown, Healthy}, {20 * time.Second, Healthy, Healthy},
		} {
			w.run(at.after)
			if p, f := w.State("g", "s", ep(1)), w.State("g", "s", ep(2)); p != at.probed || f != at.forced {
				t.Errorf("silent %v, %v later: %q and %q, want %q and %q", silent, at.after, p, f, at.probed, at.forced)
			}
		}
		w.Detach("g", ep(1))
		w.Attach("g", ep(1))
		if got := w.State("g", "s", ep(1)); got != first {
			t.Errorf("silent %v: attached again it is %q at once", silent, got)
		}
	}
}

func TestDetachedEndpointsDrain(t *testing.T) {
	w := newWorld(t)
	w.Put(two("s", 1, 2))
	w.run(20 * time.Second)
	w.log = nil
	w.Put(two("s", 2))
	w.expect(t, "g/s 1 HEALTHY→DRAINING detached")
	before := w.count(ep(1))
	w.run(time.Minute - time.Second)
	w.expect(t)
	if w.count(ep(1)) != before {
		t.Error("probed while it drains")
	}
	w.run(time.Second)
	w.expect(t, "g/s 1 DRAINING→ drained")
	if got := w.Stats(); got.Endpoints != 1 || got.Probed != 1 {
		t.Errorf("%+v", got)
	}
}

func TestBackWhileDraining(t *testing.T) {
	w := newWorld(t)
	w.Put(two("s", 1))
	w.run(20 * time.Second)
	w.log = nil
	w.Detach("g", ep(1), ep(9))
	w.Detach("g", ep(1))
	w.Attach("g", ep(1))
	w.Attach("g", ep(1))
	w.expect(t, "g/s 1 HEALTHY→DRAINING detached", "g/s 1 DRAINING→UNKNOWN attached")
	w.run(2 * time.Minute)
	w.expect(t, "g/s 1 UNKNOWN→HEALTHY probe: ok")
}

func TestNoDrainTimeout(t *testing.T) {
	w := newWorld(t)
	target := two("s", 1)
	target.Drain = 0
	w.Put(target)
	w.Detach("g", ep(1))
	w.expect(t, "g/s 1 →UNKNOWN attached", "g/s 1 UNKNOWN→ detached")
	if got := w.Stats(); got != (Stats{}) {
		t.Errorf("left behind: %+v", got)
	}
}

func TestDropAndSet(t *testing.T) {
	w := newWorld(t)
	w.Set([]Target{two("a", 1, 2), two("b", 1)})
	w.Detach("g", ep(2))
	w.run(20 * time.Second)
	w.log = nil
	w.Set([]Target{two("b", 1)})
	w.expect(t, "g/a 1 HEALTHY→ dropped", "g/a 2 DRAINING→ dropped")
	w.Drop("g", "b")
	w.Drop("g", "b")
	w.expect(t, "g/b 1 HEALTHY→ dropped")
	if got := w.Stats(); got.Endpoints != 0 || got.Probed != 0 || len(w.shares) != 0 || len(w.agenda.entries) != 0 {
		t.Errorf("left behind: %+v, %d shares, %d events", got, len(w.shares), len(w.agenda.entries))
	}
}

func TestOneProbeServesAllServices(t *testing.T) {
	w := newWorld(t)
	w.Set([]Target{two("a", 1), two("b", 1)})
	w.run(10 * time.Second)
	w.Put(two("late", 1))
	w.run(10 * time.Second)
	for service, want := range map[string]State{"a": Healthy, "b": Healthy, "late": Unknown, "none": Absent} {
		if got := w.State("g", service, ep(1)); got != want {
			t.Errorf("%s: %q, want %q", service, got, want)
		}
	}
	if got := w.count(ep(1)); got != 2 {
		t.Errorf("%d probes in two intervals", got)
	}
}

func TestCheckChanges(t *testing.T) {
	w := newWorld(t)
	w.Put(two("s", 1))
	w.run(20 * time.Second)
	w.log = nil
	faster := two("s", 1)
	faster.Check.Interval = time.Second
	before := w.count(ep(1))
	w.Put(faster)
	w.run(10 * time.Second)
	w.expect(t) // the state stays
	if got := w.count(ep(1)) - before; got != 10 {
		t.Errorf("%d probes in 10 s", got)
	}
	if got := w.Stats(); got.Probed != 1 || len(w.shares) != 1 {
		t.Errorf("%+v, %d shares", got, len(w.shares))
	}
}

func TestForcedStates(t *testing.T) {
	w := newWorld(t)
	w.Put(two("s", 1, 2))
	w.run(20 * time.Second)
	w.log = nil
	one, all := Selector{Endpoint: ep(1)}, Selector{Group: "g"}
	w.Force(one, Unhealthy)
	w.expect(t, "g/s 1 HEALTHY→UNHEALTHY forced")
	w.Force(all, Draining)
	w.expect(t, "g/s 1 UNHEALTHY→DRAINING forced", "g/s 2 HEALTHY→DRAINING forced")
	w.Attach("g", ep(3))
	w.expect(t, "g/s 3 →DRAINING attached")
	w.Force(all, Absent)
	w.expect(t, "g/s 1 DRAINING→UNHEALTHY released", "g/s 2 DRAINING→HEALTHY released", "g/s 3 DRAINING→UNKNOWN released")
	w.Force(Selector{Service: "other"}, Unhealthy)
	w.Force(one, Absent)
	w.expect(t, "g/s 1 UNHEALTHY→HEALTHY released")
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	w.Set([]Target{two("b", 2, 1), two("a", 1)})
	w.Force(Selector{Service: "a"}, Healthy)
	w.Detach("g", ep(2))
	want := []Health{
		{ep(1), "a", "hc", Healthy, true},
		{ep(1), "b", "hc", Unknown, false},
		{ep(2), "b", "hc", Draining, false},
	}
	got := w.Group("g")
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	if other := w.Group("other"); other != nil {
		t.Errorf("%+v", other)
	}
}

// gate is a probe that the test lets through.
type gate struct {
	entered chan netip.AddrPort
	leave   chan error
	inside  atomic.Int32
}

func newGate() *gate {
	return &gate{entered: make(chan netip.AddrPort), leave: make(chan error)}
}

func (g *gate) probe(_ context.Context, _ Check, endpoint netip.AddrPort) error {
	g.inside.Add(1)
	defer g.inside.Add(-1)
	g.entered <- endpoint
	return <-g.leave
}

func TestProbesOfAnEndpointDoNotOverlap(t *testing.T) {
	g, clock := newGate(), newManualClock()
	e := New(Options{Probe: g.probe, Clock: clock})
	defer e.Close()
	e.Put(two("s", 1))
	clock.advance(10*time.Second, func() {})
	<-g.entered
	// Nothing that happens meanwhile starts another one.
	clock.advance(35*time.Second, func() {})
	e.Detach("g", ep(1))
	e.Attach("g", ep(1))
	e.Drop("g", "s")
	e.Put(two("s", 1))
	clock.advance(35*time.Second, func() {})
	if got := e.Stats(); got.Running != 1 || got.Due != 0 || g.inside.Load() != 1 {
		t.Errorf("%+v, %d inside", got, g.inside.Load())
	}
	g.leave <- nil
	e.Settle()
	if got := e.Stats(); got.Probes != 1 || got.Missed != 7 {
		t.Errorf("%+v", got)
	}
	if m := e.targets["g"]["s"].tracks[ep(1)].machine; m.run != 0 {
		t.Error("a probe counts that is older than the endpoint")
	}
	clock.advance(10*time.Second, func() {})
	<-g.entered
	g.leave <- nil
	e.Settle()
	if m := e.targets["g"]["s"].tracks[ep(1)].machine; m.run != 1 {
		t.Errorf("%d results", m.run)
	}
}

func TestWorkersAreBounded(t *testing.T) {
	g, clock := newGate(), newManualClock()
	e := New(Options{Probe: g.probe, Clock: clock, Workers: 2})
	defer e.Close()
	e.Put(two("s", 1, 2, 3, 4, 5))
	clock.advance(10*time.Second, func() {})
	<-g.entered
	<-g.entered
	if got := e.Stats(); got.Running != 2 || got.Due != 3 {
		t.Errorf("%+v", got)
	}
	e.Detach("g", ep(1), ep(2), ep(3), ep(4), ep(5)) // who waits is not asked any more
	g.leave <- nil
	g.leave <- nil
	e.Settle()
	if got := e.Stats(); got.Probes != 2 || got.Probed != 0 || got.Due != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCloseWaitsForProbes(t *testing.T) {
	var started, ended atomic.Int32
	reached := make(chan struct{}, 2)
	clock := newManualClock()
	e := New(Options{Clock: clock, Workers: 2, Probe: func(ctx context.Context, _ Check, _ netip.AddrPort) error {
		started.Add(1)
		reached <- struct{}{}
		<-ctx.Done()
		ended.Add(1)
		return ctx.Err()
	}})
	later := two("later", 1)
	later.Check.Interval = 1000 * time.Hour
	e.Set([]Target{two("s", 1, 2, 3), later})
	clock.advance(10*time.Second, func() {})
	if len(clock.timers) != 1 {
		t.Errorf("%d timers", len(clock.timers))
	}
	<-reached
	<-reached
	e.Close()
	if started.Load() != 2 || ended.Load() != 2 {
		t.Errorf("%d started, %d ended", started.Load(), ended.Load())
	}
	if len(clock.timers) != 0 {
		t.Errorf("%d timers left", len(clock.timers))
	}
	e.Put(two("s", 1, 2, 3, 4))
	e.Drop("g", "s")
	e.Close()
	if got := e.State("g", "s", ep(1)); got != Unknown {
		t.Errorf("after closing: %q", got)
	}
}

// TestRealServer goes through the whole of it with an HTTP server.
func TestRealServer(t *testing.T) {
	var status atomic.Int32
	status.Store(http.StatusOK)
	endpoint := serveHTTP(t, HTTP, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	clock := newManualClock()
	var last Transition
	e := New(Options{Clock: clock, OnTransition: func(tr Transition) { last = tr }})
	defer e.Close()
	e.Put(Target{Group: "g", Service: "s", Check: every(5 * time.Second), Endpoints: []netip.AddrPort{endpoint}})
	for _, step := range []struct {
		status int
		want   State
		cause  string
	}{{200, Healthy, "probe: ok"}, {503, Unhealthy, "probe: status 503"}, {200, Healthy, "probe: ok"}} {
		status.Store(int32(step.status))
		clock.advance(10*time.Second, e.Settle)
		if got := e.State("g", "s", endpoint); got != step.want || last.Cause != step.cause {
			t.Errorf("%s for %q, want %s for %q", got, last.Cause, step.want, step.cause)
		}
	}
}
