package mutate

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// Facts are what was read for one Pod.
type Facts struct {
	Namespace
	Alive   bool   // something has renewed the Lease and will open gates
	NoSleep string // why the API server may not be given a preStop sleep; empty: it may
}

// Skip says why a Pod is left alone whatever selects it; empty when it is not.
func Skip(p *corev1.Pod, namespace string, pol Policy) string {
	switch {
	case pol.Off != "":
		return pol.Off
	case system[namespace]:
		return "a system namespace"
	case optedOut(p.Annotations):
		return "annotation " + neg.Inject
	case p.Spec.HostNetwork:
		return "host network"
	case p.Annotations[corev1.MirrorPodAnnotationKey] != "":
		return "a mirror Pod"
	case p.DeletionTimestamp != nil:
		return "being deleted"
	case len(p.Labels) == 0:
		return "no labels"
	}
	return ""
}

// Pod decides about a Pod that is not skipped. Invalid Services that select it are told
// to its writer: a gate that is missing is hard to find out about.
func Pod(p *corev1.Pod, f Facts, pol Policy) Result {
	var r Result
	gating := f.Gating(p.Labels)
	for _, s := range f.Services {
		if s.Invalid != nil && s.selects(p.Labels) {
			r.warn("Service %s selects this Pod, but gates nothing: %v", s.Key.Service, s.Invalid)
		}
	}
	if len(gating) == 0 {
		return r
	}
	for _, s := range gating {
		r.Services = append(r.Services, s.Key.Service)
	}
	r.warnShared(gating)
	if f.Alive {
		r.gate(p, pol.Gate)
	} else if !gated(p, pol.Gate) {
		r.Missed = LeaseStale
		r.warn("no readiness gate: Lease %s/%s was not renewed for %.0f minutes, so nothing would open it", neg.LeaseNamespace, neg.LeaseName, neg.LeaseFresh.Minutes())
	}
	r.drain(p, f.NoSleep, pol.Drain)
	return r
}

// WantsDrain tells whether a drain is wanted, and so whether NoSleep matters.
func WantsDrain(p *corev1.Pod, pol Policy) bool {
	_, asks := p.Annotations[neg.AnnotationDrain]
	return asks || pol.Drain > 0
}

func gated(p *corev1.Pod, gate string) bool {
	return slices.ContainsFunc(p.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool { return string(g.ConditionType) == gate })
}

// gate adds the gate once, beside those that are there. The list has no key in the API, so
// it is treated as a set.
func (r *Result) gate(p *corev1.Pod, gate string) {
	one := corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(gate)}
	switch {
	case gated(p, gate):
	case p.Spec.ReadinessGates == nil:
		r.Patch = append(r.Patch, add([]corev1.PodReadinessGate{one}, "spec", "readinessGates"))
	default:
		r.Patch = append(r.Patch, add(one, "spec", "readinessGates", "-"))
	}
}

// warnShared says that two Services that select one Pod claim one group.
func (r *Result) warnShared(gating []Service) {
	owner := map[string]string{}
	for _, s := range gating {
		for _, p := range s.Exposure.Ports {
			if other, taken := owner[p.Name]; taken && other != s.Key.Service {
				r.warn("Services %s and %s both claim group %q; only one will have it", other, s.Key.Service, p.Name)
			} else if p.Name != "" {
				owner[p.Name] = s.Key.Service
			}
		}
	}
}

func (r *Result) warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, Warning(fmt.Sprintf(format, args...)))
}
