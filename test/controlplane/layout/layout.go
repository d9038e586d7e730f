// Package layout computes what a cluster looks like before anything of it
// runs: the names, zones, instances and addresses of its nodes.
//
// It is pure: the same Spec always gives the same nodes, so the supervisor can
// publish them and the node simulator can register them without talking to
// each other.
//
// Addresses. A cluster owns one octet N. Pods live in 10.N.0.0/16; node b has
// the Pod range 10.N.b.0/24 and the address 10.N.255.(b+1), which no Pod range
// contains. Nothing listens on those addresses: the loopback twin of 10.N.b.c
// is 127.N.b.c, which every Linux machine can bind without being asked, and
// two clusters with different octets never meet.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

const (
	// MaxNodes leaves 10.N.254.0/24 unused and 10.N.255.0/24 to the nodes.
	MaxNodes = 254
	// PodsPerNode is how many addresses of a node's /24 are given to Pods.
	PodsPerNode = 250
	// MinOctet keeps clear of 127.0.0.1 and of what people use near it.
	MinOctet = 64
	// MaxOctet is the last octet a cluster may own.
	MaxOctet = 254

	maxInstanceName = 63
)

// Spec is what the operator chose.
type Spec struct {
	Name    string
	Project string
	Region  string
	Zones   []string
	Nodes   int
	Octet   int
}

// Node is one simulated machine. The JSON names are a format: ready.json
// carries them.
type Node struct {
	Name       string `json:"name"`
	Instance   string `json:"instance"`
	Zone       string `json:"zone"`
	ProviderID string `json:"providerID"`
	PodCIDR    string `json:"podCIDR"`
	InternalIP string `json:"internalIP"`

	Index  int    `json:"-"`
	Region string `json:"-"`
}

var label = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// Validate reports the first thing that would make a Spec unusable.
func (s Spec) Validate() error {
	switch {
	case !label.MatchString(s.Name) || len(s.Name) > 40:
		return fmt.Errorf("cluster name %q: want a lower-case label of at most 40 characters", s.Name)
	case s.Project == "":
		return fmt.Errorf("project: must not be empty")
	case !label.MatchString(s.Region):
		return fmt.Errorf("region %q: want a lower-case label", s.Region)
	case len(s.Zones) == 0:
		return fmt.Errorf("zones: want at least one")
	case s.Nodes < 1 || s.Nodes > MaxNodes:
		return fmt.Errorf("nodes %d: want 1 to %d", s.Nodes, MaxNodes)
	case s.Octet != 0 && (s.Octet < MinOctet || s.Octet > MaxOctet):
		return fmt.Errorf("pod octet %d: want 0 or %d to %d", s.Octet, MinOctet, MaxOctet)
	}
	return s.validateZones()
}

func (s Spec) validateZones() error {
	seen := map[string]bool{}
	for _, z := range s.Zones {
		if !label.MatchString(z) {
			return fmt.Errorf("zone %q: want a lower-case label", z)
		}
		if seen[z] {
			return fmt.Errorf("zone %q: given twice", z)
		}
		seen[z] = true
	}
	return nil
}

// PodRange is the cluster's Pod network.
func (s Spec) PodRange() string { return fmt.Sprintf("10.%d.0.0/16", s.Octet) }

// NodeList returns the cluster's nodes, dealt to the zones in turn.
func (s Spec) NodeList() []Node {
	nodes := make([]Node, s.Nodes)
	for i := range nodes {
		z := i % len(s.Zones)
		name := fmt.Sprintf("node-%s-%d", s.zoneSuffix(z), i/len(s.Zones)+1)
		instance := InstanceName(s.Name, name)
		nodes[i] = Node{
			Name:       name,
			Instance:   instance,
			Zone:       s.Zones[z],
			ProviderID: fmt.Sprintf("gce://%s/%s/%s", s.Project, s.Zones[z], instance),
			PodCIDR:    fmt.Sprintf("10.%d.%d.0/24", s.Octet, i),
			InternalIP: fmt.Sprintf("10.%d.255.%d", s.Octet, i+1),
			Index:      i,
			Region:     s.Region,
		}
	}
	return nodes
}

// zoneSuffix is the letter that ends a zone's name, or the zone's number when
// letters would not tell the zones apart.
func (s Spec) zoneSuffix(z int) string {
	letter := func(zone string) string { return zone[strings.LastIndexByte(zone, '-')+1:] }
	for i, other := range s.Zones {
		if i != z && letter(other) == letter(s.Zones[z]) {
			return fmt.Sprintf("z%d", z+1)
		}
	}
	return letter(s.Zones[z])
}

// InstanceName names the virtual machine behind a node. It differs from the
// node's name on purpose, as it does on any cluster whose nodes are not named
// by GKE: code that takes the one for the other must fail here.
func InstanceName(cluster, node string) string {
	sum := sha256.Sum256([]byte(cluster + "/" + node))
	tail := "-pool-1-" + hex.EncodeToString(sum[:4])
	head := "gke-" + cluster
	if room := maxInstanceName - len(tail); len(head) > room {
		head = strings.TrimRight(head[:room], "-")
	}
	return head + tail
}

// Twin returns the loopback address that stands for a Pod or node address:
// 10.N.b.c is reached at 127.N.b.c.
func Twin(ip string) (string, error) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is4() {
		return "", fmt.Errorf("twin of %q: not an IPv4 address", ip)
	}
	b := addr.As4()
	if b[0] != 10 || b[1] < MinOctet {
		return "", fmt.Errorf("twin of %q: not in 10.%d.0.0 and above", ip, MinOctet)
	}
	b[0] = 127
	return netip.AddrFrom4(b).String(), nil
}
