package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// MaxEndpoints is the most endpoints that one zonal group holds
// (https://cloud.google.com/load-balancing/docs/quotas).
const MaxEndpoints = 10000

// Desired returns what the Service should have. What cannot be known from in is
// taken from observed.
//
//	endpoint in the slices            attached
//	ready or not                      yes: the load balancer probes it itself
//	terminating                       no; see Input.Keep
//	live, but cannot be placed        stays where it is, if it is anywhere
//	not in the slices                 no
//	no slice at all                   everything stays as it is
func Desired(in Input, observed neg.State) (neg.State, []Problem) {
	ports, problems := Ports(in)
	var groups []neg.Group
	for _, p := range ports {
		if in.Foreign {
			break
		}
		wanted, found := desiredPort(in, p, observed)
		groups = append(groups, wanted...)
		problems = append(problems, found...)
	}
	state := neg.NewState(groups...)
	services, checks, found := desiredBackends(in, ports, state, observed)
	return state.WithBackends(services, checks), slices.Concat(problems, found, in.Mistakes)
}

func desiredPort(in Input, p Port, observed neg.State) ([]neg.Group, []Problem) {
	current := groupsNamed(observed, p)
	if p.held {
		return current, nil
	}
	groups := emptyGroups(in, p, current)
	if len(in.Slices) == 0 {
		return append(groups, current...), nil
	}
	placed, rest, kept := place(in, p)
	for _, e := range placed {
		groups = append(groups, neg.Group{GroupID: neg.GroupID{Zone: e.zone, Name: p.Group}, Port: p.Number, Endpoints: []neg.Endpoint{e.Endpoint}})
	}
	groups = append(groups, keep(current, rest, kept)...)
	capped, full := capEndpoints(neg.NewState(groups...), observed)
	return capped, slices.Concat(report(p, rest), full)
}

// groupsNamed are the observed groups of a port.
func groupsNamed(observed neg.State, p Port) []neg.Group {
	var groups []neg.Group
	for _, g := range observed.Groups {
		if g.Name == p.Group {
			g.Port = p.Number
			groups = append(groups, g)
		}
	}
	return groups
}

// emptyGroups has one group for every zone that gets one without endpoints: the fleet
// file's, the annotation's, and those that have one, which stay while the Service lives
// so that zones do not flap in the load balancer.
func emptyGroups(in Input, p Port, current []neg.Group) []neg.Group {
	var groups []neg.Group
	add := func(z neg.Zone) {
		groups = append(groups, neg.Group{GroupID: neg.GroupID{Zone: z, Name: p.Group}, Port: p.Number})
	}
	for _, z := range in.Zones {
		add(z)
	}
	for _, z := range in.Exposure.Zones {
		if z != neg.AllZones {
			add(z)
		}
	}
	for _, g := range current {
		add(g.Zone)
	}
	return groups
}

// A placement is an endpoint and the zone whose group holds it.
type placement struct {
	neg.Endpoint
	zone neg.Zone
}

// An unplaced endpoint is live but cannot be put into a group.
type unplaced struct {
	address string
	reason  string // CamelCase
	why     string
}

// place puts every live endpoint of the slices into its zone, once. kept are the addresses
// of those that terminate and are to stay where they are.
func place(in Input, p Port) (placed []placement, rest []unplaced, kept []string) {
	seen := map[netip.AddrPort]bool{}
	for _, s := range in.Slices {
		for _, e := range s.Endpoints {
			if len(e.Addresses) == 0 {
				continue
			}
			if e.Terminating {
				if !in.leaves(e).IsZero() {
					kept = append(kept, addressOf(e))
				}
				continue
			}
			at, problem := placeOne(in, p, s, e)
			if problem != nil {
				rest = append(rest, *problem)
			} else if !seen[at.Addr] {
				seen[at.Addr] = true
				placed = append(placed, at)
			}
		}
	}
	addresses := map[string]bool{}
	for at := range seen {
		addresses[at.Addr().String()] = true
	}
	kept = slices.DeleteFunc(kept, func(a string) bool { return addresses[a] })
	return placed, withoutPlaced(rest, addresses), kept
}

// withoutPlaced drops what another slice could place: a duplicate is no problem.
func withoutPlaced(rest []unplaced, placed map[string]bool) []unplaced {
	return slices.DeleteFunc(rest, func(u unplaced) bool { return placed[u.address] })
}

// placeOne decides for one live endpoint. Only the first address counts: Kubernetes
// defines the others as interchangeable and never writes any.
func placeOne(in Input, p Port, s neg.Slice, e neg.SliceEndpoint) (placement, *unplaced) {
	address := e.Addresses[0]
	fail := func(reason, format string, args ...any) (placement, *unplaced) {
		return placement{}, &unplaced{address, reason, fmt.Sprintf(format, args...)}
	}
	ip, err := netip.ParseAddr(address)
	if err == nil {
		address = ip.String() // one address, one text: it is compared with what is attached
	}
	if err != nil || !ip.Is4() {
		return fail("AddressNotSupported", "not an IPv4 address")
	}
	if ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return fail("AddressNotSupported", "not a Pod's address")
	}
	port, ok := slicePort(s, p)
	if !ok {
		return fail("PortNotInSlice", "EndpointSlice %s has no TCP port named %q with a number", s.Name, p.Name)
	}
	if e.Node == "" {
		return fail("NodeUnknown", "the endpoint names no node")
	}
	node, ok := in.Nodes[e.Node]
	if !ok {
		return fail("NodeUnknown", "node %s does not exist or has no providerID gce://PROJECT/ZONE/INSTANCE", e.Node)
	}
	if in.Project != "" && node.Project != in.Project {
		return fail("NodeUnknown", "node %s is in project %s, the groups are in %s", e.Node, node.Project, in.Project)
	}
	return placement{neg.Endpoint{Instance: node.Instance, Addr: netip.AddrPortFrom(ip, port)}, node.Zone}, nil
}

func slicePort(s neg.Slice, p Port) (uint16, bool) {
	for _, sp := range s.Ports {
		tcp := sp.Protocol == "TCP" || sp.Protocol == ""
		if sp.Name == p.Name && tcp && sp.Port != nil && *sp.Port > 0 && *sp.Port <= 65535 {
			return uint16(*sp.Port), true
		}
	}
	return 0, false
}

// keep repeats what is observed of the endpoints that are live and cannot be placed, and of
// those that are kept while they terminate.
func keep(current []neg.Group, rest []unplaced, addresses []string) []neg.Group {
	live := map[string]bool{}
	for _, u := range rest {
		live[u.address] = true
	}
	for _, address := range addresses {
		live[address] = true
	}
	var kept []neg.Group
	for _, g := range current {
		es := slices.DeleteFunc(slices.Clone(g.Endpoints), func(e neg.Endpoint) bool { return !live[e.Addr.Addr().String()] })
		if len(es) > 0 {
			kept = append(kept, neg.Group{GroupID: g.GroupID, Port: g.Port, Endpoints: es})
		}
	}
	return kept
}

// capEndpoints cuts groups to what the API takes, endpoints that are attached first.
func capEndpoints(desired, observed neg.State) ([]neg.Group, []Problem) {
	var problems []Problem
	for i, g := range desired.Groups {
		if len(g.Endpoints) <= MaxEndpoints {
			continue
		}
		current, _ := observed.Group(g.GroupID)
		attached := map[neg.Endpoint]bool{}
		for _, e := range current.Endpoints {
			attached[e] = true
		}
		es := slices.Clone(g.Endpoints)
		slices.SortStableFunc(es, func(a, b neg.Endpoint) int { return rank(attached[a]) - rank(attached[b]) })
		desired.Groups[i].Endpoints = neg.EndpointSet(es[:MaxEndpoints])
		problems = append(problems, Problem{"GroupFull", fmt.Sprintf("group %s: %d endpoints wanted, %d fit; spread the Pods over more zones", g.GroupID, len(g.Endpoints), MaxEndpoints)})
	}
	return desired.Groups, problems
}

func rank(attached bool) int {
	if attached {
		return 0
	}
	return 1
}

// report makes one problem per reason of the endpoints that were skipped.
func report(p Port, rest []unplaced) []Problem {
	byReason := map[string][]string{}
	var reasons []string
	for _, u := range rest {
		if byReason[u.reason] == nil {
			reasons = append(reasons, u.reason)
		}
		byReason[u.reason] = append(byReason[u.reason], u.address+": "+u.why)
	}
	slices.Sort(reasons)
	var problems []Problem
	for _, reason := range reasons {
		texts := byReason[reason]
		slices.Sort(texts)
		texts = slices.Compact(texts)
		more := ""
		if len(texts) > 3 {
			more = fmt.Sprintf("; and %d more", len(texts)-3)
			texts = texts[:3]
		}
		problems = append(problems, Problem{reason, fmt.Sprintf("port %d: endpoints skipped: %s%s", p.Number, strings.Join(texts, "; "), more)})
	}
	return problems
}
