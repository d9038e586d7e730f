package health

import (
	"cmp"
	"net/netip"
	"slices"
)

// Health is what one backend service reports of an endpoint.
type Health struct {
	Endpoint netip.AddrPort
	Service  string
	Check    string
	State    State
	Forced   bool
}

// State is what a backend service reports of an endpoint; Absent when it does
// not look at it.
func (e *Engine) State(group, service string, endpoint netip.AddrPort) State {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.targets[group][service]
	if g == nil || g.tracks[endpoint] == nil {
		return Absent
	}
	return g.tracks[endpoint].machine.State(e.Clock.Now())
}

// Group lists what all backend services report of a group's endpoints, by
// endpoint and service.
func (e *Engine) Group(group string) []Health {
	all := e.group(group)
	slices.SortFunc(all, func(a, b Health) int {
		return cmp.Or(a.Endpoint.Compare(b.Endpoint), cmp.Compare(a.Service, b.Service))
	})
	return all
}

func (e *Engine) group(group string) []Health {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.Clock.Now()
	var all []Health
	for _, g := range e.targets[group] {
		all = slices.Grow(all, len(g.tracks))
		for _, t := range g.tracks {
			state := t.machine.State(now)
			if state == Absent {
				continue
			}
			forced := t.machine.forced != Absent && !t.machine.Detached()
			all = append(all, Health{t.endpoint, g.service, g.check.Name, state, forced})
		}
	}
	return all
}
