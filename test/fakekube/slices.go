package fakekube

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// This file plays endpointslice-controller: one set of slices for each way in which a
// Service's ports resolve, at most 100 endpoints in each, and one empty slice for a
// Service that selects nothing.

const (
	endpointsPerSlice = 100
	managedBy         = "endpointslice-controller.k8s.io"
)

// AddService applies a Service, and its slices before any client sees the answer.
func (w *World) AddService(svc *corev1.Service) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.c.Apply(svc); err != nil {
		return err
	}
	w.sync(svc)
	return nil
}

// RemoveService deletes a Service with its slices.
func (w *World) RemoveService(namespace, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	if err := w.c.Delete(svc); err != nil {
		return err
	}
	w.sync(svc)
	return nil
}

// sync makes the slices of a Service what they should be now.
func (w *World) sync(svc *corev1.Service) {
	c := w.c.As(sliceController)
	var want []*discoveryv1.EndpointSlice
	if e := c.lookup(named("services"), svc.Namespace, svc.Name); e != nil {
		svc = e.obj.(*corev1.Service)
		if len(svc.Spec.Selector) == 0 || svc.Spec.Type == corev1.ServiceTypeExternalName {
			return
		}
		want = w.slicesOf(svc)
	}
	keep := map[string]bool{}
	for _, s := range want {
		keep[s.Name] = true
		if err := c.Apply(s); err != nil {
			panic(fmt.Sprintf("fakekube: %v", err)) // a slice made here is always of a known kind
		}
	}
	have, _ := c.sorted(named("endpointslices"), svc.Namespace, func(e *entry) bool {
		l := e.meta.GetLabels()
		return l[discoveryv1.LabelServiceName] == svc.Name && l[discoveryv1.LabelManagedBy] == managedBy
	})
	for _, e := range have {
		if !keep[e.meta.GetName()] {
			c.deleteEntry(named("endpointslices"), svc.Namespace, e.meta.GetName())
		}
	}
}

func (w *World) slicesOf(svc *corev1.Service) []*discoveryv1.EndpointSlice {
	groups := map[string][]discoveryv1.Endpoint{}
	ports := map[string][]discoveryv1.EndpointPort{}
	var order []string
	for _, pod := range w.backends(svc) {
		resolved := resolvePorts(svc, pod)
		b, err := json.Marshal(resolved)
		if err != nil {
			panic(err) // ports always encode
		}
		if _, seen := ports[string(b)]; !seen {
			order = append(order, string(b))
		}
		ports[string(b)] = resolved
		groups[string(b)] = append(groups[string(b)], w.endpoint(svc, pod))
	}
	if len(order) == 0 {
		return []*discoveryv1.EndpointSlice{newSlice(svc, "none", nil, nil)}
	}
	var out []*discoveryv1.EndpointSlice
	for _, group := range order {
		i := 0
		for chunk := range slices.Chunk(groups[group], endpointsPerSlice) {
			out = append(out, newSlice(svc, fmt.Sprint(group, i), ports[group], chunk))
			i++
		}
	}
	return out
}

// backends are the Pods that belong in a slice: selected, with an address, not finished.
func (w *World) backends(svc *corev1.Service) []*corev1.Pod {
	sel := labels.SelectorFromSet(svc.Spec.Selector)
	found, _ := w.c.sorted(named("pods"), svc.Namespace, func(e *entry) bool {
		pod := e.obj.(*corev1.Pod)
		return sel.Matches(labels.Set(pod.Labels)) && pod.Status.PodIP != "" &&
			pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
	})
	pods := make([]*corev1.Pod, len(found))
	for i, e := range found {
		pods[i] = e.obj.(*corev1.Pod)
	}
	return pods
}

func (w *World) endpoint(svc *corev1.Service, pod *corev1.Pod) discoveryv1.Endpoint {
	terminating := pod.DeletionTimestamp != nil
	serving := isTrue(pod, corev1.PodReady)
	ready := svc.Spec.PublishNotReadyAddresses || serving && !terminating
	nodeName := pod.Spec.NodeName
	ep := discoveryv1.Endpoint{
		Addresses:  []string{pod.Status.PodIP},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		TargetRef:  podRef(pod),
		NodeName:   &nodeName,
	}
	for _, n := range w.nodes {
		if n.name == nodeName {
			ep.Zone = &n.zone
		}
	}
	return ep
}

// resolvePorts leaves out a named port that the Pod does not have.
func resolvePorts(svc *corev1.Service, pod *corev1.Pod) []discoveryv1.EndpointPort {
	var out []discoveryv1.EndpointPort
	for _, p := range svc.Spec.Ports {
		number, ok := p.TargetPort.IntVal, p.TargetPort.Type == intstr.Int
		if !ok {
			number, ok = containerPort(pod, p.TargetPort.StrVal, p.Protocol)
		}
		if ok {
			out = append(out, discoveryv1.EndpointPort{Name: &p.Name, Port: &number, Protocol: &p.Protocol, AppProtocol: p.AppProtocol})
		}
	}
	return out
}

func containerPort(pod *corev1.Pod, name string, protocol corev1.Protocol) (int32, bool) {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name && p.Protocol == protocol {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

func newSlice(svc *corev1.Service, id string, ports []discoveryv1.EndpointPort, endpoints []discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	yes := true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: svc.Namespace, Name: fmt.Sprintf("%s-%05x", svc.Name, h.Sum32()&0xfffff),
			Labels: map[string]string{discoveryv1.LabelServiceName: svc.Name, discoveryv1.LabelManagedBy: managedBy},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Service", Name: svc.Name, UID: svc.UID,
				Controller: &yes, BlockOwnerDeletion: &yes}},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: ports, Endpoints: endpoints,
	}
	if svc.Spec.ClusterIP == corev1.ClusterIPNone {
		s.Labels[corev1.IsHeadlessService] = ""
	}
	return s
}
