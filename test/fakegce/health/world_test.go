package health

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// world is an engine on a manual clock whose probes answer what the test says.
type world struct {
	*Engine
	clock *manualClock

	mu     sync.Mutex
	ill    map[netip.AddrPort]bool
	probes map[netip.AddrPort][]time.Time
	log    []string
}

var errIll = errors.New("ill")

func newWorld(t *testing.T) *world {
	w := &world{clock: newManualClock(), ill: map[netip.AddrPort]bool{}, probes: map[netip.AddrPort][]time.Time{}}
	w.Engine = New(Options{Probe: w.probe, Clock: w.clock, OnTransition: w.transition})
	t.Cleanup(w.Close)
	return w
}

func (w *world) probe(_ context.Context, _ Check, endpoint netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes[endpoint] = append(w.probes[endpoint], w.clock.Now())
	if w.ill[endpoint] {
		return errIll
	}
	return nil
}

func (w *world) transition(tr Transition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("%s/%s %d %s→%s %s",
		tr.Group, tr.Service, tr.Endpoint.Port(), tr.From, tr.To, tr.Cause))
}

// run lets time pass; every probe ends before the clock moves on.
func (w *world) run(d time.Duration) { w.clock.advance(d, w.Settle) }

func (w *world) set(endpoint netip.AddrPort, ill bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill[endpoint] = ill
}

func (w *world) count(endpoint netip.AddrPort) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.probes[endpoint])
}

// expect compares the transitions since the last call, in any order of the
// endpoints but in order for each.
func (w *world) expect(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.log
	w.log = nil
	slices.SortStableFunc(got, byEndpoint)
	slices.SortStableFunc(want, byEndpoint)
	if !slices.Equal(got, want) {
		t.Errorf("transitions:\n%q\nwant:\n%q", got, want)
	}
}

func byEndpoint(a, b string) int {
	key := func(s string) string {
		var pair, port string
		fmt.Sscan(s, &pair, &port)
		return port + pair
	}
	switch ka, kb := key(a), key(b); {
	case ka < kb:
		return -1
	case ka > kb:
		return 1
	}
	return 0
}

// ep is an endpoint known by its port.
func ep(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)
}

// every is an HTTP check with an interval and thresholds of two.
func every(interval time.Duration) Check {
	return Check{Name: "hc", Protocol: HTTP, PortSpec: ServingPort, Interval: interval}
}

func two(service string, ports ...uint16) Target {
	t := Target{Group: "g", Service: service, Check: every(10 * time.Second), Drain: time.Minute}
	for _, port := range ports {
		t.Endpoints = append(t.Endpoints, ep(port))
	}
	return t
}
