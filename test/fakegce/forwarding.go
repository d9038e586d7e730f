package fakegce

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	forwardingRules = &family{
		collection: collection{name: "forwardingRules", kind: "compute#forwardingRule", scopes: []scopeKind{region, global}},
		one:        "forwardingRule",
		links: map[string][]string{
			"target": {"targetHttpProxies", "targetHttpsProxies", "targetGrpcProxies", "targetTcpProxies", "targetSslProxies",
				"targetPools", "targetInstances", "targetVpnGateways", "serviceAttachments"},
			"backendService": {backendServices.name},
			"network":        {networks.name},
			"subnetwork":     {subnetworks.name},
		},
		defaults: doc{"IPProtocol": "TCP", "loadBalancingScheme": "EXTERNAL", "networkTier": "PREMIUM"},
		stamped:  true, labelled: true, complete: completeForwardingRule,
	}
	addresses = &family{
		collection: collection{name: "addresses", kind: "compute#address", scopes: []scopeKind{region, global}, view: viewAddress},
		one:        "address",
		links:      map[string][]string{"network": {networks.name}, "subnetwork": {subnetworks.name}},
		defaults:   doc{"addressType": "EXTERNAL", "description": ""},
		labelled:   true, complete: completeAddress,
	}
)

// viewAddress adds who uses the address.
func viewAddress(s *Server, res *resource) doc {
	users := s.store.usersOf(res.ref)
	if len(users) == 0 {
		return res.doc.with("status", "RESERVED")
	}
	links := make([]string, len(users))
	for i, user := range users {
		links[i] = user.link()
	}
	return res.doc.with("status", "IN_USE").with("users", links)
}

type addressInput struct {
	Address     string `json:"address"`
	AddressType string `json:"addressType"`
}

func completeAddress(s *Server, d *draft) *apiError {
	var in addressInput
	if err := d.read(&in); err != nil {
		return err
	}
	if err := oneOf("resource.addressType", in.AddressType, "EXTERNAL", "INTERNAL"); err != nil {
		return err
	}
	if in.AddressType == "EXTERNAL" {
		d.doc.fill("networkTier", "PREMIUM")
	}
	if d.ref.scope.kind == global {
		d.doc.fill("ipVersion", "IPV4")
	}
	if in.Address == "" {
		d.doc["address"] = s.freeAddress(in.AddressType)
		return nil
	}
	if _, err := netip.ParseAddr(in.Address); err != nil {
		return errInvalid("resource.address", in.Address, "Invalid IP address specified.")
	}
	if other := s.addressOf(d.ref.shelf, in.Address); other != nil && other.ref != d.ref {
		return errInvalid("resource.address", in.Address, "Specified IP address is already reserved.")
	}
	return nil
}

// freeAddress is an address that was not given out: of the benchmarking range
// for the world, of a private one for the inside.
func (s *Server) freeAddress(kind string) string {
	s.store.lastAddress++
	n := s.store.lastAddress
	if kind == "INTERNAL" {
		return fmt.Sprintf("10.127.%d.%d", n>>8&255, n&255)
	}
	return fmt.Sprintf("198.18.%d.%d", n>>8&255, n&255)
}

// addressOf is the reservation of an IP address in one scope, or nil.
func (s *Server) addressOf(near shelf, ip string) *resource {
	near.collection = "addresses"
	for _, res := range s.store.visible(near) {
		if res.doc["address"] == ip {
			return res
		}
	}
	return nil
}

type forwardingRuleInput struct {
	IPAddress      string   `json:"IPAddress"`
	IPProtocol     string   `json:"IPProtocol"`
	Scheme         string   `json:"loadBalancingScheme"`
	PortRange      string   `json:"portRange"`
	Ports          []string `json:"ports"`
	AllPorts       bool     `json:"allPorts"`
	Target         string   `json:"target"`
	BackendService string   `json:"backendService"`
}

func completeForwardingRule(s *Server, d *draft) *apiError {
	var in forwardingRuleInput
	if err := d.read(&in); err != nil {
		return err
	}
	if err := first(
		oneOf("resource.IPProtocol", in.IPProtocol, "AH", "ESP", "ICMP", "L3_DEFAULT", "SCTP", "TCP", "UDP"),
		oneOf("resource.loadBalancingScheme", in.Scheme, "EXTERNAL", "EXTERNAL_MANAGED", "INTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED"),
	); err != nil {
		return err
	}
	switch {
	case in.Target == "" && in.BackendService == "":
		return errRequired("resource.target")
	case in.Target != "" && in.BackendService != "":
		return errInvalid("resource.backendService", in.BackendService, "Only one of target and backendService can be specified.")
	}
	if err := completePorts(d, &in); err != nil {
		return err
	}
	return s.completeIPAddress(d, &in)
}

var portRange = regexp.MustCompile(`^(\d{1,5})(?:-(\d{1,5}))?$`)

// completePorts writes a range of ports as the service does: "80-80".
func completePorts(d *draft, in *forwardingRuleInput) *apiError {
	if strings.Contains(in.Target, "/targetHttp") && in.PortRange == "" && len(in.Ports) == 1 {
		in.PortRange = in.Ports[0]
		delete(d.doc, "ports")
	}
	if in.PortRange == "" {
		if in.Target != "" && len(in.Ports) == 0 && !in.AllPorts {
			return errRequired("resource.portRange")
		}
		return nil
	}
	m := portRange.FindStringSubmatch(in.PortRange)
	if m == nil {
		return errInvalid("resource.portRange", in.PortRange, "Port range is malformed.")
	}
	if m[2] == "" {
		m[2] = m[1]
	}
	low, _ := strconv.Atoi(m[1])
	high, _ := strconv.Atoi(m[2])
	if low < 1 || high > 65535 || low > high {
		return errInvalid("resource.portRange", in.PortRange, "Ports must be between 1 and 65535, in order.")
	}
	d.doc["portRange"] = fmt.Sprintf("%d-%d", low, high)
	return nil
}

// completeIPAddress turns a reserved address, by link or by number, into its
// number, and gives one to a rule without.
func (s *Server) completeIPAddress(d *draft, in *forwardingRuleInput) *apiError {
	kind := "EXTERNAL"
	if strings.HasPrefix(in.Scheme, "INTERNAL") {
		kind = "INTERNAL"
	}
	if in.IPAddress == "" {
		in.IPAddress = s.freeAddress(kind)
	}
	d.doc["IPAddress"] = in.IPAddress
	if _, err := netip.ParseAddr(in.IPAddress); err == nil {
		if res := s.addressOf(d.ref.shelf, in.IPAddress); res != nil {
			d.uses = append(d.uses, res.ref)
		}
		return s.conflict(d)
	}
	r, ok := parseLink(in.IPAddress, shelf{d.ref.project, d.ref.scope, "addresses"})
	if !ok {
		return errInvalid("resource.IPAddress", in.IPAddress, "The URL is malformed.")
	}
	res, err := s.mutable(r)
	if err != nil {
		return err
	}
	d.uses = append(d.uses, r)
	d.doc["IPAddress"] = res.doc["address"]
	return s.conflict(d)
}

// conflict refuses a second rule for the same traffic.
func (s *Server) conflict(d *draft) *apiError {
	same := func(res *resource) bool {
		return res.ref != d.ref && res.doc["IPAddress"] == d.doc["IPAddress"] && res.doc["IPProtocol"] == d.doc["IPProtocol"] &&
			res.doc["portRange"] != nil && res.doc["portRange"] == d.doc["portRange"]
	}
	if slices.ContainsFunc(s.store.visible(d.ref.shelf), same) {
		return errInvalid("resource.IPAddress", d.doc["IPAddress"], "Specified IP address is in-use and would result in a conflict.")
	}
	return nil
}
