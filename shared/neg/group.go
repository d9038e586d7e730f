package neg

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// A Zone is a Compute zone, such as us-central1-a.
type Zone string

// An Endpoint is one Pod address as a zonal group holds it.
type Endpoint struct {
	Instance string // the Compute instance that carries the Pod, by its short name
	Addr     netip.AddrPort
}

func (e Endpoint) String() string { return e.Addr.String() + " " + e.Instance }

// Compare orders endpoints by address, then instance.
func (e Endpoint) Compare(o Endpoint) int {
	return cmp.Or(e.Addr.Compare(o.Addr), cmp.Compare(e.Instance, o.Instance))
}

// A GroupID names one zonal network endpoint group inside its project.
type GroupID struct {
	Zone Zone
	Name string
}

func (id GroupID) String() string { return string(id.Zone) + "/" + id.Name }

// Compare orders groups by name, then zone, so that one port's groups stay together.
func (id GroupID) Compare(o GroupID) int {
	return cmp.Or(cmp.Compare(id.Name, o.Name), cmp.Compare(id.Zone, o.Zone))
}

// A Group is one zonal network endpoint group (GCE_VM_IP_PORT).
type Group struct {
	GroupID
	Port      int32      // the Service port it serves
	Endpoints []Endpoint // a set: sorted, without duplicates
}

// A State is all that one Key has in the cloud, desired or observed. It is a value in
// normal form: everything sorted by its ID, endpoints sorted.
type State struct {
	Groups          []Group
	HealthChecks    []HealthCheck
	BackendServices []BackendService
}

// NewState returns the normal form of groups. Two entries of one GroupID become one with
// the endpoints of both.
func NewState(groups ...Group) State {
	var s State
	byID := map[GroupID]int{}
	for _, g := range groups {
		i, seen := byID[g.GroupID]
		if !seen {
			byID[g.GroupID] = len(s.Groups)
			s.Groups = append(s.Groups, Group{g.GroupID, g.Port, slices.Clone(g.Endpoints)})
			continue
		}
		s.Groups[i].Endpoints = append(s.Groups[i].Endpoints, g.Endpoints...)
	}
	for i := range s.Groups {
		s.Groups[i].Endpoints = EndpointSet(s.Groups[i].Endpoints)
	}
	slices.SortFunc(s.Groups, func(a, b Group) int { return a.GroupID.Compare(b.GroupID) })
	return s
}

// EndpointSet sorts es in place and drops duplicates; an empty set is nil.
func EndpointSet(es []Endpoint) []Endpoint {
	if len(es) == 0 {
		return nil
	}
	slices.SortFunc(es, Endpoint.Compare)
	return slices.Compact(es)
}

// Group returns the group of that id.
func (s State) Group(id GroupID) (Group, bool) {
	i, ok := slices.BinarySearchFunc(s.Groups, id, func(g Group, id GroupID) int { return g.GroupID.Compare(id) })
	if !ok {
		return Group{}, false
	}
	return s.Groups[i], true
}

// A Node is what a cluster's node says about the instance behind it. Off GKE the
// instance's name is often not the node's.
type Node struct {
	Project  string
	Zone     Zone
	Instance string
}

// spec.providerID as the Google cloud provider writes it.
var providerID = regexp.MustCompile(`^gce://([^/]+)/([^/]+)/([^/]+)$`)

// ParseProviderID reads gce://PROJECT/ZONE/INSTANCE.
func ParseProviderID(s string) (Node, error) {
	m := providerID.FindStringSubmatch(s)
	if m == nil {
		return Node{}, fmt.Errorf("providerID %q: want gce://PROJECT/ZONE/INSTANCE", clip(s))
	}
	return Node{Project: m[1], Zone: Zone(m[2]), Instance: m[3]}, nil
}

// A Rejected endpoint is one that the API would not attach.
type Rejected struct {
	Endpoint Endpoint
	Why      string
}
