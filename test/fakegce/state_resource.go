package fakegce

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Resource is a part of a load balancer, an address or a firewall in a snapshot:
// what State has beside groups and instances.
type Resource struct {
	Collection string    `json:"collection"` // as in paths: "backendServices"
	Project    string    `json:"project"`
	Scope      string    `json:"scope"` // "global" or "regions/us-central1"
	Name       string    `json:"name"`
	Address    string    `json:"address,omitempty"`  // of a forwarding rule or an address
	Links      []string  `json:"links,omitempty"`    // paths of what it refers to, from "projects/", in order; with what a change under way adds
	Backends   []Backend `json:"backends,omitempty"` // of a backend service, as it lists them
}

// Backend is a group that a backend service sends to, with the one target that
// its mode has.
type Backend struct {
	Group          string  `json:"group"` // its path
	BalancingMode  string  `json:"balancingMode"`
	CapacityScaler float64 `json:"capacityScaler"`

	MaxRate                   float64 `json:"maxRate,omitempty"`
	MaxRatePerEndpoint        float64 `json:"maxRatePerEndpoint,omitempty"`
	MaxConnections            float64 `json:"maxConnections,omitempty"`
	MaxConnectionsPerEndpoint float64 `json:"maxConnectionsPerEndpoint,omitempty"`
}

// resourceSnapshots are the committed resources of all families.
func (s *store) resourceSnapshots() []Resource {
	list := []Resource{}
	for sh := range s.shelves {
		if familyOf[sh.collection] == nil {
			continue
		}
		for _, res := range s.visible(sh) {
			list = append(list, s.resourceSnapshot(res))
		}
	}
	slices.SortFunc(list, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Name, b.Name))
	})
	return list
}

func (s *store) resourceSnapshot(res *resource) Resource {
	out := Resource{Collection: res.ref.collection, Project: res.ref.project, Scope: res.ref.scope.String(), Name: res.ref.name}
	for _, use := range s.uses[res.ref] {
		out.Links = append(out.Links, use.path())
	}
	slices.Sort(out.Links)
	out.Links = slices.Compact(out.Links)
	switch res.ref.collection {
	case forwardingRules.name:
		out.Address, _ = res.doc["IPAddress"].(string)
	case addresses.name:
		out.Address, _ = res.doc["address"].(string)
	case backendServices.name:
		out.Backends = backendSnapshots(res.doc)
	}
	return out
}

func backendSnapshots(d doc) []Backend {
	list, _ := d["backends"].([]any)
	var out []Backend
	for _, item := range list {
		fields, _ := object(item)
		number := func(field string) float64 {
			n, _ := strconv.ParseFloat(text(fields[field]), 64) // 0 when it is not there
			return n
		}
		group, _ := fields["group"].(string)
		out = append(out, Backend{
			Group: strings.TrimPrefix(group, linkRoot), BalancingMode: text(fields["balancingMode"]), CapacityScaler: number("capacityScaler"),
			MaxRate: number("maxRate"), MaxRatePerEndpoint: number("maxRatePerEndpoint"),
			MaxConnections: number("maxConnections"), MaxConnectionsPerEndpoint: number("maxConnectionsPerEndpoint"),
		})
	}
	return out
}
