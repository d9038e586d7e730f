package health

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// A Clock tells the time and calls back later. The returned function cancels.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func())
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}

// DefaultWorkers is how many probes are under way at most.
const DefaultWorkers = 256

// tick is how finely the engine wakes up; what is due within one goes together.
const tick = 10 * time.Millisecond

// Options are what an engine is made of; each has a default.
type Options struct {
	Probe        Probe // NewProbe(nil)
	Clock        Clock // the wall's
	Workers      int   // DefaultWorkers
	OnTransition func(Transition)

	Delay  func() time.Duration // until the probers know of a new endpoint; none if nil
	Silent bool                 // until then nothing is reported, not even UNKNOWN
}

// Transition is a change of what one backend service reports of an endpoint;
// Absent comes before the first state and after the last.
type Transition struct {
	Time     time.Time
	Group    string
	Endpoint netip.AddrPort
	Service  string
	From, To State
	Cause    string // attached, detached, drained, dropped, forced, released, probe: why
}

// Engine keeps the health of the endpoints of its targets. All its methods may
// be called at any time, from anywhere but OnTransition.
type Engine struct {
	Options
	start  time.Time
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	quiet   *sync.Cond // signalled when nothing is due or under way
	targets map[string]map[string]*target
	shares  map[shareKey]*share
	rules   []rule
	agenda  agenda
	armed   time.Duration // when the timer goes off; negative: there is none
	disarm  func()
	ready   []*watch // due, in order
	working int
	workers sync.WaitGroup
	stats   Stats
	closed  bool
}

// New starts an engine without targets. Close ends it.
func New(o Options) *Engine {
	if o.Probe == nil {
		o.Probe = NewProbe(nil)
	}
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.OnTransition == nil {
		o.OnTransition = func(Transition) {}
	}
	o.Workers = positive(o.Workers, DefaultWorkers)
	e := &Engine{
		Options: o,
		start:   o.Clock.Now(),
		targets: map[string]map[string]*target{},
		shares:  map[shareKey]*share{},
		armed:   -1,
		disarm:  func() {},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.quiet = sync.NewCond(&e.mu)
	return e
}

// Close cancels the probes under way, waits for them and forgets their results.
// States stay readable; nothing changes them any more.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.disarm()
	e.ready = nil
	e.mu.Unlock()
	e.cancel()
	e.workers.Wait()
}

// Settle returns when no probe is due or under way. A test that advances the
// clock sees the results after it.
func (e *Engine) Settle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.working > 0 {
		e.quiet.Wait()
	}
}

// Stats counts what the engine holds and has done.
type Stats struct {
	Endpoints int    // as backend services see them, draining ones included
	Probed    int    // endpoints that are probed
	Due       int    // of these, waiting for a worker
	Running   int    // of these, being asked
	Probes    uint64 // ended so far
	Missed    uint64 // intervals that passed before their probe could start or end
}

// Stats is a consistent reading.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.stats
	s.Due = len(e.ready)
	return s
}

func (e *Engine) now() time.Duration { return e.Clock.Now().Sub(e.start) }
