package nodes

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podapi "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/kubelet/status"
	podutil "k8s.io/kubernetes/pkg/util/pod"
)

// buildStatus is the status the kubelet would report for a Pod at a moment.
//
// The conditions are the kubelet's own: its functions decide ContainersReady
// and Ready from the containers and from the readiness gates. A gate's
// condition belongs to somebody else; it is carried over as it is.
func buildStatus(m *machine, hostIP, podIP string, now time.Time) v1.PodStatus {
	old := &m.pod.Status
	s := *old.DeepCopy()
	s.ObservedGeneration = m.pod.Generation
	s.Phase = m.phase()
	s.HostIP, s.HostIPs = hostIP, []v1.HostIP{{IP: hostIP}}
	s.PodIP, s.PodIPs = podIP, []v1.PodIP{{IP: podIP}}
	if s.StartTime == nil {
		created := metav1.NewTime(m.created)
		s.StartTime = &created
	}
	s.InitContainerStatuses = m.initStatuses(now)
	s.ContainerStatuses = nil
	for _, c := range m.containers {
		if !c.sidecar {
			s.ContainerStatuses = append(s.ContainerStatuses, m.containerStatus(c, now))
		}
	}
	setConditions(m.pod, old, &s, now)
	return s
}

func setConditions(pod *v1.Pod, old, s *v1.PodStatus, now time.Time) {
	all := append(append([]v1.ContainerStatus{}, s.InitContainerStatuses...), s.ContainerStatuses...)
	for _, c := range []v1.PodCondition{
		{
			Type:               v1.PodReadyToStartContainers,
			Status:             toStatus(s.Phase == v1.PodPending || s.Phase == v1.PodRunning),
			ObservedGeneration: pod.Generation,
		},
		status.GeneratePodInitializedCondition(pod, old, all, s.Phase),
		status.GeneratePodReadyCondition(pod, old, s.Conditions, all, s.Phase),
		status.GenerateContainersReadyCondition(pod, old, all, s.Phase),
	} {
		c.LastTransitionTime = metav1.NewTime(now)
		if _, before := podapi.GetPodConditionFromList(old.Conditions, c.Type); before != nil && before.Status == c.Status {
			c.LastTransitionTime = before.LastTransitionTime
		}
		s.Conditions = podutil.ReplaceOrAppendPodCondition(s.Conditions, &c)
	}
}

func toStatus(b bool) v1.ConditionStatus {
	if b {
		return v1.ConditionTrue
	}
	return v1.ConditionFalse
}

func (m *machine) containerStatus(c *container, now time.Time) v1.ContainerStatus {
	started := m.serving(c, now)
	s := v1.ContainerStatus{
		Name:         c.spec.Name,
		Image:        c.spec.Image,
		ImageID:      "simulated://" + c.spec.Image,
		Ready:        m.ready(c, now),
		Started:      &started,
		RestartCount: c.restarts,
	}
	if !c.startedAt.IsZero() {
		s.ContainerID = fmt.Sprintf("simulated://%s-%s-%d", m.pod.UID, c.spec.Name, c.restarts)
	}
	switch {
	case c.running:
		s.State.Running = &v1.ContainerStateRunning{StartedAt: metav1.NewTime(c.startedAt)}
		s.LastTerminationState.Terminated = c.exited
	case c.exited == nil:
		s.State.Waiting = &v1.ContainerStateWaiting{Reason: "ContainerCreating"}
	case m.mayStart(c):
		s.State.Waiting = &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		s.LastTerminationState.Terminated = c.exited
	default:
		s.State.Terminated = c.exited
	}
	return s
}

// initStatuses reports plain init containers as done at once: there is
// nothing for them to prepare. Sidecars are containers like any other.
func (m *machine) initStatuses(now time.Time) []v1.ContainerStatus {
	var statuses []v1.ContainerStatus
	sidecars := m.containers
	for i := range m.pod.Spec.InitContainers {
		spec := &m.pod.Spec.InitContainers[i]
		if isSidecar(spec) {
			statuses = append(statuses, m.containerStatus(sidecars[0], now))
			sidecars = sidecars[1:]
			continue
		}
		at, started := metav1.NewTime(m.created), false
		statuses = append(statuses, v1.ContainerStatus{
			Name: spec.Name, Image: spec.Image, ImageID: "simulated://" + spec.Image,
			ContainerID: fmt.Sprintf("simulated://%s-%s-0", m.pod.UID, spec.Name),
			Ready:       true, Started: &started,
			State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: at, FinishedAt: at,
			}},
		})
	}
	return statuses
}
