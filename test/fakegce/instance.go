package fakegce

import (
	"fmt"
	"net/netip"
	"path"
)

var instanceFamily = &family{
	collection: instances, one: "instance",
	links:    map[string][]string{"network": {networks.name}, "subnetwork": {subnetworks.name}},
	complete: completeInstance,
}

type instanceInput struct {
	MachineType       string     `json:"machineType"`
	NetworkInterfaces []nicInput `json:"networkInterfaces"`
}

type nicInput struct {
	Network       string `json:"network"`
	Subnetwork    string `json:"subnetwork"`
	NetworkIP     string `json:"networkIP"`
	AliasIPRanges []struct {
		Range string `json:"ipCidrRange"`
	} `json:"aliasIpRanges"`
}

// completeInstance makes of an instance the interfaces that endpoints are checked
// against. It runs from the beginning; disks are kept as they came.
func completeInstance(s *Server, d *draft) *apiError {
	var in instanceInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.MachineType == "" {
		return errRequired("resource.machineType")
	}
	if len(in.NetworkInterfaces) == 0 {
		return errRequired("resource.networkInterfaces")
	}
	docs := d.doc["networkInterfaces"].([]any)
	made := &instance{}
	for i, ni := range in.NetworkInterfaces {
		n, err := s.newNIC(d, fmt.Sprintf("resource.networkInterfaces[%d]", i), ni)
		if err != nil {
			return err
		}
		made.nics = append(made.nics, n)
		shown, _ := object(docs[i])
		shown = merge(doc{"name": fmt.Sprintf("nic%d", i)}, shown)
		shown["kind"] = "compute#networkInterface"
		shown["network"], shown["subnetwork"], shown["networkIP"] = n.network.link(), n.subnetwork.link(), n.ip.String()
		shown.fill("stackType", "IPV4_ONLY")
		docs[i] = map[string]any(shown)
	}
	d.doc["machineType"] = scopeLink(d.ref.project, d.ref.scope) + "/machineTypes/" + path.Base(in.MachineType)
	d.doc["zone"] = scopeLink(d.ref.project, d.ref.scope)
	d.doc["status"] = "RUNNING"
	d.state = made
	return nil
}

// newNIC finds an interface's network and subnetwork, each by the other where only
// one is given, and gives it an address.
func (s *Server) newNIC(d *draft, at string, in nicInput) (nic, *apiError) {
	var n nic
	here := scope{kind: region, name: regionOf(d.ref.scope)}
	if in.Network == "" && in.Subnetwork == "" {
		in.Network = networkRef(d.ref.project, "default").link()
	}
	n.network, _ = parseLink(in.Network, networkRef(d.ref.project, "").shelf)
	n.subnetwork, _ = parseLink(in.Subnetwork, shelf{d.ref.project, here, subnetworks.name})
	if in.Subnetwork == "" {
		n.subnetwork = subnetworkRef(n.network.project, here.name, n.network.name)
	}
	sub := s.store.find(n.subnetwork)
	if sub == nil || n.subnetwork.scope != here {
		return n, errInvalid(at+".subnetwork", in.Subnetwork, "There is no such subnetwork in region %s.", here.name)
	}
	if in.Network == "" {
		n.network = sub.state.(ref)
	}
	if sub.state != n.network {
		return n, errInvalid(at+".subnetwork", in.Subnetwork, "The subnetwork does not belong to network %s.", n.network.name)
	}
	d.uses = append(d.uses, n.network, n.subnetwork)
	for _, alias := range in.AliasIPRanges {
		prefix, err := netip.ParsePrefix(alias.Range)
		if err != nil {
			return n, errInvalid(at+".aliasIpRanges.ipCidrRange", alias.Range, "Must be a range, as in 10.4.0.0/24.")
		}
		n.aliases = append(n.aliases, prefix.Masked())
	}
	return n, s.giveAddress(&n, sub, at, in.NetworkIP)
}

// giveAddress takes the wanted address of a subnetwork, or the first free one. The
// service keeps the first two and the last two of a range for itself.
func (s *Server) giveAddress(n *nic, sub *resource, at, wanted string) *apiError {
	taken := map[netip.Addr]bool{}
	for user := range s.store.users[sub.ref] {
		if in, ok := s.store.shelves[user.shelf][user.name].state.(*instance); ok {
			for _, other := range in.nics {
				taken[other.ip] = true
			}
		}
	}
	within := rangesOf(sub)[0]
	if wanted != "" {
		ip, err := netip.ParseAddr(wanted)
		if err != nil || !within.Contains(ip) {
			return errInvalid(at+".networkIP", wanted, "The IP address is not in the range of subnetwork %s.", sub.ref.name)
		}
		if taken[ip] {
			return errInvalid(at+".networkIP", wanted, "The IP address is used by another resource.")
		}
		n.ip = ip
		return nil
	}
	for ip := within.Addr().Next().Next(); within.Contains(ip.Next().Next()); ip = ip.Next() {
		if !taken[ip] {
			n.ip = ip
			return nil
		}
	}
	return errInvalid(at+".subnetwork", sub.ref.name, "No IP address is free in it.")
}
