package fakegce

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/negfleet/negfleet/test/fakegce/health"
	"github.com/negfleet/negfleet/test/fakegce/page"
)

// drawn are the collections that the page shows.
var drawn = setOf(forwardingRules.name, targetHTTPProxies.name, targetHTTPSProxies.name, urlMaps.name, backendServices.name, groups.name)

// graphSnapshot is what the page draws. Documents and members are shared with the
// store, which replaces them and never writes to them.
func (s *Server) graphSnapshot() page.Snapshot {
	snapshot, attached, engine := s.chains()
	for i, g := range attached {
		r := &snapshot.Resources[i]
		r.Health = engine.Group(r.Path)
		r.Endpoints = make([]page.Endpoint, 0, len(g.members))
		for j := range g.members {
			r.Endpoints = append(r.Endpoints, g.members[j].drawn())
		}
		for j := range g.draining {
			r.Left = append(r.Left, g.draining[j].drawn())
		}
	}
	return snapshot
}

// chains lists what clients can see of load balancers, by place in this list what
// is attached to groups, and the engine that knows how their endpoints are.
func (s *Server) chains() (page.Snapshot, map[int]group, *health.Engine) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	snapshot := page.Snapshot{Projects: slices.Sorted(maps.Keys(s.store.projects))}
	attached := map[int]group{}
	for sh := range s.store.shelves {
		if !drawn[sh.collection] {
			continue
		}
		for _, res := range s.store.visible(sh) {
			if g, ok := res.state.(*group); ok {
				attached[len(snapshot.Resources)] = group{members: g.members, draining: g.draining}
			}
			r := page.Resource{Path: res.ref.path(), Doc: res.doc}
			for _, use := range s.store.uses[res.ref] {
				r.Uses = append(r.Uses, use.path())
			}
			snapshot.Resources = append(snapshot.Resources, r)
		}
	}
	return snapshot, attached, s.engine
}

func (m *member) drawn() page.Endpoint {
	e := page.Endpoint{Instance: m.instance, Annotations: m.endpoint.Annotations}
	var ok bool
	if e.At, ok = m.addrPort(); !ok {
		e.At, e.Host = netip.AddrPort{}, m.endpoint.address().String()
	}
	return e
}
