package health

import "time"

// An event is something that an agenda holds until it is due.
type event interface {
	where() *place
	happen(e *Engine)
}

// place is where in the agenda an event is, counted from one; zero: not there.
type place struct{ at int }

func (p *place) where() *place { return p }

// agenda is a heap of events by due time that events can be taken out of.
type agenda struct{ entries []entry }

type entry struct {
	due   time.Duration
	event event
}

func (a *agenda) add(due time.Duration, ev event) {
	a.entries = append(a.entries, entry{})
	a.up(len(a.entries)-1, entry{due, ev})
}

// first is when something is due next.
func (a *agenda) first() (time.Duration, bool) {
	if len(a.entries) == 0 {
		return 0, false
	}
	return a.entries[0].due, true
}

// pop takes the earliest event that is due by now, or nil.
func (a *agenda) pop(now time.Duration) event {
	if len(a.entries) == 0 || a.entries[0].due > now {
		return nil
	}
	ev := a.entries[0].event
	a.remove(ev)
	return ev
}

func (a *agenda) remove(ev event) {
	i := ev.where().at - 1
	if i < 0 {
		return
	}
	ev.where().at = 0
	end := len(a.entries) - 1
	last := a.entries[end]
	a.entries[end] = entry{}
	a.entries = a.entries[:end]
	if i == end {
		return
	}
	if i > 0 && last.due < a.entries[(i-1)/2].due {
		a.up(i, last)
		return
	}
	a.down(i, last)
}

func (a *agenda) put(i int, e entry) {
	a.entries[i] = e
	e.event.where().at = i + 1
}

func (a *agenda) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if a.entries[parent].due <= e.due {
			break
		}
		a.put(i, a.entries[parent])
		i = parent
	}
	a.put(i, e)
}

func (a *agenda) down(i int, e entry) {
	for {
		child := 2*i + 1
		if child >= len(a.entries) {
			break
		}
		if right := child + 1; right < len(a.entries) && a.entries[right].due < a.entries[child].due {
			child = right
		}
		if e.due <= a.entries[child].due {
			break
		}
		a.put(i, a.entries[child])
		i = child
	}
	a.put(i, e)
}
