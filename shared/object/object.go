// Package object reads Kubernetes objects as neg values. It is apart from shared/kube so
// that the admission webhook reads objects under review as reconcile will read them from
// the cluster. It does no I/O.
package object

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// Service reads a Service. The key names it, since an object under review may have no
// name or namespace yet.
func Service(k neg.Key, s *corev1.Service) *neg.Service {
	out := &neg.Service{
		Key: k, UID: string(s.UID), ResourceVersion: s.ResourceVersion, Annotations: s.Annotations,
		Type: string(s.Spec.Type), HasSelector: len(s.Spec.Selector) > 0, Selector: s.Spec.Selector, Deleting: s.DeletionTimestamp != nil, Finalizers: s.Finalizers,
	}
	named := neg.ParseAppProtocols(s.Annotations)
	for _, p := range s.Spec.Ports {
		port := neg.ServicePort{Name: p.Name, Port: p.Port, Protocol: string(p.Protocol), Target: target(p), AppProtocol: named[p.Name]}
		if port.AppProtocol == "" && p.AppProtocol != nil {
			port.AppProtocol = appProtocol(*p.AppProtocol)
		}
		out.Ports = append(out.Ports, port)
	}
	return out
}

// target is the port itself where the API server has not filled it in yet.
func target(p corev1.ServicePort) string {
	if t := p.TargetPort.String(); t != "0" && t != "" {
		return t
	}
	return strconv.Itoa(int(p.Port))
}

// appProtocol is what GKE makes of the field appProtocol
// (https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol).
func appProtocol(name string) string {
	switch strings.ToLower(name) {
	case "http", "kubernetes.io/ws":
		return "HTTP"
	case "https", "kubernetes.io/wss":
		return "HTTPS"
	case "http2":
		return "HTTP2"
	case "kubernetes.io/h2c":
		return "H2C"
	case "grpc":
		return "GRPC"
	}
	return ""
}

// gceClasses are the Ingress classes that GKE serves with a Google load balancer; no class
// at all is one of them.
var gceClasses = []string{"", "gce", "gce-internal", "gce-regional-external"}

// IngressPorts lists the Service ports that an Ingress sends traffic to; none unless it is
// of a GCE class.
func IngressPorts(ing *networkingv1.Ingress) []neg.IngressPort {
	class := ing.Annotations["kubernetes.io/ingress.class"]
	if ing.Spec.IngressClassName != nil {
		class = *ing.Spec.IngressClassName
	}
	if !slices.Contains(gceClasses, class) || ing.DeletionTimestamp != nil {
		return nil
	}
	var ports []neg.IngressPort
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			ports = append(ports, neg.IngressPort{Service: b.Service.Name, Number: b.Service.Port.Number, Name: b.Service.Port.Name})
		}
	}
	add(ing.Spec.DefaultBackend)
	for _, r := range ing.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for i := range r.HTTP.Paths {
			add(&r.HTTP.Paths[i].Backend)
		}
	}
	return ports
}
