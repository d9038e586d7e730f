package health

import "time"

// arm sets the timer to the tick of the earliest event.
func (e *Engine) arm() {
	due, some := e.agenda.first()
	if !some || e.closed {
		return
	}
	due = ceil(due, tick)
	if e.armed >= 0 && e.armed <= due {
		return
	}
	e.disarm()
	e.armed = due
	e.disarm = e.Clock.AfterFunc(max(due-e.now(), 0), e.wake)
}

// wake lets everything happen that is due.
func (e *Engine) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	now := e.now()
	if e.armed > now {
		return // a timer that was stopped too late
	}
	e.armed = -1
	for ev := e.agenda.pop(now); ev != nil; ev = e.agenda.pop(now) {
		ev.happen(e)
	}
	e.arm()
}

// happen hands a due probe to the workers.
func (w *watch) happen(e *Engine) {
	w.stage = due
	e.ready = append(e.ready, w)
	if e.working < e.Workers {
		e.working++
		e.workers.Go(e.work)
	}
}

func (e *Engine) work() {
	for w := e.next(nil, nil); w != nil; {
		err := e.Probe(e.ctx, w.share.check, w.endpoint)
		w = e.next(w, err)
	}
}

// next ends one probe and starts another; without one the worker is gone.
func (e *Engine) next(ended *watch, err error) *watch {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ended != nil {
		e.ended(ended, err)
	}
	for len(e.ready) > 0 {
		w := e.ready[0]
		e.ready[0] = nil
		e.ready = e.ready[1:]
		if len(w.tracks) > 0 {
			w.stage = running
			e.stats.Running++
			return w
		}
		e.forget(w)
	}
	e.ready = nil
	if e.working--; e.working == 0 {
		e.quiet.Broadcast()
	}
	return nil
}

// ended counts a result for everyone who has waited for the whole of it.
func (e *Engine) ended(w *watch, err error) {
	e.stats.Running--
	e.stats.Probes++
	w.stage = waiting
	if e.closed {
		return
	}
	if len(w.tracks) == 0 {
		e.forget(w)
		return
	}
	now := e.Clock.Now()
	for _, t := range w.tracks {
		if t.joined || now.Before(t.machine.known) {
			t.joined = false
			continue
		}
		e.change(t, t.machine.Result(err == nil, t.target.check.Thresholds), func() string { return told(err) })
	}
	e.again(w, w.due, true)
	e.arm()
}

// again puts the next probe on the agenda: at the endpoint's phase of the first
// interval after the last one, and not in the past.
func (e *Engine) again(w *watch, last time.Duration, after bool) {
	interval := w.share.check.Interval
	next := following(max(last, e.now()), w.phase, interval)
	if after {
		e.stats.Missed += uint64((next-last)/interval) - 1
	}
	w.due = next
	e.agenda.add(next, w)
}

func told(err error) string {
	if err == nil {
		return "probe: ok"
	}
	return "probe: " + err.Error()
}
