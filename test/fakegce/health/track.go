package health

import (
	"net/netip"
	"slices"
	"time"
)

// target is a group as one backend service looks at it.
type target struct {
	group, service string
	check          Check
	drain          time.Duration
	share          *share
	tracks         map[netip.AddrPort]*track
}

// track is an endpoint of a target. On the agenda it is the end of its draining.
type track struct {
	place
	machine  Machine
	said     State // in the last transition
	target   *target
	endpoint netip.AddrPort
	watch    *watch // nil once detached
	joined   bool   // while a probe was under way, which is older than the track
}

// share is the probing of a group by a check, for all targets that use both.
type share struct {
	group   string
	check   Check
	users   int // targets
	watches map[netip.AddrPort]*watch
}

type shareKey struct {
	group string
	check Check
}

// watch is the probing of an endpoint. On the agenda it is its next probe.
type watch struct {
	place
	share    *share
	endpoint netip.AddrPort
	phase    time.Duration
	due      time.Duration // of the probe that waits or runs
	stage    stage
	tracks   []*track
}

type stage uint8

const (
	waiting stage = iota // on the agenda
	due                  // for a worker
	running
)

func (e *Engine) attach(g *target, endpoint netip.AddrPort) {
	t := g.tracks[endpoint]
	switch {
	case t == nil:
		t = &track{target: g, endpoint: endpoint}
		g.tracks[endpoint] = t
		e.stats.Endpoints++
	case t.machine.Detached():
		e.agenda.remove(t)
	default:
		return
	}
	e.change(t, e.fresh().Force(e.forced(t)), cause("attached"))
	e.join(t)
}

// fresh is an endpoint that the probers do not know of yet.
func (e *Engine) fresh() Machine {
	if e.Delay == nil {
		return Machine{}
	}
	return Machine{}.Blind(e.Clock.Now().Add(e.Delay()), e.Silent)
}

func (e *Engine) detach(t *track) {
	if t.machine.Detached() {
		return
	}
	e.leave(t)
	until := e.Clock.Now().Add(t.target.drain)
	e.change(t, t.machine.Drain(until), cause("detached"))
	if t.target.drain <= 0 {
		e.lose(t)
		return
	}
	e.agenda.add(until.Sub(e.start), t)
}

// happen ends the draining.
func (t *track) happen(e *Engine) {
	e.change(t, t.machine, cause("drained"))
	e.lose(t)
}

// drop takes an endpoint away at once.
func (e *Engine) drop(t *track) {
	e.leave(t)
	e.agenda.remove(t)
	e.change(t, t.machine.Drain(e.Clock.Now()), cause("dropped"))
	e.report(t, Absent, "dropped") // what was draining already
	e.lose(t)
}

func (e *Engine) lose(t *track) {
	delete(t.target.tracks, t.endpoint)
	e.stats.Endpoints--
}

// join has the endpoint probed for a track.
func (e *Engine) join(t *track) {
	s := t.target.share
	w := s.watches[t.endpoint]
	if w == nil {
		w = &watch{share: s, endpoint: t.endpoint}
		w.phase = phase(s.group, s.check.Name, w.endpoint, s.check.Interval)
		s.watches[t.endpoint] = w
		e.stats.Probed++
		e.again(w, 0, false)
	}
	t.watch, t.joined = w, w.stage == running
	w.tracks = append(w.tracks, t)
}

// leave undoes join. A probe that a worker has or will get is forgotten there.
func (e *Engine) leave(t *track) {
	w := t.watch
	if w == nil {
		return
	}
	t.watch = nil
	w.tracks = slices.DeleteFunc(w.tracks, func(other *track) bool { return other == t })
	if len(w.tracks) == 0 && w.stage == waiting {
		e.agenda.remove(w)
		e.forget(w)
	}
}

func (e *Engine) forget(w *watch) {
	s := w.share
	delete(s.watches, w.endpoint)
	e.stats.Probed--
	e.tidy(s)
}

// tidy keeps a share that nobody uses for as long as its probes are under way:
// who uses it next must not overlap with them.
func (e *Engine) tidy(s *share) {
	if s.users == 0 && len(s.watches) == 0 {
		delete(e.shares, shareKey{s.group, s.check})
	}
}

func cause(text string) func() string { return func() string { return text } }

// change replaces a track's machine and reports when that changes its state.
func (e *Engine) change(t *track, m Machine, why func() string) {
	t.machine = m
	if to := m.State(e.Clock.Now()); to != t.said {
		e.report(t, to, why())
	}
}

func (e *Engine) report(t *track, to State, why string) {
	if t.said == to {
		return
	}
	from := t.said
	t.said = to
	e.OnTransition(Transition{
		Time: e.Clock.Now(), Group: t.target.group, Endpoint: t.endpoint, Service: t.target.service,
		From: from, To: to, Cause: why,
	})
}
