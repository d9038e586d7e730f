package health

import (
	"net/netip"
	"time"
)

// Target is a group that a backend service looks at.
type Target struct {
	Group     string
	Service   string
	Check     Check
	Drain     time.Duration // how long detached endpoints drain
	Endpoints []netip.AddrPort
}

// Set makes these the only targets.
func (e *Engine) Set(targets []Target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	type pair struct{ group, service string }
	keep := make(map[pair]bool, len(targets))
	for _, t := range targets {
		keep[pair{t.Group, t.Service}] = true
		e.put(t)
	}
	for group, services := range e.targets {
		for service := range services {
			if !keep[pair{group, service}] {
				e.dropTarget(group, service)
			}
		}
	}
	e.arm()
}

// Put adds a target or changes it: new endpoints are UNKNOWN, missing ones
// drain, the others keep their state, under another check too.
func (e *Engine) Put(t Target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.put(t)
	e.arm()
}

// Drop removes a target with its endpoints at once: the backend service no
// longer looks at the group, so there is nothing to report as draining.
func (e *Engine) Drop(group, service string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropTarget(group, service)
}

// Attach adds endpoints to all targets of a group.
func (e *Engine) Attach(group string, endpoints ...netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range e.targets[group] {
		for _, endpoint := range endpoints {
			if !e.closed {
				e.attach(g, endpoint)
			}
		}
	}
	e.arm()
}

// Detach drains endpoints in all targets of a group.
func (e *Engine) Detach(group string, endpoints ...netip.AddrPort) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range e.targets[group] {
		for _, endpoint := range endpoints {
			if t := g.tracks[endpoint]; t != nil && !e.closed {
				e.detach(t)
			}
		}
	}
	e.arm()
}

func (e *Engine) put(t Target) {
	if e.closed {
		return
	}
	g := e.target(t.Group, t.Service)
	g.drain = t.Drain
	e.check(g, t.Check.WithDefaults())
	wanted := make(map[netip.AddrPort]struct{}, len(t.Endpoints))
	for _, endpoint := range t.Endpoints {
		wanted[endpoint] = struct{}{}
	}
	for endpoint, track := range g.tracks {
		if _, ok := wanted[endpoint]; !ok {
			e.detach(track)
		}
	}
	for _, endpoint := range t.Endpoints {
		e.attach(g, endpoint)
	}
}

func (e *Engine) target(group, service string) *target {
	if e.targets[group] == nil {
		e.targets[group] = map[string]*target{}
	}
	g := e.targets[group][service]
	if g == nil {
		g = &target{group: group, service: service, tracks: map[netip.AddrPort]*track{}}
		e.targets[group][service] = g
	}
	return g
}

// check moves a target to another check's probes.
func (e *Engine) check(g *target, c Check) {
	if g.share != nil && g.check == c {
		return
	}
	var moving []*track
	for _, t := range g.tracks {
		if t.watch != nil {
			moving = append(moving, t)
			e.leave(t)
		}
	}
	e.release(g)
	g.check, g.share = c, e.share(g.group, c)
	for _, t := range moving {
		e.join(t)
	}
}

func (e *Engine) share(group string, c Check) *share {
	key := shareKey{group, c}
	s := e.shares[key]
	if s == nil {
		s = &share{group: group, check: c, watches: map[netip.AddrPort]*watch{}}
		e.shares[key] = s
	}
	s.users++
	return s
}

func (e *Engine) release(g *target) {
	if g.share != nil {
		g.share.users--
		e.tidy(g.share)
	}
}

func (e *Engine) dropTarget(group, service string) {
	g := e.targets[group][service]
	if g == nil || e.closed {
		return
	}
	for _, t := range g.tracks {
		e.drop(t)
	}
	e.release(g)
	delete(e.targets[group], service)
	if len(e.targets[group]) == 0 {
		delete(e.targets, group)
	}
}
