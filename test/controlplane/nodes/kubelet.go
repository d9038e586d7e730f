package nodes

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	podapi "k8s.io/kubernetes/pkg/api/v1/pod"
	podutil "k8s.io/kubernetes/pkg/util/pod"
	"k8s.io/utils/ptr"
)

// podRecord is what a node remembers of a Pod that runs on it. Only the look
// at its key touches it, so it needs no lock.
type podRecord struct {
	uid     types.UID
	node    *node
	ip      string
	machine *machine
	server  *podServer
	warned  map[string]bool
	ended   bool // terminal: the status is final, address and ports are given back
}

// runPod is one look at one Pod: move its containers to the present, open and
// close ports, report, and delete the Pod once it has stopped.
func (s *Simulator) runPod(ctx context.Context, key string) error {
	pod, err := s.getPod(key)
	if err != nil {
		return err
	}
	if pod == nil || s.nodes[pod.Spec.NodeName] == nil {
		s.drop(key)
		return nil
	}
	r := s.recordOf(key, pod)
	if r.node.gone.Load() {
		r.end()
		return s.remove(ctx, pod)
	}
	if r.node.lost.Load() {
		r.server.close() // and not a word to the API server
		return nil
	}
	if podapi.IsPodPhaseTerminal(pod.Status.Phase) {
		r.end()
	}
	if !r.ended {
		if err := s.advance(ctx, key, pod, r); err != nil {
			return err
		}
	}
	if r.ended && pod.DeletionTimestamp != nil {
		return s.remove(ctx, pod)
	}
	return nil
}

// advance does the work of a look at a Pod that has not ended.
func (s *Simulator) advance(ctx context.Context, key string, pod *v1.Pod, r *podRecord) error {
	now := time.Now()
	if r.ip == "" && !r.takeIP(now) {
		s.warn(r, pod, "NoPodIP", fmt.Errorf("every pod address of the node is in use"))
		s.toRun.addAfter(key, time.Second)
		return nil
	}
	behaviour, problems := ParseBehaviour(pod.Annotations)
	for _, err := range problems {
		s.warn(r, pod, "BadAnnotation", err)
	}
	next := r.machine.step(pod, behaviour, now)
	r.server.behaviour.Store(&behaviour)
	if err := r.server.set(r.ip, r.machine.servedPorts(now)); err != nil {
		// A container that cannot have its port does not become ready.
		s.warn(r, pod, "FailedListen", err)
		r.machine.behaviour.NeverReady = true
		next = now.Add(time.Second)
	}
	if !next.IsZero() {
		s.toRun.addAfter(key, next.Sub(now))
	}
	return s.report(ctx, pod, r, now)
}

func (s *Simulator) report(ctx context.Context, pod *v1.Pod, r *podRecord, now time.Time) error {
	status := buildStatus(r.machine, r.node.InternalIP, r.ip, now)
	_, _, _, err := podutil.PatchPodStatus(ctx, s.client, pod.Namespace, pod.Name, pod.UID, pod.Status, status)
	if err != nil {
		return err
	}
	if podapi.IsPodPhaseTerminal(status.Phase) {
		r.end()
	}
	return nil
}

// remove is the kubelet's last word: the containers have exited, the object
// may go. The precondition spares a Pod of the same name made meanwhile.
func (s *Simulator) remove(ctx context.Context, pod *v1.Pod) error {
	if pod.DeletionTimestamp != nil && ptr.Deref(pod.DeletionGracePeriodSeconds, 0) == 0 {
		return nil // only finalizers hold it
	}
	err := s.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0),
		Preconditions:      &metav1.Preconditions{UID: &pod.UID},
	})
	if err == nil || errors.IsNotFound(err) || errors.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("delete stopped pod %s: %w", podKey(pod), err)
}

// recordOf finds or makes the record of a Pod; one left by an earlier Pod of
// the same name is dropped.
func (s *Simulator) recordOf(key string, pod *v1.Pod) *podRecord {
	s.mu.Lock()
	r := s.records[key]
	s.mu.Unlock()
	if r != nil && r.uid == pod.UID {
		return r
	}
	s.drop(key)
	r = &podRecord{
		uid:     pod.UID,
		node:    s.nodes[pod.Spec.NodeName],
		machine: newMachine(pod, time.Now()),
		server:  newPodServer(pod),
		warned:  map[string]bool{},
	}
	if pod.Spec.HostNetwork {
		r.ip = r.node.InternalIP
	}
	s.mu.Lock()
	s.records[key] = r
	s.mu.Unlock()
	return r
}

func (s *Simulator) drop(key string) {
	s.mu.Lock()
	r := s.records[key]
	delete(s.records, key)
	s.mu.Unlock()
	if r != nil {
		r.end()
	}
}

func (s *Simulator) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		r.server.close()
	}
}

func (r *podRecord) takeIP(now time.Time) bool {
	ip, ok := r.node.pool.get(now)
	r.ip = ip
	return ok
}

func (r *podRecord) end() {
	r.ended = true
	r.server.close()
	r.node.pool.put(r.ip, time.Now())
}

// warn tells the user once, where they look: in the Pod's events.
func (s *Simulator) warn(r *podRecord, pod *v1.Pod, reason string, err error) {
	if r.warned[err.Error()] {
		return
	}
	r.warned[err.Error()] = true
	s.recorder.Event(pod, v1.EventTypeWarning, reason, err.Error())
}
