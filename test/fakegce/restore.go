package fakegce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// decodeDoc reads a document; numbers stay as they were written.
func decodeDoc(raw json.RawMessage) (doc, error) {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	var d doc
	if err := in.Decode(&d); err != nil {
		return nil, err
	}
	if d == nil {
		return nil, errors.New("no document")
	}
	return d, nil
}

// parsePath reads what ref.path and ref.link write.
func parsePath(path string) (ref, error) {
	path = strings.TrimPrefix(path, linkRoot)
	parts := strings.Split(path, "/")
	if len(parts) >= 5 && parts[0] == "projects" {
		if r, ok := parseLink(path, shelf{collection: parts[len(parts)-2]}); ok && r.path() == path {
			return r, nil
		}
	}
	return ref{}, fmt.Errorf("%q is no path of a resource", path)
}

// restore makes what rules need beyond the document.
func (res *resource) restore(saved savedResource) error {
	if res.ref.collection != groups.name && (saved.Members != nil || saved.LastSeq != 0) {
		return errors.New("only groups have members")
	}
	switch res.ref.collection {
	case groups.name:
		return res.restoreGroup(saved)
	case instances.name:
		return res.restoreInstance(saved.Doc)
	case subnetworks.name:
		return res.restoreSubnetwork(saved.Doc)
	case networks.name:
		return res.restoreNetwork(saved.Doc)
	}
	if familyOf[res.ref.collection] == nil {
		return fmt.Errorf("no collection %q", res.ref.collection)
	}
	return nil
}

func (res *resource) restoreGroup(saved savedResource) error {
	var in groupInput
	if err := json.Unmarshal(saved.Doc, &in); err != nil {
		return err
	}
	kind, ok := groupKinds[in.NetworkEndpointType]
	if !ok {
		return fmt.Errorf("no network endpoint type %q", in.NetworkEndpointType)
	}
	g := &group{kind: kind, members: restoreMembers(saved.Members), lastSeq: saved.LastSeq, byAddress: map[address]string{}}
	if in.DefaultPort != nil {
		g.defaultPort = *in.DefaultPort
	}
	if err := errors.Join(parseOptional(in.Network, &g.network), parseOptional(in.Subnetwork, &g.subnetwork)); err != nil {
		return err
	}
	last := uint64(0)
	for _, m := range g.members {
		if m.seq <= last || m.seq > g.lastSeq {
			return fmt.Errorf("member %s is out of order", m.endpoint.address())
		}
		last, g.byAddress[m.endpoint.address()] = m.seq, m.instance
	}
	if len(g.byAddress) != len(g.members) {
		return errors.New("a member is there twice")
	}
	res.state = g
	if in.Annotations != nil {
		res.doc["annotations"] = in.Annotations
	}
	return nil
}

func parseOptional(link string, to *ref) (err error) {
	if link != "" {
		*to, err = parsePath(link)
	}
	return err
}

func restoreMembers(saved []savedMember) []member {
	if len(saved) == 0 {
		return nil
	}
	out := make([]member, len(saved))
	for i, m := range saved {
		link := m.NetworkEndpoint.Instance
		out[i] = member{seq: m.Seq, instance: link[strings.LastIndex(link, "/")+1:], endpoint: m.NetworkEndpoint}
	}
	return out
}

func (res *resource) restoreInstance(raw json.RawMessage) error {
	var in struct {
		NetworkInterfaces []struct {
			Network, Subnetwork string
			NetworkIP           netip.Addr
			AliasIPRanges       []struct{ IPCidrRange netip.Prefix }
		}
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	if len(in.NetworkInterfaces) == 0 {
		return errors.New("no network interface")
	}
	vm := &instance{}
	for _, saved := range in.NetworkInterfaces {
		n := nic{ip: saved.NetworkIP}
		for _, alias := range saved.AliasIPRanges {
			n.aliases = append(n.aliases, alias.IPCidrRange)
		}
		if err := errors.Join(parseOptional(saved.Network, &n.network), parseOptional(saved.Subnetwork, &n.subnetwork)); err != nil {
			return err
		}
		vm.nics = append(vm.nics, n)
	}
	res.state = vm
	return nil
}

func (res *resource) restoreSubnetwork(raw json.RawMessage) error {
	var in struct{ Network string }
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	network, err := parsePath(in.Network)
	res.state = network
	return err
}

func (res *resource) restoreNetwork(raw json.RawMessage) error {
	var in struct{ Subnetworks []string }
	err := json.Unmarshal(raw, &in)
	if in.Subnetworks != nil {
		res.doc["subnetworks"] = in.Subnetworks
	}
	return err
}

// sound tells whether a mutation under way has what its kind needs, and a target
// that it can be done to.
func (m *mutation) sound(saved *savedMutation) error {
	isGroup := m.target.ref.collection == groups.name
	ok := false
	switch m.kind {
	case "insert", "delete":
		ok = saved.Draft == nil && saved.Members == nil
	case "attachNetworkEndpoints", "detachNetworkEndpoints":
		ok = isGroup && saved.Draft == nil
	default:
		ok = saved.Draft != nil && saved.Members == nil && familyOf[m.target.ref.collection] != nil
	}
	if !ok {
		return fmt.Errorf("no %s of %s", m.kind, m.target.ref.path())
	}
	return nil
}
