package kube

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/object"
)

// Exposed reads the namespace's Services that ask for groups; all namespaces' when it is
// empty.
func (c *Cluster) Exposed(ctx context.Context, namespace string) ([]neg.Service, error) {
	var found []neg.Service
	err := c.annotated(ctx, namespace, func(s *corev1.Service) {
		found = append(found, *object.Service(neg.Key{Cluster: c.name, Namespace: s.Namespace, Service: s.Name}, s))
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// GatedPods reads the gates of those types that the namespace's Pods have, of all that the
// selector matches: every Pod when it is empty. Pods that are going, or have run to their
// end, have none that matters.
func (c *Cluster) GatedPods(ctx context.Context, namespace string, selector map[string]string, gates []string) ([]neg.GatedPod, error) {
	var found []neg.GatedPod
	err := pages(func(o metav1.ListOptions) (string, error) {
		o.LabelSelector = labels.Set(selector).String()
		list, err := c.client.CoreV1().Pods(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			found = append(found, gatesOf(&list.Items[i], gates)...)
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list pods in "+namespace, err)
	}
	return found, nil
}

func gatesOf(pod *corev1.Pod, gates []string) (found []neg.GatedPod) {
	if over(pod) {
		return nil
	}
	p := neg.GatedPod{Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Labels: pod.Labels, Node: pod.Spec.NodeName, Changed: pod.CreationTimestamp.Time}
	p.IP = addressOf(pod)
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.ContainersReady && c.Status == corev1.ConditionTrue {
			p.Ready = c.LastTransitionTime.Time
		}
		if c.LastTransitionTime.After(p.Changed) {
			p.Changed = c.LastTransitionTime.Time
		}
	}
	for _, gate := range pod.Spec.ReadinessGates {
		if p.Type = string(gate.ConditionType); slices.Contains(gates, p.Type) {
			found = append(found, withGate(p, pod.Status.Conditions))
		}
	}
	return found
}

// addressOf is the address that a Pod has in its groups, which hold IPv4 alone: a Pod of two
// families may call another one its first. Invalid while it has none.
func addressOf(pod *corev1.Pod) netip.Addr {
	first, _ := netip.ParseAddr(pod.Status.PodIP) // the zero value says that there is none
	for _, each := range pod.Status.PodIPs {
		if ip, err := netip.ParseAddr(each.IP); err == nil && ip.Is4() {
			return ip
		}
	}
	return first
}

func withGate(p neg.GatedPod, conditions []corev1.PodCondition) neg.GatedPod {
	for _, c := range conditions {
		if string(c.Type) == p.Type {
			p.Written = true
			p.Gate = neg.Gate{Open: c.Status == corev1.ConditionTrue, Reason: c.Reason, Message: c.Message}
		}
	}
	return p
}

// Stopping reads when those of the selected Pods that are to stop were told so, by their
// names. An empty selector selects none.
func (c *Cluster) Stopping(ctx context.Context, namespace string, selector map[string]string) (map[string]time.Time, error) {
	if len(selector) == 0 {
		return nil, nil
	}
	told := map[string]time.Time{}
	err := pages(func(o metav1.ListOptions) (string, error) {
		o.LabelSelector = labels.Set(selector).String()
		list, err := c.client.CoreV1().Pods(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, p := range list.Items {
			if p.DeletionTimestamp != nil {
				told[p.Name] = p.DeletionTimestamp.Add(-grace(&p))
			}
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list pods in "+namespace, err)
	}
	return told, nil
}

// grace is the time between the order to stop and deletionTimestamp, which is its end.
func grace(p *corev1.Pod) time.Duration {
	if p.DeletionGracePeriodSeconds == nil {
		return 0
	}
	return time.Duration(*p.DeletionGracePeriodSeconds) * time.Second
}

// SetGate writes the condition of exactly that Pod, and no other. Its time moves when its
// status does. A Pod that is gone, or made anew under its name, is left alone.
func (c *Cluster) SetGate(ctx context.Context, p neg.GatedPod, gate neg.Gate) error {
	condition := map[string]any{"type": p.Type, "status": "False", "reason": gate.Reason, "message": gate.Message}
	if gate.Open {
		condition["status"] = "True"
	}
	if !p.Written || p.Gate.Open != gate.Open {
		condition["lastTransitionTime"] = metav1.NewTime(c.now())
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.UID},
		"status":   map[string]any{"conditions": []any{condition}},
	})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "negfleet"}, "status")
	if err == nil || gone(err) || replaced(err) || apierrors.IsConflict(err) {
		return nil // after a conflict the next look sees what became of the Pod
	}
	return c.fail(ctx, "patch condition "+p.Type+" of pod "+p.String(), err)
}

// RenewLease says that something is alive to open gates.
func (c *Cluster) RenewLease(ctx context.Context, holder string) error {
	leases := c.client.CoordinationV1().Leases(neg.LeaseNamespace)
	now, seconds := metav1.NewMicroTime(c.now()), int32(neg.LeaseFresh/time.Second)
	spec := coordinationv1.LeaseSpec{HolderIdentity: &holder, RenewTime: &now, LeaseDurationSeconds: &seconds}
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	_, err = leases.Patch(ctx, neg.LeaseName, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "negfleet"})
	if gone(err) {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseName}, Spec: spec}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: "negfleet"})
	}
	if err == nil || apierrors.IsAlreadyExists(err) { // made meanwhile, and so just renewed
		return nil
	}
	return c.fail(ctx, "renew lease "+neg.LeaseNamespace+"/"+neg.LeaseName, err)
}
