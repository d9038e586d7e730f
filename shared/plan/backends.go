package plan

import (
	"fmt"
	"slices"

	"github.com/negfleet/negfleet/shared/neg"
)

// desiredBackends returns the backend services and health checks that the annotations ask
// for, with all groups of their ports. While anything about them is wrong, what is observed
// and not asked for stays too: a mistake must not take traffic away.
func desiredBackends(in Input, ports []Port, groups, observed neg.State) ([]neg.BackendService, []neg.HealthCheck, []Problem) {
	var services []neg.BackendService
	var checks []neg.HealthCheck
	var problems []Problem
	asks := in.Foreign && in.Service != nil && !in.Service.Deleting // though no group is known
	if len(ports) > 0 || asks {
		services, checks, problems = asked(in, ports, groups, observed)
	}
	if in.BackendsHeld != nil && in.BackendsHeld.Reason != "" {
		problems = append(problems, *in.BackendsHeld)
	}
	if len(problems) > 0 || in.BackendsHeld != nil || slices.ContainsFunc(ports, func(p Port) bool { return p.held }) {
		services, checks = withObserved(services, checks, observed)
	}
	return services, checks, problems
}

func asked(in Input, ports []Port, groups, observed neg.State) (services []neg.BackendService, checks []neg.HealthCheck, problems []Problem) {
	for _, m := range in.Managed {
		p, problem := exposed(in, ports, m.Port, neg.AnnotationBackendService)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		service, check, problem := managed(m, p, in.Probes[m.Port], observed)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		service.Backends = entries(in, groupsOf(in, groups, p, service.ID, observed), service.Backends[0])
		services, checks = append(services, service), append(checks, check)
	}
	for _, a := range in.Attached {
		p, problem := exposed(in, ports, a.Port, neg.AnnotationAutoneg)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		service := neg.BackendService{ID: a.ID, Backends: entries(in, groupsOf(in, groups, p, a.ID, observed), neg.Backend{Fields: a.Fields, Initial: a.Initial})}
		services = append(services, service)
	}
	services, checks = keepOurs(services, checks, observed)
	return services, checks, problems
}

// keepOurs leaves a backend service ours that was made for the Service and is now asked for
// by name alone: it serves the traffic.
func keepOurs(services []neg.BackendService, checks []neg.HealthCheck, observed neg.State) ([]neg.BackendService, []neg.HealthCheck) {
	for i, s := range services {
		have, _ := observed.BackendService(s.ID)
		if s.Managed || !have.Managed {
			continue
		}
		services[i].Managed, services[i].HealthCheck = true, have.HealthCheck
		if check, ok := observed.HealthCheck(have.HealthCheck); ok {
			checks = append(checks, neg.HealthCheck{ID: check.ID})
		}
	}
	return services, checks
}

// exposed is the port of that number that has groups.
func exposed(in Input, ports []Port, number int32, annotation string) (Port, *Problem) {
	i := slices.IndexFunc(ports, func(p Port) bool { return p.Number == number })
	if i < 0 && in.Foreign {
		return Port{}, noForeignGroup(annotation, number)
	}
	if i < 0 {
		return Port{}, &Problem{"PortNotExposed", fmt.Sprintf("annotation %s: port %d has no groups; expose it in %s", annotation, number, neg.AnnotationNEG)}
	}
	return ports[i], nil
}

// fixed are the fields that the API does not change, and the way out.
var fixed = map[string]string{"loadBalancingScheme": "scheme"}

func managed(m neg.Managed, p Port, probe neg.Probe, observed neg.State) (neg.BackendService, neg.HealthCheck, *Problem) {
	service, check, err := m.Resolve(p.Group, p.App, probe)
	if err != nil {
		return service, check, &Problem{"InvalidBackendService", fmt.Sprintf("annotation %s: port %d: %s", neg.AnnotationBackendService, m.Port, err)}
	}
	if old, exists := observed.HealthCheck(check.ID); exists && !probe.Known {
		check.Fields = pick(check.Fields, m.Said(check.Fields, old.Fields))
	}
	have, exists := observed.BackendService(service.ID)
	if !exists {
		return service, check, nil
	}
	for field, name := range fixed {
		if now, asked := have.Fields[field], service.Fields[field]; now != nil && now != asked {
			return service, check, &Problem{"CannotChange", fmt.Sprintf(
				"annotation %s: port %d: field %s: backend service %s has %v and cannot become %v; give the new one another name, move the traffic, then drop the old name",
				neg.AnnotationBackendService, m.Port, name, service.ID, now, asked)}
		}
	}
	return service, check, nil
}

// groupsOf are the groups of a port that are to be in a backend service.
func groupsOf(in Input, groups neg.State, p Port, id neg.BackendServiceID, observed neg.State) (ids []neg.GroupID) {
	if in.Foreign {
		have, _ := observed.BackendService(id)
		return foreignGroups(in, p.Number, have)
	}
	for _, g := range groups.Groups {
		if g.Name == p.Group {
			ids = append(ids, g.GroupID)
		}
	}
	return ids
}

// entries are groups as backends that carry the Service's mark.
func entries(in Input, groups []neg.GroupID, template neg.Backend) []neg.Backend {
	var list []neg.Backend
	template.Fields = merged(template.Fields, neg.Fields{"description": neg.BackendMark(in.UID, in.Service.Key)})
	for _, id := range groups {
		b := template
		b.Group = id
		list = append(list, b)
	}
	return list
}

// withObserved adds what is observed and not asked for. WithBackends keeps the first of
// two entries.
func withObserved(services []neg.BackendService, checks []neg.HealthCheck, observed neg.State) ([]neg.BackendService, []neg.HealthCheck) {
	return append(services, observed.BackendServices...), append(checks, observed.HealthChecks...)
}
