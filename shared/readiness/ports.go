package readiness

import (
	"maps"
	"slices"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// A wanted port is one that should have groups, before anything was read of the cloud.
type wanted struct {
	number int32
	groups []neg.GroupID // that it may have
	asked  []neg.BackendServiceID
	// broken: the Service has no such port to serve. Its groups count while there are any.
	broken bool
}

// wantedOf returns the ports of a Service that should have groups. An annotation that cannot
// be read changes nothing in the cloud, so what neg-status says still holds. Where GKE's own
// controller keeps the groups, that and its objects say which they are; of ports that it has
// yet to serve, none.
func wantedOf(scope Scope, svc *neg.Service, ingress []neg.IngressPort, objects []neg.GKEGroup) (ports []wanted) {
	status, _ := neg.ParseStatus(svc.Annotations[neg.AnnotationStatus]) // one that nobody can read is as good as none
	exposure, err := neg.ParseExposure(svc.Annotations[neg.AnnotationNEG])
	zones := zoneSet(scope.Zones, exposure.Zones, status.Zones)
	if err != nil {
		return namedOf(scope, svc, status, zones, objects)
	}
	asked, _ := plan.Ports(plan.Input{UID: scope.UID, Project: scope.Project, Service: svc, Exposure: exposure, Ingress: ingress})
	if scope.Foreign {
		return withUnnamed(scope, svc, namedOf(scope, svc, status, zones, objects), asked)
	}
	for _, p := range asked {
		ports = append(ports, wanted{number: p.Number, groups: inZones(p.Group, zones), asked: askedBy(svc, p.Number, p.Group), broken: !serves(svc, p.Number)})
	}
	return ports
}

// namedOf are the ports whose groups the status and the objects name.
func namedOf(scope Scope, svc *neg.Service, status neg.Status, zones []neg.Zone, objects []neg.GKEGroup) (ports []wanted) {
	given := plan.Given(plan.Input{Foreign: true, Status: status, GKE: objects})
	for _, number := range numbers(status, objects) {
		standard := status.Groups[number]
		if scope.Foreign {
			standard = neg.GroupName(scope.UID, svc.Key, number)
		}
		p := wanted{number: number, groups: inZones(status.Groups[number], zones), asked: askedBy(svc, number, standard)}
		for _, g := range given {
			if g.Port == number && !slices.Contains(p.groups, g.GroupID) {
				p.groups = append(p.groups, g.GroupID)
			}
		}
		ports = append(ports, p)
	}
	return ports
}

// withUnnamed adds the ports that are to have groups of which nobody has said anything yet.
func withUnnamed(scope Scope, svc *neg.Service, named []wanted, asked []plan.Port) []wanted {
	for _, p := range asked {
		if !slices.ContainsFunc(named, func(w wanted) bool { return w.number == p.Number }) {
			named = append(named, wanted{number: p.Number, asked: askedBy(svc, p.Number, neg.GroupName(scope.UID, svc.Key, p.Number)), broken: !serves(svc, p.Number)})
		}
	}
	return named
}

// numbers are the ports of which groups are known.
func numbers(status neg.Status, objects []neg.GKEGroup) []int32 {
	all := slices.Collect(maps.Keys(status.Groups))
	for _, o := range objects {
		all = append(all, o.Port)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func inZones(name string, zones []neg.Zone) (ids []neg.GroupID) {
	for _, z := range zones {
		if name != "" {
			ids = append(ids, neg.GroupID{Zone: z, Name: name})
		}
	}
	return ids
}

func zoneSet(lists ...[]neg.Zone) []neg.Zone {
	all := slices.Concat(lists...)
	all = slices.DeleteFunc(all, func(z neg.Zone) bool { return z == neg.AllZones })
	slices.Sort(all)
	return slices.Compact(all)
}

func serves(svc *neg.Service, number int32) bool {
	p, ok := svc.Port(number)
	return ok && svc.Type != "ExternalName" && (p.Protocol == "TCP" || p.Protocol == "")
}

// askedBy are the backend services that the annotations ask for. What is wrong with these
// reconcile says; here it asks for nothing. One without a name has the standard one.
func askedBy(svc *neg.Service, port int32, standard string) (ids []neg.BackendServiceID) {
	if value, ok := svc.Annotations[neg.AnnotationBackendService]; ok {
		managed, _ := neg.ParseManaged(value)
		for _, m := range managed {
			if m.Port != port {
				continue
			}
			if m.ID.Name == "" {
				m.ID.Name = standard
			}
			ids = append(ids, m.ID)
		}
	}
	attached, _ := neg.ParseAutoneg(svc.Key, svc.Annotations, neg.DefaultTemplate)
	for _, a := range attached {
		if a.Port == port && !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// strays tells whether one of the Pods has an endpoint in the slices that is live, while
// its address is in none of the groups of some port.
func strays(pods []neg.GatedPod, ports []Port, endpoints []neg.Slice) bool {
	live := map[string]bool{}
	for _, s := range endpoints {
		for _, e := range s.Endpoints {
			live[e.Pod] = live[e.Pod] || !e.Terminating
		}
	}
	return slices.ContainsFunc(pods, func(p neg.GatedPod) bool { return live[p.Name] && outside(p, ports) })
}

// outside tells whether a Pod with an address is in no group of some port.
func outside(p neg.GatedPod, ports []Port) bool {
	return p.IP.IsValid() && slices.ContainsFunc(ports, func(port Port) bool {
		_, _, attached := find(port, p.IP)
		return !attached
	})
}
