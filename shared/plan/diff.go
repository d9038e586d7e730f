package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// An Op is what a step does. Steps run in Op order, so that traffic always has somewhere
// to go: capacity comes before removal, and what others refer to before what refers to it.
type Op int

const (
	CreateHealthCheck Op = iota
	UpdateHealthCheck
	CreateGroup
	Attach
	CreateBackendService
	UpdateBackendService
	AddBackend
	UpdateBackend
	Detach
	RemoveBackend
	DeleteGroup
	DeleteBackendService
	DeleteHealthCheck
)

var opNames = [...]string{
	CreateHealthCheck: "create-health-check", UpdateHealthCheck: "update-health-check",
	CreateGroup: "create-group", Attach: "attach",
	CreateBackendService: "create-backend-service", UpdateBackendService: "update-backend-service",
	AddBackend: "add-backend", UpdateBackend: "update-backend",
	Detach: "detach", RemoveBackend: "remove-backend", DeleteGroup: "delete-group",
	DeleteBackendService: "delete-backend-service", DeleteHealthCheck: "delete-health-check",
}

func (o Op) String() string { return opNames[o] }

// Removes tells whether the op takes something away.
func (o Op) Removes() bool { return o >= Detach }

// A Step is one change of one object, and says why.
type Step struct {
	Op Op

	Group     neg.GroupID // of the ops on groups
	Port      int32
	Endpoints []neg.Endpoint // of Attach and Detach

	Service  neg.BackendServiceID // of the ops on backend services
	Backends []neg.Backend        // of the ops on backends; UpdateBackend's have what changes
	Check    neg.HealthCheckID    // of the ops on health checks; what CreateBackendService refers to
	Fields   neg.Fields           // all to create with, or those to update

	Why string
}

// Object is the kind of object that the op changes.
func (o Op) Object() string {
	switch o {
	case CreateHealthCheck, UpdateHealthCheck, DeleteHealthCheck:
		return "health check"
	case CreateBackendService, UpdateBackendService, AddBackend, UpdateBackend, RemoveBackend, DeleteBackendService:
		return "backend service"
	}
	return "group"
}

// Target is the object that the step changes.
func (s Step) Target() string {
	switch s.Op.Object() {
	case "health check":
		return s.Check.String()
	case "backend service":
		return s.Service.String()
	}
	return s.Group.String()
}

// String is one line, and one more for each endpoint, backend or field.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", s.Op, s.Target(), s.Why)
	for _, e := range s.Endpoints {
		fmt.Fprintf(&b, "\n\t%s", e)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		fmt.Fprintf(&b, "\n\t%s %s", name, s.Fields.Text(name))
	}
	for _, backend := range s.Backends {
		fmt.Fprintf(&b, "\n\t%s", backend)
	}
	return b.String()
}

// Headline is the first line of String, with counts in place of the others.
func (s Step) Headline() string {
	switch {
	case len(s.Endpoints) > 0:
		return fmt.Sprintf("%s %s: %s: %s", s.Op, s.Target(), neg.Count(len(s.Endpoints), "endpoint", "endpoints"), s.Why)
	case len(s.Backends) > 0:
		return fmt.Sprintf("%s %s: %s: %s", s.Op, s.Target(), neg.Count(len(s.Backends), "backend", "backends"), s.Why)
	}
	return fmt.Sprintf("%s %s: %s", s.Op, s.Target(), s.Why)
}

// Text prints steps as goldens and "negfleet plan" show them.
func Text(steps []Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(s.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Diff returns the steps that turn observed into desired, in the order in which they
// must run.
func Diff(desired, observed neg.State) []Step {
	steps := slices.Concat(diffGroups(desired, observed), diffBackends(desired, observed))
	slices.SortStableFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.Op, b.Op), a.Group.Compare(b.Group), a.Service.Compare(b.Service), a.Check.Compare(b.Check))
	})
	return steps
}

func diffGroups(desired, observed neg.State) []Step {
	var steps []Step
	add := func(op Op, g neg.Group, es []neg.Endpoint, why string) {
		steps = append(steps, Step{Op: op, Group: g.GroupID, Port: g.Port, Endpoints: es, Why: why})
	}
	for _, want := range desired.Groups {
		have, exists := observed.Group(want.GroupID)
		if !exists {
			add(CreateGroup, want, nil, fmt.Sprintf("port %d has no group in this zone", want.Port))
		}
		if es := missing(want.Endpoints, have.Endpoints); len(es) > 0 {
			add(Attach, want, es, "live in the cluster, not in the group")
		}
		if es := missing(have.Endpoints, want.Endpoints); len(es) > 0 {
			add(Detach, want, es, "terminating or gone")
		}
	}
	why := "its port is not exposed any more"
	if len(desired.Groups) == 0 {
		why = "the Service is gone or exposes no port"
	}
	for _, have := range observed.Groups {
		if _, wanted := desired.Group(have.GroupID); wanted {
			continue
		}
		if len(have.Endpoints) > 0 {
			add(Detach, have, have.Endpoints, why)
		}
		add(DeleteGroup, have, nil, why)
	}
	return steps
}

// missing returns what is in a and not in b. Both are sorted sets.
func missing(a, b []neg.Endpoint) []neg.Endpoint {
	var out []neg.Endpoint
	for _, e := range a {
		if _, ok := slices.BinarySearchFunc(b, e, neg.Endpoint.Compare); !ok {
			out = append(out, e)
		}
	}
	return out
}

// Apply returns the state that observed becomes when steps are taken.
func Apply(observed neg.State, steps []Step) neg.State {
	groups := map[neg.GroupID]neg.Group{}
	for _, g := range observed.Groups {
		groups[g.GroupID] = g
	}
	for _, s := range steps {
		if s.Group == (neg.GroupID{}) {
			continue
		}
		g := groups[s.Group]
		g.GroupID, g.Port = s.Group, s.Port
		switch s.Op {
		case Attach:
			g.Endpoints = slices.Concat(g.Endpoints, s.Endpoints)
		case Detach:
			g.Endpoints = missing(g.Endpoints, s.Endpoints)
		}
		groups[s.Group] = g
		if s.Op == DeleteGroup {
			delete(groups, s.Group)
		}
	}
	var all []neg.Group
	for _, g := range groups {
		all = append(all, g)
	}
	state := neg.NewState(all...)
	return state.WithBackends(applyServices(observed.BackendServices, steps), applyChecks(observed.HealthChecks, steps))
}
