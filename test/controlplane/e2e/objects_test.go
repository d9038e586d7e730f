package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const gate = "cloud.google.com/load-balancer-neg-ready"

var ctx = context.Background()

// namespace makes one that Pods can be created in.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	ns := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := c.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "service account", func() bool {
		_, err := c.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

func podSpec() v1.PodSpec {
	return v1.PodSpec{Containers: []v1.Container{{
		Name: "web", Image: "web:1", Ports: []v1.ContainerPort{{Name: "http", ContainerPort: 8080}},
	}}}
}

func (c *cluster) pod(t *testing.T, namespace, name string, annotations map[string]string, edit func(*v1.PodSpec)) {
	t.Helper()
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations, Labels: map[string]string{"app": name}},
		Spec:       podSpec(),
	}
	if edit != nil {
		edit(&pod.Spec)
	}
	if _, err := c.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// deployment makes one, and a Service that selects its Pods.
func (c *cluster) deployment(t *testing.T, namespace, name string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": name}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec()},
		},
	}
	if _, err := c.client.AppsV1().Deployments(namespace).Create(ctx, d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1.ServiceSpec{
			Selector: labels,
			Ports:    []v1.ServicePort{{Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}
	if _, err := c.client.CoreV1().Services(namespace).Create(ctx, s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) scale(t *testing.T, namespace, name string, replicas int) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := c.client.AppsV1().Deployments(namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}, "scale")
	if err != nil {
		t.Fatal(err)
	}
}

// endpoints are those of a Service that are ready.
func (c *cluster) endpoints(t *testing.T, namespace, service string) []discoveryv1.Endpoint {
	t.Helper()
	selector := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service}
	slices, err := c.client.DiscoveryV1().EndpointSlices(namespace).List(ctx, selector)
	if err != nil {
		t.Fatal(err)
	}
	var all []discoveryv1.Endpoint
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready {
				all = append(all, e)
			}
		}
	}
	return all
}

func (c *cluster) getPod(t *testing.T, namespace, name string) *v1.Pod {
	t.Helper()
	pod, err := c.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func condition(pod *v1.Pod, kind v1.PodConditionType) v1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func (c *cluster) waitPod(t *testing.T, namespace, name string, kind v1.PodConditionType, want v1.ConditionStatus) *v1.Pod {
	t.Helper()
	var pod *v1.Pod
	eventually(t, 20*time.Second, fmt.Sprintf("pod %s %s %s", name, kind, want), func() bool {
		pod = c.getPod(t, namespace, name)
		return pod != nil && condition(pod, kind) == want
	})
	return pod
}
