package mutate

import (
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// protocolsAnnotation names the protocol of each port by the port's name.
const protocolsAnnotation = "cloud.google.com/app-protocols"

// protocols are those that a load balancer speaks to Pods.
var protocols = []string{"HTTP", "HTTPS", "HTTP2"}

// check says what of the annotation will not work. before is the Service as it was.
func (r *Result) check(now Service, before *Service) {
	backend, wrong := now.backendPorts()
	for _, err := range wrong {
		r.warn("%v", err)
	}
	for _, port := range backend {
		if now.Invalid == nil && !now.Exposure.Ingress && !now.exposes(port) {
			r.warn("port %d is to be in a backend service, but has no groups; expose it in annotation %s", port, neg.AnnotationNEG)
		}
	}
	if _, err := neg.ParseKeepServing(now.Annotations); err != nil {
		r.warn("%v; Pods that terminate leave their groups at once", err)
	}
	if _, asks := now.Annotations[neg.AnnotationNEG]; !asks {
		return
	}
	if now.Invalid != nil {
		r.warn("%v; nothing is changed in the cloud until it is right", now.Invalid)
		return
	}
	if now.Type == string(corev1.ServiceTypeExternalName) {
		r.warn("a Service of type ExternalName has no endpoints and gets no group; remove annotation %s", neg.AnnotationNEG)
		return
	}
	named := false
	for _, p := range now.Exposure.Ports {
		named = named || p.Name != ""
		r.checkPort(now, before, p.Port)
	}
	if named && now.Exposure.Ingress {
		r.warn("annotation %s: name together with ingress: GKE refuses this; here the name holds for its port alone", neg.AnnotationNEG)
	}
	r.checkProtocols(now)
}

// checkPort checks one exposed port against the Service's own.
func (r *Result) checkPort(now Service, before *Service, port int32) {
	found, ok := now.Port(port)
	switch {
	case !ok && before != nil && before.has(port) && before.exposes(port):
		r.warn("port %d was removed but is still in annotation %s: its groups stay as they are; take it out there as well", port, neg.AnnotationNEG)
	case !ok:
		r.warn("annotation %s: exposed_ports.%d: the Service has no port %d", neg.AnnotationNEG, port, port)
	case found.Protocol == "UDP":
		r.warn("port %d is UDP: groups of Pods carry TCP; take it out of annotation %s", port, neg.AnnotationNEG)
	case !now.carries(port):
		r.warn("port %d is %s: groups of Pods carry TCP; take it out of annotation %s", port, found.Protocol, neg.AnnotationNEG)
	}
}

func (s Service) has(port int32) bool {
	_, ok := s.Port(port)
	return ok
}

func (s Service) exposes(port int32) bool {
	return slices.ContainsFunc(s.Exposure.Ports, func(p neg.ExposedPort) bool { return p.Port == port })
}

// checkProtocols checks the protocols that the Service's author gave its ports.
func (r *Result) checkProtocols(s Service) {
	value, ok := s.Annotations[protocolsAnnotation]
	if !ok {
		return
	}
	var byPort map[string]string
	if err := json.Unmarshal([]byte(value), &byPort); err != nil {
		r.warn("annotation %s: want a JSON object of port name and protocol, have %q", protocolsAnnotation, value)
		return
	}
	names := make([]string, 0, len(byPort))
	for name := range byPort {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.ContainsFunc(s.Ports, func(p neg.ServicePort) bool { return p.Name == name }) {
			r.warn("annotation %s: the Service has no port named %q", protocolsAnnotation, name)
		} else if !slices.Contains(protocols, byPort[name]) {
			r.warn("annotation %s: port %s: protocol %q does not fit a load balancer; want one of %s", protocolsAnnotation, name, byPort[name], strings.Join(protocols, ", "))
		}
	}
}

// checkNames says which of the Service's custom names another Service claims.
func (r *Result) checkNames(now Service, others []Service) {
	for _, p := range now.Exposure.Ports {
		if p.Name == "" {
			continue
		}
		for _, o := range others {
			claims := slices.ContainsFunc(o.Exposure.Ports, func(q neg.ExposedPort) bool { return q.Name == p.Name })
			if claims && o.Key.Service != now.Key.Service && !o.Deleting {
				r.warn("group name %q is taken by Service %s of this namespace: a group belongs to one Service; choose another", p.Name, o.Key.Service)
			}
		}
	}
}
