package kube

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// Pods hands on the Pods of a namespace page by page, without those that are going or have
// run to their end.
func (c *Cluster) Pods(ctx context.Context, namespace string, page func([]neg.ListedPod)) error {
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Pods(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		var found []neg.ListedPod
		for i := range list.Items {
			if !over(&list.Items[i]) {
				found = append(found, listedPod(&list.Items[i]))
			}
		}
		page(found)
		return list.Continue, nil
	})
	if err != nil {
		return c.fail(ctx, "list pods in "+namespace, err)
	}
	return nil
}

// over tells whether a Pod is going, or has run to its end.
func over(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func listedPod(pod *corev1.Pod) neg.ListedPod {
	p := neg.ListedPod{Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Exempt: exempt(pod)}
	open := map[string]bool{}
	for _, c := range pod.Status.Conditions {
		open[string(c.Type)] = c.Status == corev1.ConditionTrue
	}
	p.Ready = open[string(corev1.ContainersReady)]
	for _, gate := range pod.Spec.ReadinessGates {
		p.Gates = append(p.Gates, string(gate.ConditionType))
	}
	p.Closed = slices.DeleteFunc(slices.Clone(p.Gates), func(gate string) bool { return open[gate] })
	return p
}

// exempt tells whether the webhook leaves a Pod alone, as admission does.
func exempt(pod *corev1.Pod) bool {
	return pod.Spec.HostNetwork || pod.Annotations[corev1.MirrorPodAnnotationKey] != "" || pod.Annotations[neg.Inject] == neg.InjectDisabled
}

// OptedIn names the namespaces whose label says that the webhook is asked about their
// objects and, with unlabelled, those that say nothing.
func (c *Cluster) OptedIn(ctx context.Context, unlabelled bool) (map[string]bool, error) {
	in := map[string]bool{}
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Namespaces().List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			ns := &list.Items[i]
			if label := ns.Labels[neg.Inject]; label == neg.InjectEnabled || unlabelled && label != neg.InjectDisabled {
				in[ns.Name] = !neverAsked[ns.Name]
			}
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list namespaces", err)
	}
	return in, nil
}

// neverAsked are the namespaces that infra/webhook.yaml.tmpl leaves out whatever their label.
var neverAsked = map[string]bool{
	"kube-system": true, "kube-public": true, "kube-node-lease": true, neg.LeaseNamespace: true,
	"gke-managed-system": true, "gmp-system": true,
}
