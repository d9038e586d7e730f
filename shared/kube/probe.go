package kube

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/neg"
)

// Probes reads, for each TCP port of the Service, the readinessProbe of the container
// behind it, from the newest of a hundred Pods that the Service selects. There is none for
// any port while there is no Pod: nobody knows then.
func (c *Cluster) Probes(ctx context.Context, s *neg.Service) (map[int32]neg.Probe, error) {
	if !s.HasSelector {
		return nil, nil
	}
	newest, err := c.newestPod(ctx, s.Key.Namespace, labels.SelectorFromSet(s.Selector).String())
	if err != nil || newest == nil {
		return nil, err
	}
	probes := map[int32]neg.Probe{}
	for _, p := range s.Ports {
		if p.Protocol == "TCP" || p.Protocol == "" {
			probes[p.Port] = probeOf(newest, intstr.Parse(p.Target))
		}
	}
	return probes, nil
}

// newestPod is the Pod that was made last: a rollout's probe counts, not that of what it
// replaces.
func (c *Cluster) newestPod(ctx context.Context, namespace, selector string) (*corev1.Pod, error) {
	list, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: 100})
	if err != nil {
		return nil, c.fail(ctx, "list pods in "+namespace, err)
	}
	var newest *corev1.Pod
	for i := range list.Items {
		p := &list.Items[i]
		if p.DeletionTimestamp == nil && (newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp)) {
			newest = p
		}
	}
	return newest, nil
}

// probeOf is the readinessProbe of the container that has the port. A probe of another port
// than the Service's says nothing of it.
func probeOf(pod *corev1.Pod, target intstr.IntOrString) neg.Probe {
	for _, c := range pod.Spec.Containers {
		i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return same(p, target) })
		if i < 0 && target.Type == intstr.String {
			continue
		}
		if c.ReadinessProbe == nil || !asks(c, c.ReadinessProbe, target) {
			continue
		}
		return probe(c.ReadinessProbe)
	}
	return neg.Probe{Known: true}
}

func same(p corev1.ContainerPort, port intstr.IntOrString) bool {
	if port.Type == intstr.String {
		return p.Name == port.StrVal
	}
	return p.ContainerPort == port.IntVal
}

// asks tells whether a probe is sent to the port that the Service sends traffic to.
func asks(c corev1.Container, p *corev1.Probe, target intstr.IntOrString) bool {
	var port intstr.IntOrString
	switch {
	case p.HTTPGet != nil:
		port = p.HTTPGet.Port
	case p.TCPSocket != nil:
		port = p.TCPSocket.Port
	case p.GRPC != nil:
		port = intstr.FromInt32(p.GRPC.Port)
	default:
		return false // exec: nobody outside can ask that
	}
	return number(c, port) == number(c, target)
}

// number resolves a port's name in a container; 0 when it has none of that name.
func number(c corev1.Container, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort
		}
	}
	return 0
}

func probe(p *corev1.Probe) neg.Probe {
	out := neg.Probe{Known: true, IntervalSec: int(p.PeriodSeconds), TimeoutSec: int(p.TimeoutSeconds)}
	switch {
	case p.HTTPGet != nil:
		out.Type, out.Path, out.Host = "HTTP", p.HTTPGet.Path, p.HTTPGet.Host
		if p.HTTPGet.Scheme == corev1.URISchemeHTTPS {
			out.Type = "HTTPS"
		}
		for _, h := range p.HTTPGet.HTTPHeaders {
			if strings.EqualFold(h.Name, "Host") {
				out.Host = h.Value
			}
		}
	case p.TCPSocket != nil:
		out.Type = "TCP"
	case p.GRPC != nil:
		out.Type = "GRPC"
		if p.GRPC.Service != nil {
			out.GRPCService = *p.GRPC.Service
		}
	}
	return out
}
