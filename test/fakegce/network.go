package fakegce

import (
	"net/http"
	"net/netip"
	"slices"
)

// What endpoints are checked against can be made and deleted as well as seeded.
var (
	networkFamily = &family{
		collection: networks, one: "network",
		defaults: doc{
			"autoCreateSubnetworks": true, "mtu": 1460, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
			"routingConfig": doc{"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"},
		},
		complete: completeNetwork,
	}
	subnetworkFamily = &family{
		collection: subnetworks, one: "subnetwork",
		links:    map[string][]string{"network": {networks.name}},
		defaults: doc{"privateIpGoogleAccess": false, "purpose": "PRIVATE", "stackType": "IPV4_ONLY"},
		complete: completeSubnetwork,
	}
)

type networkInput struct {
	MTU           int    `json:"mtu"`
	IPv4Range     string `json:"IPv4Range"`
	RoutingConfig struct {
		RoutingMode string `json:"routingMode"`
	} `json:"routingConfig"`
}

func completeNetwork(_ *Server, d *draft) *apiError {
	var in networkInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.IPv4Range != "" {
		return errInvalid("resource.IPv4Range", in.IPv4Range, "Legacy networks are not supported.")
	}
	return first(
		within("resource.mtu", in.MTU, 1300, 8896),
		oneOf("resource.routingConfig.routingMode", in.RoutingConfig.RoutingMode, "GLOBAL", "REGIONAL"),
	)
}

type subnetworkInput struct {
	Network           string           `json:"network"`
	Range             string           `json:"ipCidrRange"`
	SecondaryIPRanges []secondaryRange `json:"secondaryIpRanges"`
}

type secondaryRange struct {
	RangeName string `json:"rangeName"`
	Range     string `json:"ipCidrRange"`
}

func completeSubnetwork(s *Server, d *draft) *apiError {
	var in subnetworkInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.Network == "" {
		return errRequired("resource.network")
	}
	network, _ := parseLink(in.Network, networkRef(d.ref.project, "").shelf)
	d.state = network
	prefix, err := parseRange("resource.ipCidrRange", in.Range)
	if err != nil {
		return err
	}
	ranges := []netip.Prefix{prefix}
	for _, more := range in.SecondaryIPRanges {
		if !rfc1035.MatchString(more.RangeName) {
			return errInvalid("resource.secondaryIpRanges.rangeName", more.RangeName, "Must be a name.")
		}
		secondary, err := parseRange("resource.secondaryIpRanges.ipCidrRange", more.Range)
		if err != nil {
			return err
		}
		ranges = append(ranges, secondary)
	}
	d.doc["gatewayAddress"] = prefix.Addr().Next().String()
	return s.rangesFree(network, ranges)
}

func parseRange(field, text string) (netip.Prefix, *apiError) {
	if text == "" {
		return netip.Prefix{}, errRequired(field)
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() || prefix != prefix.Masked() || prefix.Bits() > 29 {
		return prefix, errInvalid(field, text, "Must be an IPv4 range of at most 29 bits that begins where the range does.")
	}
	return prefix, nil
}

// rangesFree refuses ranges that overlap each other or those of the network's
// subnetworks.
func (s *Server) rangesFree(network ref, ranges []netip.Prefix) *apiError {
	for i, one := range ranges {
		for _, other := range ranges[:i] {
			if one.Overlaps(other) {
				return errInvalid("resource.secondaryIpRanges", one, "Overlaps with %s.", other)
			}
		}
	}
	for user := range s.store.users[network] {
		res := s.store.shelves[user.shelf][user.name]
		if user.collection != subnetworks.name || res == nil {
			continue
		}
		for _, taken := range rangesOf(res) {
			for _, one := range ranges {
				if one.Overlaps(taken) {
					return errInvalid("resource.ipCidrRange", one, "Invalid IPCidrRange: %s conflicts with existing subnetwork '%s' in region '%s'.",
						one, user.name, user.scope.name)
				}
			}
		}
	}
	return nil
}

// rangesOf are a subnetwork's, its primary one first.
func rangesOf(res *resource) []netip.Prefix {
	var in subnetworkInput
	_ = (&draft{doc: res.doc}).read(&in) // it was read when it was made
	var ranges []netip.Prefix
	for _, text := range append([]secondaryRange{{Range: in.Range}}, in.SecondaryIPRanges...) {
		if prefix, err := netip.ParsePrefix(text.Range); err == nil {
			ranges = append(ranges, prefix)
		}
	}
	return ranges
}

// opened gives an auto mode network its subnetworks, and tells a network of a
// subnetwork that was made in it.
func (s *Server) opened(res *resource) {
	switch auto, _ := res.doc["autoCreateSubnetworks"].(bool); {
	case res.ref.collection == subnetworks.name:
		network := s.store.find(res.state.(ref))
		s.remember(network.ref)
		s.linkSubnetwork(network, res.ref)
	case res.ref.collection == networks.name && auto:
		for _, p := range places {
			s.remember(subnetworkRef(res.ref.project, p.region, res.ref.name))
		}
		s.putAutoSubnetworks(res.ref)
	}
}

func (s *Server) putAutoSubnetworks(network ref) {
	for _, p := range places {
		s.putSubnetwork(Subnetwork{Project: network.project, Region: p.region, Name: network.name, Network: network.name, Range: p.cidr})
	}
}

// closed takes along what an auto mode network had made for itself, and tells a
// network of a subnetwork that is gone.
func (s *Server) closed(res *resource) {
	switch res.ref.collection {
	case subnetworks.name:
		network := s.store.find(res.state.(ref))
		if network == nil {
			return
		}
		links, _ := network.doc["subnetworks"].([]string)
		s.remember(network.ref)
		network.doc = network.doc.with("subnetworks", slices.DeleteFunc(slices.Clone(links), func(link string) bool { return link == res.ref.link() }))
	case networks.name:
		for _, p := range places {
			if sub := subnetworkRef(res.ref.project, p.region, res.ref.name); s.auto(sub, res) {
				s.remember(sub)
				s.store.remove(sub)
			}
		}
	}
}

// auto tells whether a subnetwork is one that an auto mode network made for itself.
func (s *Server) auto(sub ref, network *resource) bool {
	res := s.store.find(sub)
	mode, _ := network.doc["autoCreateSubnetworks"].(bool)
	return mode && res != nil && res.state == network.ref && sub.name == network.ref.name
}

// networkInUse fails the deletion of a network that something is in, when it is
// about to be done.
func (s *Server) networkInUse(res *resource) *OperationError {
	if res.ref.collection != networks.name {
		return nil
	}
	users := slices.DeleteFunc(s.store.usersOf(res.ref), func(user ref) bool { return user.collection == subnetworks.name && s.auto(user, res) })
	if len(users) == 0 {
		return nil
	}
	return &OperationError{Code: "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", Message: errInUse(res.ref, users[0]).message, HTTPStatus: http.StatusBadRequest}
}

// deleteNetwork is accepted also for a network in use: its operation fails.
func (s *Server) deleteNetwork(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.idle(c.ref(networks.name))
	if err != nil {
		return nil, err
	}
	res.deleting = true
	return s.begin(c, mutation{kind: "delete", target: res}), nil
}

// deleteSubnetwork leaves an auto mode network what it made for itself.
func (s *Server) deleteSubnetwork(c *call) (any, *apiError) {
	if s.isAuto(c.ref(subnetworks.name)) {
		return nil, refuse(http.StatusBadRequest, "invalidResourceUsage",
			"Invalid resource usage: 'Cannot delete auto subnetwork from an auto subnet mode network.'.")
	}
	return deleteOne(subnetworkFamily)(s, c)
}

func (s *Server) isAuto(sub ref) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	res := s.store.find(sub)
	if res == nil {
		return false
	}
	network := s.store.find(res.state.(ref))
	return network != nil && s.auto(sub, network)
}

// networkMethods are those that change networks, subnetworks and instances.
func networkMethods() []Method {
	method := func(id, verb, all string, f *family, serve serveFunc) Method {
		m := Method{ID: id + "." + verb, HTTP: http.MethodPost, Path: "projects/{project}/" + all, Query: mutationParams, serve: serve}
		if verb == "delete" {
			m.HTTP, m.Path, m.resource = http.MethodDelete, m.Path+"/{"+f.one+"}", f.one
		}
		return m
	}
	return []Method{
		method("networks", "insert", "global/networks", networkFamily, insertOne(networkFamily)),
		method("networks", "delete", "global/networks", networkFamily, (*Server).deleteNetwork),
		method("subnetworks", "insert", "regions/{region}/subnetworks", subnetworkFamily, insertOne(subnetworkFamily)),
		method("subnetworks", "delete", "regions/{region}/subnetworks", subnetworkFamily, (*Server).deleteSubnetwork),
		method("instances", "insert", "zones/{zone}/instances", instanceFamily, insertOne(instanceFamily)),
		method("instances", "delete", "zones/{zone}/instances", instanceFamily, (*Server).deleteInstance),
	}
}
