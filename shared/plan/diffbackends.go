package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

func diffBackends(desired, observed neg.State) []Step {
	var steps []Step
	for _, want := range desired.HealthChecks {
		have, exists := observed.HealthCheck(want.ID)
		steps = append(steps, diffCheck(want, have, exists)...)
	}
	for _, want := range desired.BackendServices {
		have, _ := observed.BackendService(want.ID)
		steps = append(steps, diffService(want, have)...)
	}
	const why = "no port asks for it any more"
	for _, have := range observed.BackendServices {
		if _, wanted := desired.BackendService(have.ID); wanted {
			continue
		}
		if own := ours(have.Backends); len(own) > 0 {
			steps = append(steps, Step{Op: RemoveBackend, Service: have.ID, Backends: own, Why: why})
		}
		if have.Managed {
			steps = append(steps, Step{Op: DeleteBackendService, Service: have.ID, Why: why})
		}
	}
	for _, have := range observed.HealthChecks {
		if _, wanted := desired.HealthCheck(have.ID); !wanted {
			steps = append(steps, Step{Op: DeleteHealthCheck, Check: have.ID, Why: why})
		}
	}
	return steps
}

func diffCheck(want, have neg.HealthCheck, exists bool) []Step {
	if !exists {
		return []Step{{Op: CreateHealthCheck, Check: want.ID, Fields: want.Fields, Why: "its backend service needs one"}}
	}
	if names := want.Fields.Differ(have.Fields); len(names) > 0 {
		return []Step{{Op: UpdateHealthCheck, Check: want.ID, Fields: pick(want.Fields, names), Why: changes(names, have.Fields, want.Fields)}}
	}
	return nil
}

// diffService compares what is managed, and the entries. A service that is not ours and
// does not exist gets its entries added all the same: who takes the step is told.
func diffService(want, have neg.BackendService) []Step {
	var steps []Step
	add := func(op Op, backends []neg.Backend, why string) {
		if len(backends) > 0 {
			steps = append(steps, Step{Op: op, Service: want.ID, Backends: backends, Why: why})
		}
	}
	names := want.Fields.Differ(have.Fields)
	switch {
	case want.Managed && !have.Managed:
		// One of that name that is not ours stops this step, and is told.
		steps = append(steps, Step{Op: CreateBackendService, Service: want.ID, Check: want.HealthCheck, Fields: want.Fields, Why: "a port asks for it"})
	case want.Managed && have.HealthCheck != want.HealthCheck:
		steps = append(steps, Step{Op: UpdateBackendService, Service: want.ID, Check: want.HealthCheck, Fields: pick(want.Fields, names), Why: "it has another health check"})
	case want.Managed && len(names) > 0:
		steps = append(steps, Step{Op: UpdateBackendService, Service: want.ID, Check: want.HealthCheck, Fields: pick(want.Fields, names), Why: changes(names, have.Fields, want.Fields)})
	}
	var missing, changed, extra []neg.Backend
	for _, b := range want.Backends {
		old, there := have.Backend(b.Group)
		differ := b.Fields.Differ(old.Fields)
		switch {
		case !there:
			missing = append(missing, b)
		case old.Theirs:
		case len(differ) > 0:
			changed = append(changed, neg.Backend{Group: b.Group, Fields: pick(b.Fields, differ)})
		}
	}
	for _, b := range ours(have.Backends) {
		if _, wanted := want.Backend(b.Group); !wanted {
			extra = append(extra, b)
		}
	}
	add(AddBackend, missing, "the groups are not in it")
	add(UpdateBackend, changed, "they are not as asked for")
	add(RemoveBackend, extra, "the groups are not wanted in it any more")
	return steps
}

func ours(backends []neg.Backend) []neg.Backend {
	return slices.DeleteFunc(slices.Clone(backends), func(b neg.Backend) bool { return b.Theirs })
}

func pick(f neg.Fields, names []string) neg.Fields {
	picked := neg.Fields{}
	for _, name := range names {
		picked[name] = f[name]
	}
	return picked
}

func changes(names []string, from, to neg.Fields) string {
	var texts []string
	for _, name := range names {
		texts = append(texts, fmt.Sprintf("%s is %s, not %s", name, from.Text(name), to.Text(name)))
	}
	return strings.Join(texts, ", ")
}

// merged is f with what changes.
func merged(f, changed neg.Fields) neg.Fields {
	all := maps.Clone(f)
	if all == nil {
		all = neg.Fields{}
	}
	maps.Copy(all, changed)
	return all
}

// applyServices is what the backend services become when steps are taken.
func applyServices(observed []neg.BackendService, steps []Step) []neg.BackendService {
	services := map[neg.BackendServiceID]neg.BackendService{}
	for _, s := range observed {
		services[s.ID] = s
	}
	for _, step := range steps {
		s := services[step.Service]
		s.ID = step.Service
		switch step.Op {
		case CreateBackendService, UpdateBackendService:
			s.Managed, s.HealthCheck, s.Fields = true, step.Check, merged(s.Fields, step.Fields)
		case AddBackend:
			for _, b := range step.Backends {
				b.Fields = merged(b.Initial, b.Fields)
				s.Backends = append(slices.Clone(s.Backends), b)
			}
		case UpdateBackend:
			s.Backends = updated(s.Backends, step.Backends)
		case RemoveBackend:
			s.Backends = without(s.Backends, step.Backends)
		case DeleteBackendService:
			delete(services, s.ID)
			continue
		default:
			continue
		}
		services[s.ID] = s
	}
	var left []neg.BackendService
	for _, s := range services {
		if s.Managed || len(s.Backends) > 0 {
			left = append(left, s)
		}
	}
	return left
}

func updated(backends, changed []neg.Backend) []neg.Backend {
	all := slices.Clone(backends)
	for i, b := range all {
		for _, c := range changed {
			if c.Group == b.Group {
				all[i].Fields = merged(b.Fields, c.Fields)
			}
		}
	}
	return all
}

func without(backends, removed []neg.Backend) []neg.Backend {
	return slices.DeleteFunc(slices.Clone(backends), func(b neg.Backend) bool {
		return slices.ContainsFunc(removed, func(r neg.Backend) bool { return r.Group == b.Group })
	})
}

// applyChecks is what the health checks become when steps are taken.
func applyChecks(observed []neg.HealthCheck, steps []Step) []neg.HealthCheck {
	checks := map[neg.HealthCheckID]neg.HealthCheck{}
	for _, c := range observed {
		checks[c.ID] = c
	}
	for _, step := range steps {
		switch step.Op {
		case CreateHealthCheck, UpdateHealthCheck:
			checks[step.Check] = neg.HealthCheck{ID: step.Check, Fields: merged(checks[step.Check].Fields, step.Fields)}
		case DeleteHealthCheck:
			delete(checks, step.Check)
		}
	}
	return slices.Collect(maps.Values(checks))
}
