package fakegce

import (
	"net/http"
	"slices"
)

// NetworkEndpoint is an endpoint on the wire.
type NetworkEndpoint struct {
	Instance              string            `json:"instance,omitempty"`
	IPAddress             string            `json:"ipAddress,omitempty"`
	IPv6Address           string            `json:"ipv6Address,omitempty"`
	FQDN                  string            `json:"fqdn,omitempty"`
	Port                  int               `json:"port,omitempty"`
	ClientDestinationPort int               `json:"clientDestinationPort,omitempty"`
	Annotations           map[string]string `json:"annotations,omitempty"`
}

// address is what may appear once in a group.
type address struct {
	host string
	port int
}

func (e *NetworkEndpoint) address() address {
	if e.FQDN != "" {
		return address{e.FQDN, e.Port}
	}
	return address{e.IPAddress, e.Port}
}

// member is an attached endpoint. seq orders members and pages of them.
type member struct {
	seq      uint64
	instance string // its name, empty where the kind has none
	endpoint NetworkEndpoint
}

// endpointInput tells a port of 0 from none.
type endpointInput struct {
	NetworkEndpoint
	Port *int `json:"port"`
}

type endpointsInput struct {
	NetworkEndpoints []endpointInput `json:"networkEndpoints"`
}

const maxEndpointsPerCall = 500

func (s *Server) attachEndpoints(c *call) (any, *apiError) {
	return s.changeEndpoints(c, "attachNetworkEndpoints", s.checkAttach)
}

func (s *Server) detachEndpoints(c *call) (any, *apiError) {
	return s.changeEndpoints(c, "detachNetworkEndpoints", s.checkDetach)
}

// batch is the endpoints of one call, resolved.
type batch struct {
	group   *resource
	members []member
}

func (b batch) state() *group { return b.group.state.(*group) }

// changeEndpoints is attach and detach: all of the call's endpoints, or none.
func (s *Server) changeEndpoints(c *call, kind string, check func(batch) *apiError) (any, *apiError) {
	var in endpointsInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.endpoints = len(in.NetworkEndpoints)
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.mutableGroup(c)
	if err != nil {
		return nil, err
	}
	b := batch{group: res}
	if b.members, err = s.resolveBatch(b, in.NetworkEndpoints, kind == "attachNetworkEndpoints"); err != nil {
		return nil, err
	}
	if err := check(b); err != nil {
		return nil, err
	}
	return s.begin(c, mutation{kind: kind, target: res, members: b.members}), nil
}

// attach commits. Between acceptance and now the group may have filled up, or a
// machine gone.
func (s *Server) attach(b batch, cause Cause) *OperationError {
	g := b.state()
	if err := s.stillThere(b); err != nil {
		return err
	}
	var added []member
	for _, m := range b.members {
		a := m.endpoint.address()
		if _, there := g.byAddress[a]; there {
			continue
		}
		g.lastSeq++
		m.seq = g.lastSeq
		g.byAddress[a] = m.instance
		added = append(added, m)
	}
	if len(g.members)+len(added) > g.kind.endpoints {
		for _, m := range added {
			delete(g.byAddress, m.endpoint.address())
		}
		return &OperationError{Code: "LIMIT_EXCEEDED", Message: g.limitText(b.group.ref), HTTPStatus: http.StatusRequestEntityTooLarge}
	}
	s.remember(b.group.ref)
	g.members = append(g.members, added...)
	s.engine.Attach(b.group.ref.path(), addrPorts(added)...)
	s.recordMembers(b.group, added, "attached", cause)
	return nil
}

func (s *Server) stillThere(b batch) *OperationError {
	gone := b.group.ref
	ok := s.store.find(gone) == b.group
	for _, m := range b.members {
		if !ok || m.instance == "" {
			break
		}
		gone = s.instanceOf(b.group, m)
		ok = s.store.find(gone) != nil
	}
	if ok {
		return nil
	}
	return &OperationError{Code: "RESOURCE_NOT_FOUND", Message: errNotFound(gone.path()).message, HTTPStatus: http.StatusNotFound}
}

func (s *Server) instanceOf(res *resource, m member) ref {
	r, _ := parseLink(m.endpoint.Instance, shelf{res.ref.project, res.ref.scope, instances.name})
	return r
}

func (s *Server) detach(b batch, cause Cause) *OperationError {
	if s.store.find(b.group.ref) != b.group {
		return &OperationError{Code: "RESOURCE_NOT_FOUND", Message: errNotFound(b.group.ref.path()).message, HTTPStatus: http.StatusNotFound}
	}
	unwanted := map[address]string{}
	for _, m := range b.members {
		unwanted[m.endpoint.address()] = m.instance
	}
	s.dropMembers(b.group, cause, func(m member) bool {
		owner, ok := unwanted[m.endpoint.address()]
		return ok && owner == m.instance
	})
	return nil
}

// dropMembers removes the members that unwanted picks.
func (s *Server) dropMembers(res *resource, cause Cause, unwanted func(member) bool) {
	g := res.state.(*group)
	var dropped []member
	// A page being read may share the old array: fill a new one.
	kept := make([]member, 0, len(g.members))
	for _, m := range g.members {
		if unwanted(m) {
			dropped = append(dropped, m)
			delete(g.byAddress, m.endpoint.address())
			continue
		}
		kept = append(kept, m)
	}
	if len(dropped) == 0 {
		return
	}
	s.remember(res.ref)
	g.members = slices.Clip(kept)
	s.engine.Detach(res.ref.path(), addrPorts(dropped)...)
	s.drain(res, dropped)
	s.recordMembers(res, dropped, "detached", cause)
}

func (s *Server) recordMembers(res *resource, members []member, event string, cause Cause) {
	for i := range members {
		s.timeline.add(s.transition(res.ref, event, &members[i], cause))
	}
	res.doc = sizeDoc(res.doc, res.state.(*group))
}

// dropEndpointsOf empties every group of an instance that is gone.
func (s *Server) dropEndpointsOf(vm ref, cause Cause) {
	for _, sc := range []scope{vm.scope, {kind: region, name: regionOf(vm.scope)}} {
		for _, res := range s.store.shelves[shelf{vm.project, sc, groups.name}] {
			s.dropMembers(res, cause, func(m member) bool {
				return m.instance == vm.name && s.instanceOf(res, m) == vm
			})
		}
	}
}
