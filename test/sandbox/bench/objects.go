//go:build linux

package bench

import (
	"context"
	"fmt"
	"net/netip"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/neg"
)

const namespace = "bench"

func (r *run) makeNamespace(ctx context.Context) error {
	_, err := r.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	return err
}

// deploy makes a Deployment of n Pods labelled app=name.
func (r *run) deploy(ctx context.Context, name string, n int32) error {
	labels := map[string]string{"app": name}
	grace := int64(1)
	_, err := r.client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				TerminationGracePeriodSeconds: &grace,
				Containers:                    []corev1.Container{{Name: "web", Image: "example.com/web:1", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}},
			}},
		},
	}, metav1.CreateOptions{})
	return err
}

func (r *run) scale(ctx context.Context, name string, n int) error {
	_, err := r.client.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n), metav1.PatchOptions{})
	return err
}

// expose makes a Service with groups for the Pods labelled app=app; none when app is empty.
func (r *run) expose(ctx context.Context, name, app string) error {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	if app != "" {
		s.Spec.Selector = map[string]string{"app": app}
	}
	_, err := r.client.CoreV1().Services(namespace).Create(ctx, s, metav1.CreateOptions{})
	return err
}

// writeSlices writes slices of 100 endpoints for a Service without selector, n in all,
// spread over the nodes.
func (r *run) writeSlices(ctx context.Context, service string, n int) error {
	var endpoints []discoveryv1.Endpoint
	nodes := r.cluster.Nodes
	next := make([]netip.Addr, len(nodes))
	for i := range n {
		at := i % len(nodes)
		if !next[at].IsValid() {
			next[at] = netip.MustParsePrefix(nodes[at].PodCIDR).Addr().Next()
		}
		next[at] = next[at].Next()
		endpoints = append(endpoints, discoveryv1.Endpoint{Addresses: []string{next[at].String()}, NodeName: &nodes[at].Name})
	}
	port, name, tcp := int32(8080), "http", corev1.ProtocolTCP
	for i := 0; len(endpoints) > 0; i++ {
		part := min(100, len(endpoints))
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", service, i), Labels: map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "bench"}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints[:part],
			Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
		}
		if _, err := r.client.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
		endpoints = endpoints[part:]
	}
	return nil
}
