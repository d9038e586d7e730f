package health

import "net/netip"

// Selector says which endpoints, seen by which services; what is empty matches
// everything.
type Selector struct {
	Group    string
	Service  string
	Endpoint netip.AddrPort
}

type rule struct {
	Selector
	to State
}

func (s Selector) matches(t *track) bool {
	return (s.Group == "" || s.Group == t.target.group) &&
		(s.Service == "" || s.Service == t.target.service) &&
		(s.Endpoint == netip.AddrPort{} || s.Endpoint == t.endpoint)
}

// Force makes endpoints report a state, those too that are attached later, until
// the same selector is forced to Absent. Of several forces the last one counts.
// Probing goes on underneath.
func (e *Engine) Force(s Selector, to State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.rules = ruled(e.rules, s, to)
	why := "forced"
	if to == Absent {
		why = "released"
	}
	for _, services := range e.targets {
		for _, g := range services {
			for _, t := range g.tracks {
				if s.matches(t) {
					e.change(t, t.machine.Force(e.forced(t)), cause(why))
				}
			}
		}
	}
}

// ruled replaces what a selector was forced to.
func ruled(rules []rule, s Selector, to State) []rule {
	var kept []rule
	for _, r := range rules {
		if r.Selector != s {
			kept = append(kept, r)
		}
	}
	if to == Absent {
		return kept
	}
	return append(kept, rule{s, to})
}

func (e *Engine) forced(t *track) State {
	for i := len(e.rules) - 1; i >= 0; i-- {
		if e.rules[i].matches(t) {
			return e.rules[i].to
		}
	}
	return Absent
}
