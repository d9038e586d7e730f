package fakegce

import (
	"regexp"
	"slices"
	"strconv"
)

// group is the typed side of a network endpoint group.
type group struct {
	kind                groupKind
	defaultPort         int
	network, subnetwork ref
	members             []member // in the order they were attached
	byAddress           map[address]string
	draining            []member // detached, for as long as a backend service drains them
	lastSeq             uint64
}

// groupKind is what one networkEndpointType allows.
type groupKind struct {
	scopes      []scopeKind
	endpoints   int // most a group may hold; 0: endpoints cannot be attached
	network     bool
	needsVM     bool // endpoints name an instance
	noPort      bool
	fqdn        bool
	defaultPort bool // may be given
}

const zonalLimit = 10_000

var groupKinds = map[string]groupKind{
	"GCE_VM_IP_PORT":              {scopes: []scopeKind{zonal}, endpoints: zonalLimit, network: true, needsVM: true, defaultPort: true},
	"GCE_VM_IP":                   {scopes: []scopeKind{zonal}, endpoints: zonalLimit, network: true, needsVM: true, noPort: true},
	"GCE_VM_IP_DEDICATED_BACKEND": {scopes: []scopeKind{zonal}, endpoints: zonalLimit, network: true, needsVM: true, noPort: true},
	"NON_GCP_PRIVATE_IP_PORT":     {scopes: []scopeKind{zonal}, endpoints: zonalLimit, network: true, defaultPort: true},
	"GCE_VM_IP_PORTMAP":           {scopes: []scopeKind{region}, endpoints: 1000, network: true, needsVM: true, defaultPort: true},
	"INTERNET_IP_PORT":            {scopes: []scopeKind{region, global}, endpoints: 256, defaultPort: true},
	"INTERNET_FQDN_PORT":          {scopes: []scopeKind{region, global}, endpoints: 256, fqdn: true, defaultPort: true},
	"SERVERLESS":                  {scopes: []scopeKind{region}},
	"PRIVATE_SERVICE_CONNECT":     {scopes: []scopeKind{region}},
}

func (k groupKind) livesIn(kind scopeKind) bool {
	for _, sc := range k.scopes {
		if sc == kind {
			return true
		}
	}
	return false
}

// groupInput is a group as a client writes it; output fields are read and
// dropped.
type groupInput struct {
	Name                string            `json:"name"`
	Description         *string           `json:"description"`
	Annotations         map[string]string `json:"annotations"`
	NetworkEndpointType string            `json:"networkEndpointType"`
	Network             string            `json:"network"`
	Subnetwork          string            `json:"subnetwork"`
	DefaultPort         *int              `json:"defaultPort"`

	AppEngine        doc     `json:"appEngine"`
	CloudFunction    doc     `json:"cloudFunction"`
	CloudRun         doc     `json:"cloudRun"`
	PSCData          doc     `json:"pscData"`
	PSCTargetService *string `json:"pscTargetService"`

	ID, Kind, CreationTimestamp, SelfLink, Zone, Region, Size any
}

var rfc1035 = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (s *Server) insertGroup(c *call) (any, *apiError) {
	var in groupInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	g, err := s.checkGroup(c, &in)
	if err != nil {
		return nil, err
	}
	r := ref{c.shelf(groups.name), in.Name}
	if s.store.shelves[r.shelf][r.name] != nil {
		return nil, errExists(r.path())
	}
	res := s.newResource(r, groups.kind)
	res.state = g
	in.fill(res.doc, g)
	res.creating = true
	s.store.put(res)
	s.store.use(res.ref, slices.DeleteFunc([]ref{g.network, g.subnetwork}, func(r ref) bool { return r == ref{} }))
	return s.begin(c, mutation{kind: "insert", target: res}), nil
}

// checkGroup validates an insert and resolves its links into in's place.
func (s *Server) checkGroup(c *call, in *groupInput) (*group, *apiError) {
	if in.Name == "" {
		return nil, errRequired("resource.name")
	}
	if !rfc1035.MatchString(in.Name) {
		return nil, errInvalid("resource.name", in.Name, "Must be a match of regex '%s'", `(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)`)
	}
	if in.NetworkEndpointType == "" {
		return nil, errRequired("resource.networkEndpointType")
	}
	kind, ok := groupKinds[in.NetworkEndpointType]
	if !ok || !kind.livesIn(c.scope.kind) {
		return nil, errInvalid("resource.networkEndpointType", in.NetworkEndpointType,
			"Network endpoint type is not supported in this scope.")
	}
	g := &group{kind: kind, byAddress: map[address]string{}}
	if p := in.DefaultPort; p != nil {
		if !kind.defaultPort {
			return nil, errInvalid("resource.defaultPort", *p, "Default port cannot be specified for network endpoint type %s.", in.NetworkEndpointType)
		}
		if *p < 1 || *p > 65535 {
			return nil, errInvalid("resource.defaultPort", *p, "Must be greater than or equal to 1 and less than or equal to 65535")
		}
		g.defaultPort = *p
	}
	if err := s.resolveNetwork(c, in, g); err != nil {
		return nil, err
	}
	return g, first(s.mayUse(g.network), s.mayUse(g.subnetwork))
}

func (s *Server) resolveNetwork(c *call, in *groupInput, g *group) *apiError {
	if !g.kind.network {
		return nil
	}
	regionScope := scope{kind: region, name: regionOf(c.scope)}
	if in.Subnetwork != "" {
		sub, ok := parseLink(in.Subnetwork, shelf{c.project, regionScope, subnetworks.name})
		res := s.store.find(sub)
		if !ok || res == nil || sub.scope != regionScope {
			return errInvalid("resource.subnetwork", in.Subnetwork, "The referenced subnetwork resource cannot be found.")
		}
		g.subnetwork, g.network = sub, res.state.(ref)
	}
	if in.Network == "" && in.Subnetwork == "" {
		in.Network = "default"
	}
	if in.Network == "" {
		return nil
	}
	network, ok := parseLink(in.Network, shelf{c.project, scope{kind: global}, networks.name})
	if !ok || s.store.find(network) == nil {
		return errInvalid("resource.network", in.Network, "The referenced network resource cannot be found.")
	}
	if in.Subnetwork != "" && g.network != network {
		return errInvalid("resource.subnetwork", in.Subnetwork, "The subnetwork does not belong to network %s.", network.name)
	}
	g.network = network
	return nil
}

// fill writes what the client gave, links in full, into the new document.
func (in *groupInput) fill(d doc, g *group) {
	d["networkEndpointType"] = in.NetworkEndpointType
	d["size"] = 0
	if g.network.name != "" {
		d["network"] = g.network.link()
	}
	if g.subnetwork.name != "" {
		d["subnetwork"] = g.subnetwork.link()
	}
	if g.defaultPort != 0 {
		d["defaultPort"] = g.defaultPort
	}
	if in.Description != nil {
		d["description"] = *in.Description
	}
	if len(in.Annotations) > 0 {
		d["annotations"] = in.Annotations
	}
	if in.PSCTargetService != nil {
		d["pscTargetService"] = *in.PSCTargetService
	}
	for field, value := range map[string]doc{
		"appEngine": in.AppEngine, "cloudFunction": in.CloudFunction, "cloudRun": in.CloudRun, "pscData": in.PSCData,
	} {
		if value != nil {
			d[field] = value
		}
	}
}

func (s *Server) deleteGroup(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.mutableGroup(c)
	if err != nil {
		return nil, err
	}
	if err := s.inUse(res.ref); err != nil {
		return nil, err
	}
	res.deleting = true
	return s.begin(c, mutation{kind: "delete", target: res}), nil
}

func (s *Server) commitDeleteGroup(res *resource, cause Cause) {
	g := res.state.(*group)
	for i := range g.members {
		s.timeline.add(s.transition(res.ref, "detached", &g.members[i], cause))
	}
	g.members, g.byAddress = nil, map[address]string{}
	s.timeline.add(s.transition(res.ref, "deleted", nil, cause))
}

// mutableGroup is the group a call names, when a mutation may begin on it.
func (s *Server) mutableGroup(c *call) (*resource, *apiError) {
	res, err := s.mutable(c.ref(groups.name))
	if err != nil {
		return nil, err
	}
	if s.opts.RejectOverlap && res.inFlight > 0 {
		return nil, errNotReady(res.ref.path())
	}
	return res, nil
}

// transition describes a change of a group or of one of its members.
func (s *Server) transition(r ref, event string, m *member, cause Cause) Transition {
	t := Transition{
		Time: s.clock.Now(), Project: r.project, Zone: r.scope.name, Group: r.name,
		Event: event, Cause: cause,
	}
	if m != nil {
		t.Endpoint = m.endpoint.address().String()
		t.Instance = m.instance
	}
	return t
}

func sizeDoc(d doc, g *group) doc { return d.with("size", len(g.members)) }

func (a address) String() string {
	host := a.host
	if a.port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(a.port)
}
