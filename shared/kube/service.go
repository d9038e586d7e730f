package kube

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/object"
)

// Service reads a Service; nil when it does not exist.
func (c *Cluster) Service(ctx context.Context, k neg.Key) (*neg.Service, error) {
	s, err := c.client.CoreV1().Services(k.Namespace).Get(ctx, k.Service, metav1.GetOptions{})
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.fail(ctx, "get service "+k.Namespace+"/"+k.Service, err)
	}
	return object.Service(k, s), nil
}

// Services hands on all Services of the cluster, page by page.
func (c *Cluster) Services(ctx context.Context, page func([]neg.Service) error) error {
	return pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Services("").List(ctx, o)
		if err != nil {
			return "", c.fail(ctx, "list services", err)
		}
		var found []neg.Service
		for i := range list.Items {
			s := &list.Items[i]
			found = append(found, *object.Service(neg.Key{Cluster: c.name, Namespace: s.Namespace, Service: s.Name}, s))
		}
		return list.Continue, page(found)
	})
}

// Slices reads all EndpointSlices of a Service.
func (c *Cluster) Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error) {
	var slices []neg.Slice
	err := pages(func(o metav1.ListOptions) (string, error) {
		o.LabelSelector = discoveryv1.LabelServiceName + "=" + k.Service
		list, err := c.client.DiscoveryV1().EndpointSlices(k.Namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			slices = append(slices, slice(&list.Items[i]))
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list endpointslices of service "+k.Namespace+"/"+k.Service, err)
	}
	return slices, nil
}

func slice(s *discoveryv1.EndpointSlice) neg.Slice {
	out := neg.Slice{Name: s.Name, AddressType: string(s.AddressType)}
	for _, p := range s.Ports {
		sp := neg.SlicePort{Port: p.Port}
		if p.Name != nil {
			sp.Name = *p.Name
		}
		if p.Protocol != nil {
			sp.Protocol = string(*p.Protocol)
		}
		out.Ports = append(out.Ports, sp)
	}
	for _, e := range s.Endpoints {
		se := neg.SliceEndpoint{Addresses: e.Addresses, Terminating: e.Conditions.Terminating != nil && *e.Conditions.Terminating}
		se.Unready = e.Conditions.Ready != nil && !*e.Conditions.Ready
		se.Serving = serving(e.Conditions)
		if e.NodeName != nil {
			se.Node = *e.NodeName
		}
		if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
			se.Pod = e.TargetRef.Name
		}
		out.Endpoints = append(out.Endpoints, se)
	}
	return out
}

// serving is what the API says it is: unsaid, it is what ready says.
func serving(c discoveryv1.EndpointConditions) bool {
	if c.Serving != nil {
		return *c.Serving
	}
	return c.Ready != nil && *c.Ready
}

// IngressPorts lists the Service ports that the namespace's Ingresses of a GCE class send
// traffic to.
func (c *Cluster) IngressPorts(ctx context.Context, namespace string) ([]neg.IngressPort, error) {
	var ports []neg.IngressPort
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.NetworkingV1().Ingresses(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			ports = append(ports, object.IngressPorts(&list.Items[i])...)
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list ingresses in "+namespace, err)
	}
	return ports, nil
}

// AnnotatedServices names the namespace's Services that ask for groups, with
// ingressOnly those that ask for the ports an Ingress references.
func (c *Cluster) AnnotatedServices(ctx context.Context, namespace string, ingressOnly bool) ([]string, error) {
	var names []string
	err := c.annotated(ctx, namespace, func(s *corev1.Service) {
		if !ingressOnly || strings.Contains(s.Annotations[neg.AnnotationNEG], `"ingress"`) {
			names = append(names, s.Name)
		}
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// Selectors are what the namespace's Services that ask for groups select, by their names.
// Those without a selector select no Pod.
func (c *Cluster) Selectors(ctx context.Context, namespace string) (map[string]map[string]string, error) {
	selectors := map[string]map[string]string{}
	err := c.annotated(ctx, namespace, func(s *corev1.Service) {
		if len(s.Spec.Selector) > 0 {
			selectors[s.Name] = s.Spec.Selector
		}
	})
	if err != nil {
		return nil, err
	}
	return selectors, nil
}

// annotated calls each with the namespace's Services that ask for groups.
func (c *Cluster) annotated(ctx context.Context, namespace string, each func(*corev1.Service)) error {
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Services(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			if _, ok := list.Items[i].Annotations[neg.AnnotationNEG]; ok {
				each(&list.Items[i])
			}
		}
		return list.Continue, nil
	})
	if err != nil {
		return c.fail(ctx, "list services in "+namespace, err)
	}
	return nil
}

// ServiceOfSlice reads which Service an EndpointSlice belongs to.
func (c *Cluster) ServiceOfSlice(ctx context.Context, namespace, name string) (service string, exists bool, err error) {
	s, err := c.client.DiscoveryV1().EndpointSlices(namespace).Get(ctx, name, metav1.GetOptions{})
	if gone(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, c.fail(ctx, "get endpointslice "+namespace+"/"+name, err)
	}
	service = s.Labels[discoveryv1.LabelServiceName]
	return service, service != "", nil
}

// Annotate writes annotations of exactly that Service; an empty value removes one. A
// Service that was deleted or made anew meanwhile is left alone.
func (c *Cluster) Annotate(ctx context.Context, s *neg.Service, values map[string]string) error {
	annotations := map[string]any{}
	for name, value := range values {
		annotations[name] = value
		if value == "" {
			annotations[name] = nil
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": s.UID, "annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Services(s.Key.Namespace).Patch(ctx, s.Key.Service, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "negfleet"})
	if gone(err) || replaced(err) {
		return nil
	}
	if err != nil {
		return c.fail(ctx, "patch annotations of service "+s.Key.Namespace+"/"+s.Key.Service, err)
	}
	return nil
}

// RemoveFinalizer takes a finalizer off exactly that Service as it was read, and writes
// annotations with it. One that changed meanwhile is an error, and is read again.
func (c *Cluster) RemoveFinalizer(ctx context.Context, s *neg.Service, name string, annotations map[string]string) error {
	left := slices.DeleteFunc(slices.Clone(s.Finalizers), func(f string) bool { return f == name })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": s.UID, "resourceVersion": s.ResourceVersion, "finalizers": left, "annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Services(s.Key.Namespace).Patch(ctx, s.Key.Service, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "negfleet"})
	if gone(err) || replaced(err) {
		return nil
	}
	if err != nil {
		return c.fail(ctx, "remove finalizer "+name+" of service "+s.Key.Namespace+"/"+s.Key.Service, err)
	}
	return nil
}

// replaced tells whether a patch met an object of another UID. The API server treats the
// UID in a patch as a change of an immutable field: 422, not 409.
func replaced(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}
