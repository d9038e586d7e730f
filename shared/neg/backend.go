package neg

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Fields are settings of a resource: the API's field names, joined with dots
// ("connectionDraining.drainingTimeoutSec"), to values that are string, float64, bool or
// JSON, and so compare with ==.
//
// Desired fields are those that someone asked for; what is not among them is left as it
// is. Observed fields may hold more.
type Fields map[string]any

// JSON is a list in one fixed form, so that equal lists are equal texts.
type JSON string

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

	// Observed alone; nothing is compared with them.
	Entries int      // all entries, whoever's
	Users   []string // who refers to it, by path: without any it serves nothing
}

// A Backend is an entry of a backend service: a group, and how much of the traffic it takes.
type Backend struct {
	Group  GroupID
	Fields Fields // balancingMode and its limit, and what else is asked for
	// Initial is sent, where Fields say nothing, when the entry is added, and is not
	// compared afterwards: people turn capacity by hand.
	Initial Fields
	// Theirs is an observed entry of someone else's for a group of ours: it serves, and is
	// left alone.
	Theirs bool
}

// BackendMark is the description of the entries that a Service's key puts into backend
// services: negfleet:<cluster8>-<key8>. Others are never changed.
func BackendMark(uid string, k Key) string {
	return "negfleet:" + strings.TrimPrefix(Token(uid, k), NamePrefix)
}

// ClusterMark is how the mark of every key of a cluster begins: negfleet:<cluster8>-.
func ClusterMark(uid string) string { return "negfleet:" + hash8(uid) + "-" }

// WithBackends is s with these backend services and health checks in normal form. Two
// entries of one ID become one: several ports may share a backend service.
func (s State) WithBackends(services []BackendService, checks []HealthCheck) State {
	s.BackendServices, s.HealthChecks = nil, nil
	for _, service := range services {
		service.Backends = slices.Clone(service.Backends)
		i := slices.IndexFunc(s.BackendServices, func(o BackendService) bool { return o.ID == service.ID })
		if i < 0 {
			s.BackendServices = append(s.BackendServices, service)
			continue
		}
		service.Backends = append(s.BackendServices[i].Backends, service.Backends...)
		if s.BackendServices[i].Managed {
			service.Managed, service.Fields, service.HealthCheck = true, s.BackendServices[i].Fields, s.BackendServices[i].HealthCheck
		}
		s.BackendServices[i] = service
	}
	for i := range s.BackendServices {
		s.BackendServices[i].Backends = backendSet(s.BackendServices[i].Backends)
	}
	slices.SortFunc(s.BackendServices, func(a, b BackendService) int { return a.ID.Compare(b.ID) })
	s.HealthChecks = slices.Clone(checks)
	slices.SortStableFunc(s.HealthChecks, func(a, b HealthCheck) int { return a.ID.Compare(b.ID) })
	s.HealthChecks = slices.CompactFunc(s.HealthChecks, func(a, b HealthCheck) bool { return a.ID == b.ID })
	return s
}

// backendSet sorts by group; of two entries of one group the first counts.
func backendSet(backends []Backend) []Backend {
	slices.SortStableFunc(backends, func(a, b Backend) int { return a.Group.Compare(b.Group) })
	return slices.CompactFunc(backends, func(a, b Backend) bool { return a.Group == b.Group })
}

// BackendService returns the backend service of that id.
func (s State) BackendService(id BackendServiceID) (BackendService, bool) {
	i, ok := slices.BinarySearchFunc(s.BackendServices, id, func(b BackendService, id BackendServiceID) int { return b.ID.Compare(id) })
	if !ok {
		return BackendService{}, false
	}
	return s.BackendServices[i], true
}

// HealthCheck returns the health check of that id.
func (s State) HealthCheck(id HealthCheckID) (HealthCheck, bool) {
	i, ok := slices.BinarySearchFunc(s.HealthChecks, id, func(h HealthCheck, id HealthCheckID) int { return h.ID.Compare(id) })
	if !ok {
		return HealthCheck{}, false
	}
	return s.HealthChecks[i], true
}

// Backend returns the entry of that group.
func (s BackendService) Backend(id GroupID) (Backend, bool) {
	i, ok := slices.BinarySearchFunc(s.Backends, id, func(b Backend, id GroupID) int { return b.Group.Compare(id) })
	if !ok {
		return Backend{}, false
	}
	return s.Backends[i], true
}

// String is one line: the group, what it is or begins with, sorted.
func (b Backend) String() string {
	all := Fields{}
	maps.Copy(all, b.Initial)
	maps.Copy(all, b.Fields)
	if len(all) == 0 {
		return b.Group.String()
	}
	return b.Group.String() + " " + all.String()
}

// String is "name=value name=value", sorted.
func (f Fields) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		parts = append(parts, name+"="+f.Text(name))
	}
	return strings.Join(parts, " ")
}

// Text is the value of a field for a person; "unset" when there is none.
func (f Fields) Text(name string) string {
	switch v := f[name].(type) {
	case nil:
		return "unset"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
