package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// Where GKE's own controller keeps the groups (Input.Foreign), no group is desired or
// observed: there is nothing to do about one. Which there are it says twice, in neg-status
// and in its objects, and neither is ever complete: the zones of the status are those that
// have nodes, and an object may be late. So what they name is put in, and what is in stays
// until something says that it is to go.

// Given are the groups that GKE's own controller says there are.
func Given(in Input) []neg.Group {
	ports := map[int32]bool{}
	for number := range in.Status.Groups {
		ports[number] = true
	}
	for _, o := range in.GKE {
		ports[o.Port] = true
	}
	var all []neg.Group
	for _, number := range slices.Sorted(maps.Keys(ports)) {
		for _, id := range in.given(number) {
			all = append(all, neg.Group{GroupID: id, Port: number})
		}
	}
	return all
}

// name is what neg-status calls a port's groups. A name of negfleet's own is from a time when
// it kept them.
func (in Input) name(port int32) string {
	if name := in.Status.Groups[port]; !strings.HasPrefix(name, neg.NamePrefix) {
		return name
	}
	return ""
}

// current tells whether an object is about the groups that its port has now: after a change
// of the custom name the old object is still there.
func (in Input) current(o neg.GKEGroup) bool {
	name := in.name(o.Port)
	return name == "" || name == o.Name
}

func (in Input) given(port int32) []neg.GroupID {
	var ids []neg.GroupID
	if name := in.name(port); name != "" {
		for _, z := range in.Status.Zones {
			ids = append(ids, neg.GroupID{Zone: z, Name: name})
		}
	}
	for _, o := range in.GKE {
		if o.Port == port && in.current(o) {
			ids = append(ids, o.Groups...)
		}
	}
	ids = slices.DeleteFunc(ids, in.leaving)
	slices.SortFunc(ids, neg.GroupID.Compare)
	return slices.Compact(ids)
}

func (in Input) leaving(id neg.GroupID) bool {
	return slices.ContainsFunc(in.GKE, func(o neg.GKEGroup) bool { return slices.Contains(o.Leaving, id) })
}

// stays tells whether an entry of ours stays, whose group nobody names for the port: unless
// it is about to be deleted, another port's, or one of an earlier name.
func (in Input) stays(port int32, id neg.GroupID) bool {
	if in.leaving(id) {
		return false
	}
	for number := range in.Status.Groups {
		if number != port && in.name(number) == id.Name {
			return false
		}
	}
	for _, o := range in.GKE {
		if (o.Port != port || !in.current(o)) && (o.Name == id.Name || slices.Contains(o.Groups, id)) {
			return false
		}
	}
	return len(in.GKE) > 0 || in.name(port) == "" || in.name(port) == id.Name
}

// foreignPorts are the ports of which some group is known. Their own names only name backend
// services.
func foreignPorts(in Input) []Port {
	var ports []Port
	for _, g := range Given(in) {
		if slices.ContainsFunc(ports, func(p Port) bool { return p.Number == g.Port }) {
			continue
		}
		p := Port{Number: g.Port, Group: neg.GroupName(in.UID, in.Service.Key, g.Port)}
		if found, ok := in.Service.Port(g.Port); ok {
			p.Name, p.App = found.Name, found.AppProtocol
		}
		ports = append(ports, p)
	}
	return ports
}

// foreignGroups are the groups that a port has in a backend service, or is to have.
func foreignGroups(in Input, port int32, observed neg.BackendService) []neg.GroupID {
	ids := slices.DeleteFunc(in.given(port), func(id neg.GroupID) bool { return in.Absent[id] })
	for _, b := range observed.Backends {
		if !b.Theirs && !slices.Contains(ids, b.Group) && in.stays(port, b.Group) {
			ids = append(ids, b.Group)
		}
	}
	return ids
}

func noForeignGroup(annotation string, port int32) *Problem {
	return &Problem{"GroupsNotReady", fmt.Sprintf(
		"annotation %s: GKE's own controller names no group of port %d yet, neither in %s nor in a ServiceNetworkEndpointGroup; expose the port in %s if that is not done; its backend services are left as they are",
		annotation, port, neg.AnnotationStatus, neg.AnnotationNEG)}
}
