package fakegce

import (
	"fmt"
	"net/http"
	"net/netip"
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
	return s.changeEndpoints(c, "attachNetworkEndpoints", s.checkAttach, s.attach)
}

func (s *Server) detachEndpoints(c *call) (any, *apiError) {
	return s.changeEndpoints(c, "detachNetworkEndpoints", s.checkDetach, s.detach)
}

// batch is the endpoints of one call, resolved.
type batch struct {
	group   *resource
	members []member
}

func (b batch) state() *group { return b.group.state.(*group) }

type (
	checkBatch  func(batch) *apiError
	commitBatch func(batch, Cause) *OperationError
)

// changeEndpoints is attach and detach: all of the call's endpoints, or none.
func (s *Server) changeEndpoints(c *call, kind string, check checkBatch, commit commitBatch) (any, *apiError) {
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
	return s.begin(c, mutation{kind: kind, target: res, commit: func(cause Cause) *OperationError {
		return commit(b, cause)
	}}), nil
}

// resolveBatch fills in defaults and validates each endpoint by itself.
func (s *Server) resolveBatch(b batch, in []endpointInput, attach bool) ([]member, *apiError) {
	kind := b.state().kind
	switch {
	case kind.endpoints == 0:
		return nil, errInvalid("resource.networkEndpointType", b.group.doc["networkEndpointType"],
			"Network endpoints cannot be attached to or detached from this type of network endpoint group.")
	case len(in) == 0:
		return nil, errRequired("resource.networkEndpoints")
	case len(in) > maxEndpointsPerCall:
		return nil, errInvalid("resource.networkEndpoints", "",
			"FIELD_SIZE_TOO_LARGE: The size of the field exceeds the maximum size of %d.", maxEndpointsPerCall)
	}
	members := make([]member, len(in))
	for i := range in {
		m, err := s.resolveEndpoint(b.group, i, in[i], attach)
		if err != nil {
			return nil, err
		}
		members[i] = m
	}
	return members, nil
}

func (s *Server) resolveEndpoint(res *resource, i int, in endpointInput, attach bool) (member, *apiError) {
	g := res.state.(*group)
	m := member{endpoint: in.NetworkEndpoint}
	if err := g.resolvePort(&m.endpoint, i, in.Port); err != nil {
		return m, err
	}
	if err := g.checkShape(&m.endpoint, i); err != nil {
		return m, err
	}
	if !g.kind.needsVM {
		return m, nil
	}
	return m, s.resolveInstance(res, &m, attach)
}

func (g *group) resolvePort(ep *NetworkEndpoint, i int, port *int) *apiError {
	field := fmt.Sprintf("networkEndpoints[%d].port", i)
	switch {
	case port == nil && g.kind.noPort:
	case g.kind.noPort:
		return errInvalid(field, *port, "Port cannot be specified for endpoints of this network endpoint group.")
	case port == nil && g.defaultPort == 0:
		return errRequired(field)
	case port == nil:
		ep.Port = g.defaultPort
	case *port < 1:
		return errInvalid(field, *port, "Must be greater than or equal to 1")
	case *port > 65535:
		return errInvalid(field, *port, "Must be less than or equal to 65535")
	default:
		ep.Port = *port
	}
	return nil
}

// checkShape holds an endpoint against what its group's type asks for.
func (g *group) checkShape(ep *NetworkEndpoint, i int) *apiError {
	field := func(name string) string { return fmt.Sprintf("networkEndpoints[%d].%s", i, name) }
	switch {
	case g.kind.fqdn && ep.FQDN == "":
		return errRequired(field("fqdn"))
	case !g.kind.fqdn && ep.FQDN != "":
		return errInvalid(field("fqdn"), ep.FQDN, "FQDN cannot be specified for endpoints of this network endpoint group.")
	case g.kind.needsVM && ep.Instance == "":
		return errRequired(field("instance"))
	case !g.kind.needsVM && ep.Instance != "":
		return errInvalid(field("instance"), ep.Instance, "Instance cannot be specified for endpoints of this network endpoint group.")
	case !g.kind.needsVM && !g.kind.fqdn && ep.IPAddress == "":
		return errRequired(field("ipAddress"))
	}
	if ep.IPAddress == "" {
		return nil
	}
	ip, err := netip.ParseAddr(ep.IPAddress)
	if err != nil || !ip.Is4() {
		return errInvalid("resource.ipAddress", ep.IPAddress, "Must be a valid IPv4 address.")
	}
	return nil
}

// resolveInstance finds the machine and holds the address against it. What is
// to be detached need not be right, it is only looked for.
func (s *Server) resolveInstance(res *resource, m *member, attach bool) *apiError {
	ep := &m.endpoint
	home := shelf{res.ref.project, res.ref.scope, instances.name}
	r, ok := parseLink(ep.Instance, home)
	m.instance = r.name
	vm := s.store.find(r)
	elsewhere := home.scope.kind == zonal && r.scope != home.scope
	if !ok || vm == nil || elsewhere || vm.deleting {
		if !attach && ok {
			return nil
		}
		return errInvalid("resource.instance", ep.Instance, "Couldn't find instance with a specified name in zone %s.", home.scope.name)
	}
	ep.Instance = r.link()
	if s.opts.InstanceEcho == "name" {
		ep.Instance = r.name
	}
	g := res.state.(*group)
	n := vm.state.(*instance).on(g.network, g.subnetwork)
	if ep.IPAddress == "" && n != nil {
		ep.IPAddress = n.ip.String()
	}
	if !attach {
		return nil
	}
	if n == nil || !n.owns(netip.MustParseAddr(ep.IPAddress)) {
		return errInvalid("resource.ipAddress", ep.IPAddress,
			"Specified IP address %s doesn't belong to the (sub)network %s or to the instance %s.",
			ep.IPAddress, g.where(), r.name)
	}
	return nil
}

// where is the name an address error gives the group's (sub)network.
func (g *group) where() string {
	if g.subnetwork.name != "" {
		return g.subnetwork.name
	}
	return g.network.name
}

func (s *Server) checkAttach(b batch) *apiError {
	g := b.state()
	seen := map[address]string{}
	added := 0
	for _, m := range b.members {
		a := m.endpoint.address()
		owner, there := g.byAddress[a]
		if !there {
			owner, there = seen[a]
		}
		if !there {
			seen[a] = m.instance
			added++
			continue
		}
		if owner != m.instance {
			return errInvalid("resource.networkEndpoints", a, "The network endpoint is already attached with instance '%s'.", owner)
		}
		if err := unexpected(s.opts.AttachExisting, a, "is already attached"); err != nil {
			return err
		}
	}
	if len(g.members)+added > g.kind.endpoints {
		return refuse(http.StatusBadRequest, "limitExceeded", "%s", g.limitText(b.group.ref))
	}
	return nil
}

func (g *group) limitText(r ref) string {
	return fmt.Sprintf("Exceeded limit 'NETWORK_ENDPOINTS_PER_GROUP' on resource '%s'. Limit: %.1f", r.path(), float64(g.kind.endpoints))
}

func (s *Server) checkDetach(b batch) *apiError {
	seen := map[address]bool{}
	for _, m := range b.members {
		a := m.endpoint.address()
		owner, there := b.state().byAddress[a]
		if there && owner == m.instance && !seen[a] {
			seen[a] = true
			continue
		}
		if err := unexpected(s.opts.DetachAbsent, a, "is not attached"); err != nil {
			return err
		}
	}
	return nil
}

// unexpected answers for an endpoint whose state is already the wanted one.
func unexpected(conduct Conduct, a address, what string) *apiError {
	switch conduct {
	case Idempotent:
		return nil
	case NotFound:
		return refuse(http.StatusNotFound, "notFound", "The network endpoint '%s' %s", a, what)
	}
	return errInvalid("resource.networkEndpoints", a, "The network endpoint %s.", what)
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
	g.members = append(g.members, added...)
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
	g.members = slices.Clip(kept)
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
