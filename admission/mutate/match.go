package mutate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/object"
)

// A Service is what matters here of a Service, read or under review.
type Service struct {
	*neg.Service
	Selector map[string]string
	Headless bool
	Exposure neg.Exposure
	Invalid  error // why the annotation cannot be read
}

// ReadService reads a Service of a namespace; the object itself may name none yet.
func ReadService(cluster, namespace string, s *corev1.Service) Service {
	out := Service{
		Service:  object.Service(neg.Key{Cluster: cluster, Namespace: namespace, Service: s.Name}, s),
		Selector: s.Spec.Selector, Headless: s.Spec.ClusterIP == corev1.ClusterIPNone,
	}
	if value, ok := s.Annotations[neg.AnnotationNEG]; ok {
		out.Exposure, out.Invalid = neg.ParseExposure(value)
	}
	return out
}

// backendPorts are the TCP ports that an annotation puts into a backend service, and what
// is wrong with those annotations.
func (s Service) backendPorts() (ports []int32, wrong []error) {
	if value, ok := s.Annotations[neg.AnnotationBackendService]; ok {
		managed, err := neg.ParseManaged(value)
		if err != nil {
			wrong = append(wrong, each(err)...)
		}
		for _, m := range managed {
			ports = append(ports, m.Port)
		}
	}
	attached, err := neg.ParseAutoneg(s.Key, s.Annotations, neg.DefaultTemplate)
	if err != nil {
		wrong = append(wrong, each(err)...)
	}
	for _, a := range attached {
		ports = append(ports, a.Port)
	}
	return slices.DeleteFunc(ports, func(p int32) bool { return !s.carries(p) }), wrong
}

// each are the errors of a joined one, to be told one by one.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// A Namespace is what was read of a namespace. Ingress is read only where a Service asks
// for the ports of one.
type Namespace struct {
	Services []Service
	Ingress  []neg.IngressPort
}

// selects tells whether the Service's selector matches; an empty one matches nothing.
func (s Service) selects(labels map[string]string) bool {
	for k, v := range s.Selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return len(s.Selector) > 0
}

// grouped tells whether a group will exist for the Service, and so something that opens a
// gate. An observed Service gets no group, and one that cannot be read none yet. A backend
// service alone makes none: its port must be exposed, which Decide sees to.
func (s Service) grouped(ingress []neg.IngressPort) bool {
	if s.Deleting || s.Type == string(corev1.ServiceTypeExternalName) || s.Invalid != nil || s.Annotations[neg.AnnotationPolicy] == "observe" {
		return false
	}
	for _, p := range s.Exposure.Ports {
		if s.carries(p.Port) {
			return true
		}
	}
	return s.Exposure.Ingress && s.referenced(ingress)
}

// carries tells whether the Service has that port over TCP, which is all that groups carry.
func (s Service) carries(port int32) bool {
	p, ok := s.Port(port)
	return ok && (p.Protocol == "TCP" || p.Protocol == "")
}

// referenced tells whether an Ingress sends traffic to a TCP port of the Service.
func (s Service) referenced(ingress []neg.IngressPort) bool {
	return slices.ContainsFunc(ingress, func(ref neg.IngressPort) bool {
		if ref.Service != s.Key.Service {
			return false
		}
		number := ref.Number
		if i := slices.IndexFunc(s.Ports, func(p neg.ServicePort) bool { return p.Name == ref.Name }); number == 0 && i >= 0 {
			number = s.Ports[i].Port
		}
		return s.carries(number)
	})
}

// Gating are the Services of the namespace for which a group will exist and that select a
// Pod of those labels.
func (n Namespace) Gating(labels map[string]string) []Service {
	var found []Service
	for _, s := range n.Services {
		if s.selects(labels) && s.grouped(n.Ingress) {
			found = append(found, s)
		}
	}
	return found
}
