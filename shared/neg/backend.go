package neg

import (
	"cmp"
	"slices"
)

// Fields are settings of a resource: the API's field names, joined with dots
// ("connectionDraining.drainingTimeoutSec"), to values that are string, float64 or bool
// and so compare with ==.
//
// Desired fields are those that someone asked for; what is not among them is left as it
// is. Observed fields may hold more.
type Fields map[string]any

// Differ returns the names of the fields whose value in have is not the one in f, sorted.
func (f Fields) Differ(have Fields) []string {
	var names []string
	for name, value := range f {
		if have[name] != value {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// A BackendServiceID names a backend service of a project.
type BackendServiceID struct {
	Region string // empty: global
	Name   string
}

func (id BackendServiceID) String() string { return location(id.Region) + "/" + id.Name }

// Compare orders by name, then region.
func (id BackendServiceID) Compare(o BackendServiceID) int {
	return cmp.Or(cmp.Compare(id.Name, o.Name), cmp.Compare(id.Region, o.Region))
}

// A HealthCheckID names a health check of a project.
type HealthCheckID struct {
	Region string // empty: global
	Name   string
}

func (id HealthCheckID) String() string { return location(id.Region) + "/" + id.Name }

// Compare orders by name, then region.
func (id HealthCheckID) Compare(o HealthCheckID) int {
	return cmp.Or(cmp.Compare(id.Name, o.Name), cmp.Compare(id.Region, o.Region))
}

func location(region string) string {
	if region == "" {
		return "global"
	}
	return region
}

// A HealthCheck is one that a managed backend service looks at its endpoints with.
type HealthCheck struct {
	ID     HealthCheckID
	Fields Fields
}

// A BackendService is the part of a backend service that is a Service's: all of one that
// negfleet manages, or only the entries it put into someone else's.
type BackendService struct {
	ID          BackendServiceID
	Managed     bool          // ours as a whole
	Fields      Fields        // of a managed one
	HealthCheck HealthCheckID // of a managed one
	Backends    []Backend     // the Service's own entries, sorted by Group
}

// A Backend is an entry of a backend service: a group, and how much of the traffic it takes.
type Backend struct {
	Group  GroupID
	Fields Fields // balancingMode and its limit, and what else is asked for
	// Initial is sent when the entry is added and is not compared afterwards: people turn
	// capacity by hand.
	Initial Fields
}

// Backend returns the entry of that group.
func (s BackendService) Backend(id GroupID) (Backend, bool) {
	i, ok := slices.BinarySearchFunc(s.Backends, id, func(b Backend, id GroupID) int { return b.Group.Compare(id) })
	if !ok {
		return Backend{}, false
	}
	return s.Backends[i], true
}
