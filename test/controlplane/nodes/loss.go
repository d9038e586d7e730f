package nodes

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	nodeutil "k8s.io/kubernetes/pkg/controller/util/node"
)

// A node is lost in two steps, as a real one is. At once: its lease is not
// renewed, its ports are closed, no Pod on it is reported about. After the
// grace period the cluster notices: the node's Ready condition becomes
// Unknown, it is tainted, and its Pods are marked not ready. Nothing tells
// the Pods to stop but the eviction that their tolerations set.
//
// A node that comes back finds its containers where the clock says they are.

// sawNode starts a loss or a return when the annotation has changed.
func (s *Simulator) sawNode(obj *v1.Node) {
	n := s.nodes[obj.Name]
	if n == nil {
		return
	}
	if lost := obj.Annotations[LostAnnotation] == "true"; n.lost.Swap(lost) != lost {
		n.changedAt.Store(time.Now().UnixNano())
		s.rerun(n.Name)
	}
	s.toTend.add(n.Name)
}

// nodeDeleted marks a node whose object is gone: its Pods are deleted without
// ceremony, which is the pod garbage collector's part.
func (s *Simulator) nodeDeleted(obj *v1.Node) {
	if n := s.nodes[obj.Name]; n != nil {
		n.gone.Store(true)
		s.rerun(n.Name)
	}
}

func (s *Simulator) rerun(node string) {
	for _, pod := range s.podsOn(node) {
		s.toRun.add(podKey(pod))
	}
}

// tend makes a Node object say what its node is.
func (s *Simulator) tend(ctx context.Context, name string) error {
	obj, err := s.nodeLister.Get(name)
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	n := s.nodes[name]
	if !n.lost.Load() {
		return s.writeNode(ctx, obj, v1.ConditionTrue, "KubeletReady", "")
	}
	if left := s.grace - time.Since(time.Unix(0, n.changedAt.Load())); left > 0 {
		s.toTend.addAfter(name, left)
		return nil
	}
	err = s.writeNode(ctx, obj, v1.ConditionUnknown, "NodeStatusUnknown", "Kubelet stopped posting node status.")
	if err != nil {
		return err
	}
	return nodeutil.MarkPodsNotReady(ctx, s.client, s.recorder, s.podsOn(name), name)
}

// writeNode sets the Ready condition and the taints that go with it, if they
// differ.
func (s *Simulator) writeNode(ctx context.Context, obj *v1.Node, ready v1.ConditionStatus, reason, message string) error {
	if _, c := nodeutil.GetNodeCondition(&obj.Status, v1.NodeReady); c != nil && c.Status != ready {
		status := obj.DeepCopy()
		_, c := nodeutil.GetNodeCondition(&status.Status, v1.NodeReady)
		c.Status, c.Reason, c.Message, c.LastTransitionTime = ready, reason, message, metav1.Now()
		updated, err := s.client.CoreV1().Nodes().UpdateStatus(ctx, status, metav1.UpdateOptions{})
		if err != nil {
			return fmt.Errorf("write ready condition of node %s: %w", obj.Name, err)
		}
		obj = updated
	}
	taints := withTaints(obj.Spec.Taints, ready)
	if len(taints) == len(obj.Spec.Taints) {
		return nil
	}
	spec := obj.DeepCopy()
	spec.Spec.Taints = taints
	if _, err := s.client.CoreV1().Nodes().Update(ctx, spec, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("write taints of node %s: %w", obj.Name, err)
	}
	return nil
}

// withTaints replaces the taints that say how a node is; others stay.
func withTaints(old []v1.Taint, ready v1.ConditionStatus) []v1.Taint {
	taints := slices.DeleteFunc(slices.Clone(old), func(t v1.Taint) bool {
		return t.Key == v1.TaintNodeUnreachable || t.Key == v1.TaintNodeNotReady
	})
	if ready == v1.ConditionTrue {
		return taints
	}
	now := metav1.Now()
	return append(taints,
		v1.Taint{Key: v1.TaintNodeUnreachable, Effect: v1.TaintEffectNoSchedule, TimeAdded: &now},
		v1.Taint{Key: v1.TaintNodeUnreachable, Effect: v1.TaintEffectNoExecute, TimeAdded: &now})
}
