package mutate

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// A ServiceReview is a Service under review.
type ServiceReview struct {
	Namespace string
	New, Old  *corev1.Service // Old: nil at its creation
}

// read reads both as values.
func (v ServiceReview) read(pol Policy) (now Service, before *Service) {
	now = ReadService(pol.Cluster, v.Namespace, v.New)
	if v.Old != nil {
		old := ReadService(pol.Cluster, v.Namespace, v.Old)
		before = &old
	}
	return now, before
}

// NeedsOthers tells whether the answer depends on the namespace's other Services: custom
// names can be taken.
func (v ServiceReview) NeedsOthers(pol Policy) bool {
	now, _ := v.read(pol)
	if _, asks := v.New.Annotations[neg.AnnotationNEG]; !asks && now.eligible(pol) {
		return pol.Expose.Mode == Ports && pol.Expose.Name != ""
	}
	return slices.ContainsFunc(now.Exposure.Ports, func(p neg.ExposedPort) bool { return p.Name != "" })
}

// Skip says why a Service is left alone; empty when it is not.
func (v ServiceReview) Skip(pol Policy) string {
	switch {
	case pol.Off != "":
		return pol.Off
	case system[v.Namespace]:
		return "a system namespace"
	case optedOut(v.New.Annotations):
		return "annotation " + neg.Inject
	case v.New.DeletionTimestamp != nil:
		return "being deleted"
	}
	return ""
}

// Decide decides about a Service that is not skipped. others are the namespace's Services
// where NeedsOthers asked for them.
func (v ServiceReview) Decide(others []Service, pol Policy) Result {
	var r Result
	now, before := v.read(pol)
	if _, asks := v.New.Annotations[neg.AnnotationNEG]; !asks && now.eligible(pol) {
		r.expose(&now, pol)
	}
	r.check(now, before)
	r.checkNames(now, others)
	_, status := v.New.Annotations[neg.AnnotationStatus]
	_, asks := now.Annotations[neg.AnnotationNEG]
	if v.New.Name != "" && (len(r.Patch) > 0 || v.news()) && (asks || status || before != nil && before.Annotations[neg.AnnotationNEG] != "") {
		r.Services = []string{v.New.Name}
	}
	return r
}

// news tells whether the write is more than negfleet's own telling of what it did.
func (v ServiceReview) news() bool {
	if v.Old == nil || !reflect.DeepEqual(v.New.Spec, v.Old.Spec) {
		return true
	}
	return !maps.Equal(told(v.New.Annotations), told(v.Old.Annotations))
}

// told are the annotations that others write.
func told(annotations map[string]string) map[string]string {
	rest := maps.Clone(annotations)
	maps.DeleteFunc(rest, func(name, _ string) bool { return slices.Contains(neg.Written, name) })
	return rest
}

// eligible tells whether the Service can have groups and may be written to.
func (s Service) eligible(pol Policy) bool {
	return pol.Expose.Mode != None && len(s.Selector) > 0 && !s.Headless &&
		s.Type != string(corev1.ServiceTypeExternalName) && s.Annotations[neg.AnnotationPolicy] != "observe"
}

// expose adds the annotation, and shows it to the checks that follow. Ports that are to be
// in a backend service are exposed, or that would have nothing to hold.
func (r *Result) expose(s *Service, pol Policy) {
	backend, wrong := s.backendPorts()
	if len(wrong) > 0 {
		return // what is added now would stay when they are put right
	}
	value := `{"ingress":true}`
	if pol.Expose.Mode == Ports || len(backend) > 0 {
		if value = r.exposedPorts(*s, backend, pol); value == "" {
			return
		}
	}
	if s.Annotations == nil {
		r.Patch = append(r.Patch, add(map[string]string{neg.AnnotationNEG: value}, "metadata", "annotations"))
	} else {
		r.Patch = append(r.Patch, add(value, "metadata", "annotations", neg.AnnotationNEG))
	}
	whole := *s.Service
	whole.Annotations = maps.Clone(s.Annotations)
	if whole.Annotations == nil {
		whole.Annotations = map[string]string{}
	}
	whole.Annotations[neg.AnnotationNEG] = value
	s.Service = &whole
	s.Exposure, s.Invalid = neg.ParseExposure(value)
}

// exposedPorts is the annotation of the policy's ports that the Service has over TCP, and of
// those that are to be in a backend service; empty when there are none. A name that does
// not come out valid is left out: a generated one is better than none.
func (r *Result) exposedPorts(s Service, backend []int32, pol Policy) string {
	type attributes struct {
		Name string `json:"name,omitempty"`
	}
	exposed := map[string]attributes{}
	for _, p := range s.Ports {
		if s.carries(p.Port) && (pol.Expose.wants(p.Port) || slices.Contains(backend, p.Port)) {
			exposed[itoa(p.Port)] = attributes{r.groupName(s.Key, itoa(p.Port), pol.Expose)}
		}
	}
	if len(exposed) == 0 {
		return ""
	}
	value, err := json.Marshal(map[string]any{"exposed_ports": exposed})
	if err != nil {
		panic(err) // maps of strings always marshal
	}
	return string(value)
}

// groupName is the custom name of a port's groups; empty for a generated one, as it is for
// a Service whose own name is still to be generated.
func (r *Result) groupName(k neg.Key, port string, e Expose) string {
	if e.Name == "" || k.Service == "" {
		return ""
	}
	name := e.groupName(k.Cluster, k.Namespace, k.Service, port)
	if !neg.ValidName(name) || strings.HasPrefix(name, neg.NamePrefix) {
		r.warn("port %s: the fleet file's name %q (%d characters) is no group name of at most %d; a generated one is used", port, name, len(name), neg.MaxName)
		return ""
	}
	return name
}

func itoa(port int32) string { return strconv.Itoa(int(port)) }
