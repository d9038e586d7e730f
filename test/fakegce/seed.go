package fakegce

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Seed is what exists before the first call. Seeding again adds and replaces; a
// resource that names no project is in the first of Projects.
type Seed struct {
	Projects    []string     `json:"projects,omitempty"`
	Networks    []Network    `json:"networks,omitempty"`
	Subnetworks []Subnetwork `json:"subnetworks,omitempty"`
	Instances   []Instance   `json:"instances,omitempty"`
}

// Network is a VPC. In auto mode it gets a subnetwork of its name per region.
type Network struct {
	Project               string `json:"project,omitempty"`
	Name                  string `json:"name"`
	AutoCreateSubnetworks bool   `json:"autoCreateSubnetworks,omitempty"`
}

// Subnetwork is a range of one region, with further ranges by name.
type Subnetwork struct {
	Project         string            `json:"project,omitempty"`
	Region          string            `json:"region"`
	Name            string            `json:"name"`
	Network         string            `json:"network,omitempty"` // "default" if empty
	Range           string            `json:"range"`
	SecondaryRanges map[string]string `json:"secondaryRanges,omitempty"`
}

// Instance is a VM with one interface. Seeding it again changes its addresses.
type Instance struct {
	Project     string   `json:"project,omitempty"`
	Zone        string   `json:"zone"`
	Name        string   `json:"name"`
	IP          string   `json:"ip"`
	Network     string   `json:"network,omitempty"`    // "default" if empty
	Subnetwork  string   `json:"subnetwork,omitempty"` // the network's name if empty
	AliasRanges []string `json:"aliasRanges,omitempty"`
}

// Seed adds all of a seed or, when it is wrong, reports the first problem.
func (s *Server) Seed(seed Seed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, project := range seed.Projects {
		if !projectID.MatchString(project) {
			return fmt.Errorf("project %q: no project id", project)
		}
		s.makeProject(project)
	}
	for _, n := range seed.Networks {
		if err := s.seedIn(&n.Project, n.Name, seed, func() error { s.putNetwork(n); return nil }); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	for _, sub := range seed.Subnetworks {
		if err := s.seedIn(&sub.Project, sub.Name, seed, func() error { return s.putSubnetwork(sub) }); err != nil {
			return fmt.Errorf("subnetwork %s: %w", sub.Name, err)
		}
	}
	for _, in := range seed.Instances {
		if err := s.seedIn(&in.Project, in.Name, seed, func() error { return s.putInstance(in) }); err != nil {
			return fmt.Errorf("instance %s: %w", in.Name, err)
		}
	}
	return nil
}

func (s *Server) seedIn(project *string, name string, seed Seed, put func() error) error {
	if !rfc1035.MatchString(name) {
		return fmt.Errorf("no resource name: %q", name)
	}
	if *project == "" && len(seed.Projects) > 0 {
		*project = seed.Projects[0]
	}
	if !projectID.MatchString(*project) {
		return fmt.Errorf("no project id: %q", *project)
	}
	s.makeProject(*project)
	return put()
}

func (s *Server) putNetwork(n Network) {
	res := s.newResource(networkRef(n.Project, n.Name), networks.kind)
	res.doc["autoCreateSubnetworks"] = n.AutoCreateSubnetworks
	res.doc["mtu"] = 1460
	res.doc["routingConfig"] = doc{"routingMode": "REGIONAL", "bgpBestPathSelectionMode": "LEGACY"}
	res.doc["networkFirewallPolicyEnforcementOrder"] = "AFTER_CLASSIC_FIREWALL"
	s.store.put(res)
	if !n.AutoCreateSubnetworks {
		return
	}
	s.putAutoSubnetworks(res.ref)
}

func (s *Server) putSubnetwork(sub Subnetwork) error {
	setDefault(&sub.Network, "default")
	prefix, err := netip.ParsePrefix(sub.Range)
	if err != nil {
		return err
	}
	network := s.store.find(networkRef(sub.Project, sub.Network))
	if network == nil || placeOf[sub.Region].region == "" {
		return fmt.Errorf("no network %q or no region %q", sub.Network, sub.Region)
	}
	res := s.newResource(subnetworkRef(sub.Project, sub.Region, sub.Name), subnetworks.kind)
	res.doc["network"] = network.ref.link()
	res.doc["ipCidrRange"] = prefix.Masked().String()
	res.doc["gatewayAddress"] = prefix.Masked().Addr().Next().String()
	res.doc["privateIpGoogleAccess"] = false
	res.doc["purpose"] = "PRIVATE"
	res.doc["stackType"] = "IPV4_ONLY"
	if len(sub.SecondaryRanges) > 0 {
		var ranges []doc
		for _, name := range slices.Sorted(maps.Keys(sub.SecondaryRanges)) {
			ranges = append(ranges, doc{"rangeName": name, "ipCidrRange": sub.SecondaryRanges[name]})
		}
		res.doc["secondaryIpRanges"] = ranges
	}
	res.state = network.ref
	s.store.put(res)
	s.store.use(res.ref, []ref{network.ref})
	s.linkSubnetwork(network, res.ref)
	return nil
}

func (s *Server) linkSubnetwork(network *resource, sub ref) {
	links, _ := network.doc["subnetworks"].([]string)
	if !slices.Contains(links, sub.link()) {
		network.doc = network.doc.with("subnetworks", append(slices.Clip(links), sub.link()))
	}
}

func (s *Server) putInstance(in Instance) error {
	n, err := s.parseNIC(in)
	if err != nil {
		return err
	}
	r := ref{shelf{in.Project, scope{zonal, in.Zone}, instances.name}, in.Name}
	res := s.newResource(r, instances.kind)
	nicDoc := doc{
		"kind": "compute#networkInterface", "name": "nic0", "stackType": "IPV4_ONLY",
		"network": n.network.link(), "subnetwork": n.subnetwork.link(), "networkIP": n.ip.String(),
	}
	if len(n.aliases) > 0 {
		aliases := make([]doc, len(n.aliases))
		for i, alias := range n.aliases {
			aliases[i] = doc{"ipCidrRange": alias.String()}
		}
		nicDoc["aliasIpRanges"] = aliases
	}
	if old := s.store.find(r); old != nil {
		res.id, res.doc["id"], res.doc["creationTimestamp"] = old.id, old.doc["id"], old.doc["creationTimestamp"]
	}
	res.doc["status"] = "RUNNING"
	res.doc["machineType"] = scopeLink(in.Project, r.scope) + "/machineTypes/e2-medium"
	res.doc["networkInterfaces"] = []doc{nicDoc}
	res.state = &instance{nics: []nic{n}}
	s.store.put(res)
	s.store.use(res.ref, []ref{n.network, n.subnetwork})
	return nil
}

func (s *Server) parseNIC(in Instance) (nic, error) {
	setDefault(&in.Network, "default")
	setDefault(&in.Subnetwork, in.Network)
	regionName := zoneRegion[in.Zone]
	n := nic{
		network:    networkRef(in.Project, in.Network),
		subnetwork: subnetworkRef(in.Project, regionName, in.Subnetwork),
	}
	if regionName == "" {
		return n, fmt.Errorf("no zone %q", in.Zone)
	}
	if sub := s.store.find(n.subnetwork); sub == nil || sub.state != n.network {
		return n, fmt.Errorf("no subnetwork %q of network %q in %s", in.Subnetwork, in.Network, regionName)
	}
	var err error
	if n.ip, err = netip.ParseAddr(in.IP); err != nil {
		return n, err
	}
	for _, alias := range in.AliasRanges {
		prefix, err := netip.ParsePrefix(alias)
		if err != nil {
			return n, err
		}
		n.aliases = append(n.aliases, prefix.Masked())
	}
	return n, nil
}
