package fakegce

import (
	"cmp"
	"maps"
	"slices"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// looker is a backend service that looks at the endpoints of a group. It reads
// the engine alone, so it needs no lock of the server.
type looker struct {
	engine  *health.Engine
	target  target
	checkAt string // the health check's path
}

// lookers are the backend services that look at a group, by path. The lock is held.
func (s *Server) lookers(g ref) []looker {
	var list []looker
	for _, user := range s.store.usersOf(g) {
		t := target{g, user}
		if how, ok := s.targets[t]; ok {
			list = append(list, looker{s.engine, t, how.check.Name})
		}
	}
	return list
}

func (l looker) state(m *member) health.State {
	at, ok := m.addrPort()
	if !ok {
		return health.Absent
	}
	return l.engine.State(l.target.group.path(), l.target.service.path(), at)
}

// healths are the entries of an endpoint in listNetworkEndpoints.
func healths(lookers []looker, m *member) []doc {
	var list []doc
	for _, l := range lookers {
		state := l.state(m)
		if state == health.Absent {
			continue
		}
		list = append(list, doc{
			"backendService": doc{"backendService": l.target.service.link()},
			"healthCheck":    doc{"healthCheck": linkRoot + l.checkAt},
			"healthState":    state,
		})
	}
	return list
}

func drains(lookers []looker, m *member) bool {
	return slices.ContainsFunc(lookers, func(l looker) bool { return l.state(m) == health.Draining })
}

// drain keeps detached members for as long as a backend service drains them. The
// engine knows of them already; the lock is held.
func (s *Server) drain(res *resource, detached []member) {
	g := res.state.(*group)
	lookers := s.lookers(res.ref)
	latest := map[address]member{}
	for _, m := range slices.Concat(g.draining, detached) {
		if _, back := g.byAddress[m.endpoint.address()]; !back && drains(lookers, &m) {
			latest[m.endpoint.address()] = m
		}
	}
	// A new array: a reader may have the old one.
	g.draining = slices.SortedFunc(maps.Values(latest), bySeq)
}

// shown are a group's members and those that still drain, in order.
func shown(res *resource, lookers []looker) []member {
	g := res.state.(*group)
	all := slices.Clip(g.members)
	for i := range g.draining {
		m := &g.draining[i]
		if _, back := g.byAddress[m.endpoint.address()]; !back && drains(lookers, m) {
			all = append(all, *m)
		}
	}
	if len(all) > len(g.members) {
		slices.SortFunc(all, bySeq)
	}
	return all
}

func bySeq(a, b member) int { return cmp.Compare(a.seq, b.seq) }
