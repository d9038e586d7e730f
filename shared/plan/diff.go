package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// An Op is what a step does. Steps run in Op order, so that traffic always has somewhere
// to go: capacity comes before removal.
type Op int

const (
	CreateGroup Op = iota
	Attach
	Detach
	DeleteGroup
)

func (o Op) String() string {
	return [...]string{"create-group", "attach", "detach", "delete-group"}[o]
}

// Removes tells whether the op takes something away.
func (o Op) Removes() bool { return o >= Detach }

// A Step is one change of one group, and says why.
type Step struct {
	Op        Op
	Group     neg.GroupID
	Port      int32
	Endpoints []neg.Endpoint // of Attach and Detach
	Why       string
}

// String is one line, and one more for each endpoint.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", s.Op, s.Group, s.Why)
	for _, e := range s.Endpoints {
		fmt.Fprintf(&b, "\n\t%s", e)
	}
	return b.String()
}

// Headline is the first line of String, with a count in place of the endpoints.
func (s Step) Headline() string {
	if len(s.Endpoints) == 0 {
		return fmt.Sprintf("%s %s: %s", s.Op, s.Group, s.Why)
	}
	return fmt.Sprintf("%s %s: %d endpoints: %s", s.Op, s.Group, len(s.Endpoints), s.Why)
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
	var steps []Step
	for _, want := range desired.Groups {
		have, exists := observed.Group(want.GroupID)
		if !exists {
			steps = append(steps, Step{CreateGroup, want.GroupID, want.Port, nil, fmt.Sprintf("port %d has no group in this zone", want.Port)})
		}
		if es := missing(want.Endpoints, have.Endpoints); len(es) > 0 {
			steps = append(steps, Step{Attach, want.GroupID, want.Port, es, "live in the cluster, not in the group"})
		}
		if es := missing(have.Endpoints, want.Endpoints); len(es) > 0 {
			steps = append(steps, Step{Detach, want.GroupID, want.Port, es, "terminating or gone"})
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
			steps = append(steps, Step{Detach, have.GroupID, have.Port, have.Endpoints, why})
		}
		steps = append(steps, Step{DeleteGroup, have.GroupID, have.Port, nil, why})
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return cmp.Or(cmp.Compare(a.Op, b.Op), a.Group.Compare(b.Group)) })
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
	return neg.NewState(all...)
}
