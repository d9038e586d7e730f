package fakegce

import (
	"fmt"
	"net/http"
	"net/netip"
)

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
	if err := s.mayUse(r); err != nil && attach {
		return err
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
