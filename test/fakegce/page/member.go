package page

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// Unreported is the state of an endpoint that nothing is reported of.
const Unreported health.State = "UNREPORTED"

// severity is the order in which a person wants to see states.
var severity = map[health.State]int{
	health.Unhealthy: 0, health.Draining: 1, health.Unknown: 2, Unreported: 3, health.Healthy: 4,
}

// member is an endpoint and what is reported of it.
type member struct {
	Endpoint
	detached bool // in the group no more: it drains
	reports  []health.Health
	worst    health.State
}

// merge joins the endpoints of a group, and those that left it, with what is reported
// of them, the worst first.
func merge(endpoints, left []Endpoint, reports []health.Health) []member {
	members := make([]member, len(endpoints))
	at := make(map[netip.AddrPort]int, len(endpoints))
	for i, e := range endpoints {
		members[i] = member{Endpoint: e}
		if e.At.IsValid() {
			at[e.At] = i
		}
	}
	for _, r := range reports {
		i, ok := at[r.Endpoint]
		if !ok {
			i = len(members)
			at[r.Endpoint] = i
			members = append(members, member{Endpoint: Endpoint{At: r.Endpoint}, detached: true})
		}
		members[i].reports = append(members[i].reports, r)
	}
	for _, e := range left {
		if i, ok := at[e.At]; ok && members[i].detached {
			members[i].Endpoint = e
		}
	}
	for i := range members {
		members[i].worst = worst(members[i].reports)
	}
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(severity[a.worst], severity[b.worst]), a.At.Compare(b.At), cmp.Compare(a.Host, b.Host))
	})
	return members
}

func worst(reports []health.Health) health.State {
	state := Unreported
	for i, r := range reports {
		if i == 0 || severity[r.State] < severity[state] {
			state = r.State
		}
	}
	return state
}

// stateFor is what one backend service reports.
func (m *member) stateFor(service string) health.State {
	for _, r := range m.reports {
		if r.Service == service {
			return r.State
		}
	}
	return Unreported
}
