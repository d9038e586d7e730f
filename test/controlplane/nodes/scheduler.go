package nodes

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/util/pod"
)

// place binds one Pod to a node. It honours what is a rule about nodes: the
// selector, required node affinity, taints, cordons. It ignores what is a
// quantity: requests never fill a simulated machine, 250 Pods do.
func (s *Simulator) place(ctx context.Context, key string) error {
	pod, err := s.getPod(key)
	if err != nil || pod == nil || !waitsForNode(pod) {
		return err
	}
	name, ok := s.placement.choose(pod.UID, group(pod), s.fits(pod))
	if !ok {
		s.toPlace.addAfter(key, time.Second)
		return s.unschedulable(ctx, pod)
	}
	err = s.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: name},
	}, metav1.CreateOptions{})
	if err == nil {
		return nil
	}
	s.placement.forget(pod.UID)
	if errors.IsNotFound(err) || errors.IsConflict(err) {
		return nil // deleted or bound meanwhile; the watch says which
	}
	return fmt.Errorf("bind pod %s to %s: %w", key, name, err)
}

// getPod reads a Pod from the cache; nil when there is none.
func (s *Simulator) getPod(key string) (*v1.Pod, error) {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return nil, err
	}
	pod, err := s.podLister.Pods(namespace).Get(name)
	if errors.IsNotFound(err) {
		return nil, nil
	}
	return pod, err
}

// waitsForNode tells whether a Pod is this scheduler's to place; one that names another
// scheduler waits for that.
func waitsForNode(pod *v1.Pod) bool {
	return pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && len(pod.Spec.SchedulingGates) == 0 &&
		pod.Spec.SchedulerName == v1.DefaultSchedulerName
}

func (s *Simulator) fits(pod *v1.Pod) func(string) bool {
	affinity := nodeaffinity.GetRequiredNodeAffinity(pod)
	return func(name string) bool {
		n, err := s.nodeLister.Get(name)
		if err != nil || n.Spec.Unschedulable {
			return false
		}
		if ok, err := affinity.Match(n); err != nil || !ok {
			return false
		}
		_, repelled := corev1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints,
			pod.Spec.Tolerations, forbidsScheduling, false)
		return !repelled
	}
}

func forbidsScheduling(t *v1.Taint) bool {
	return t.Effect == v1.TaintEffectNoSchedule || t.Effect == v1.TaintEffectNoExecute
}

func (s *Simulator) unschedulable(ctx context.Context, pod *v1.Pod) error {
	status := *pod.Status.DeepCopy()
	for _, c := range status.Conditions {
		if c.Type == v1.PodScheduled && c.Reason == v1.PodReasonUnschedulable {
			return nil
		}
	}
	status.Conditions = podutil.ReplaceOrAppendPodCondition(status.Conditions, &v1.PodCondition{
		Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonUnschedulable,
		Message: "no simulated node fits the pod", LastTransitionTime: metav1.Now(),
	})
	_, _, _, err := podutil.PatchPodStatus(ctx, s.client, pod.Namespace, pod.Name, pod.UID, pod.Status, status)
	return err
}
