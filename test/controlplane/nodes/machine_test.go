package nodes

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func testPod(edit ...func(*v1.Pod)) *v1.Pod {
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "u"},
		Spec: v1.PodSpec{
			RestartPolicy: v1.RestartPolicyAlways,
			Containers: []v1.Container{{
				Name: "web", Image: "web:1", Ports: []v1.ContainerPort{{ContainerPort: 8080}},
			}},
		},
	}
	for _, f := range edit {
		f(pod)
	}
	return pod
}

func deleted(grace int64) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.DeletionTimestamp = ptr.To(metav1.NewTime(epoch))
		p.DeletionGracePeriodSeconds = ptr.To(grace)
	}
}

func policy(p v1.RestartPolicy) func(*v1.Pod) {
	return func(pod *v1.Pod) { pod.Spec.RestartPolicy = p }
}

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func condition(s v1.PodStatus, kind v1.PodConditionType) v1.PodCondition {
	for _, c := range s.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return v1.PodCondition{}
}

func TestPlainPodIsReadyAtOnce(t *testing.T) {
	m := newMachine(testPod(), epoch)
	if next := m.step(testPod(), Behaviour{}, epoch); !next.IsZero() {
		t.Errorf("next look: got %v, want none", next)
	}
	s := buildStatus(m, "10.64.255.1", "10.64.0.1", epoch)
	if s.Phase != v1.PodRunning || s.PodIP != "10.64.0.1" || condition(s, v1.PodReady).Status != v1.ConditionTrue {
		t.Errorf("got %+v", s)
	}
	if !m.servedPorts(epoch)[8080] {
		t.Error("port is closed")
	}
}

func TestStartDelay(t *testing.T) {
	b := Behaviour{StartDelay: 5 * time.Second}
	m := newMachine(testPod(), epoch)
	if next := m.step(testPod(), b, epoch); !next.Equal(at(5)) {
		t.Errorf("next look: got %v", next)
	}
	if s := buildStatus(m, "", "", epoch); s.Phase != v1.PodRunning || condition(s, v1.PodReady).Status != v1.ConditionFalse {
		t.Errorf("before the delay: got %+v", s)
	}
	if len(m.servedPorts(at(4))) != 0 || !m.servedPorts(at(5))[8080] {
		t.Error("port does not open at the delay")
	}
}

func TestReadinessGate(t *testing.T) {
	pod := testPod(func(p *v1.Pod) {
		p.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "gate"}}
	})
	m := newMachine(pod, epoch)
	m.step(pod, Behaviour{}, epoch)
	s := buildStatus(m, "", "", epoch)
	if c := condition(s, v1.PodReady); c.Status != v1.ConditionFalse || c.Reason != "ReadinessGatesNotReady" {
		t.Errorf("unset gate: got %+v", c)
	}
	if condition(s, "gate").Type != "" {
		t.Error("the gate's condition was written")
	}
	pod = pod.DeepCopy()
	s.Conditions = append(s.Conditions, v1.PodCondition{Type: "gate", Status: v1.ConditionTrue})
	pod.Status = s
	m.step(pod, Behaviour{}, at(9))
	s = buildStatus(m, "", "", at(9))
	if c := condition(s, v1.PodReady); c.Status != v1.ConditionTrue || !c.LastTransitionTime.Time.Equal(at(9)) {
		t.Errorf("set gate: got %+v", c)
	}
	if c := condition(s, v1.ContainersReady); !c.LastTransitionTime.Time.Equal(epoch) {
		t.Errorf("containers ready moved without cause: %+v", c)
	}
}

func TestCrashLoopBacksOff(t *testing.T) {
	b := Behaviour{CrashAfter: 2 * time.Second}
	m := newMachine(testPod(), epoch)
	m.step(testPod(), b, epoch)
	m.step(testPod(), b, at(2)) // crashes and is restarted at once
	c := m.containers[0]
	if !c.running || c.restarts != 1 || c.exited.ExitCode != 1 {
		t.Fatalf("first crash: got %+v", c)
	}
	next := m.step(testPod(), b, at(4)) // crashes again and waits
	if c.running || !next.Equal(at(14)) {
		t.Errorf("second crash: running %v, next look %v", c.running, next)
	}
	s := buildStatus(m, "", "", at(5))
	if w := s.ContainerStatuses[0].State.Waiting; w == nil || w.Reason != "CrashLoopBackOff" || s.Phase != v1.PodRunning {
		t.Errorf("while waiting: got %+v", s)
	}
	m.step(testPod(), b, at(14))
	if !c.running || c.restarts != 2 {
		t.Errorf("after waiting: got %+v", c)
	}
}

func TestRestartPolicies(t *testing.T) {
	for _, test := range []struct {
		policy v1.RestartPolicy
		b      Behaviour
		want   v1.PodPhase
	}{
		{v1.RestartPolicyNever, Behaviour{CrashAfter: time.Second}, v1.PodFailed},
		{v1.RestartPolicyNever, Behaviour{CompleteAfter: time.Second}, v1.PodSucceeded},
		{v1.RestartPolicyOnFailure, Behaviour{CompleteAfter: time.Second}, v1.PodSucceeded},
		{v1.RestartPolicyOnFailure, Behaviour{CrashAfter: time.Second}, v1.PodRunning},
		{v1.RestartPolicyAlways, Behaviour{CompleteAfter: time.Second}, v1.PodRunning},
	} {
		pod := testPod(policy(test.policy))
		m := newMachine(pod, epoch)
		m.step(pod, test.b, epoch)
		m.step(pod, test.b, at(1))
		if got := m.phase(); got != test.want {
			t.Errorf("%s %+v: got %s, want %s", test.policy, test.b, got, test.want)
		}
	}
}

func TestStopping(t *testing.T) {
	sleep := func(p *v1.Pod) {
		p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{
			PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 4}},
		}
	}
	for name, test := range map[string]struct {
		pod      *v1.Pod
		b        Behaviour
		stop     int
		exitCode int32
	}{
		"at once":            {testPod(deleted(30)), Behaviour{}, 0, 0},
		"drain":              {testPod(deleted(30)), Behaviour{DrainDelay: 3 * time.Second}, 3, 0},
		"preStop then drain": {testPod(deleted(30), sleep), Behaviour{DrainDelay: 3 * time.Second}, 7, 0},
		"grace period ends":  {testPod(deleted(5), sleep), Behaviour{DrainDelay: 3 * time.Second}, 5, exitKilled},
		"no grace":           {testPod(deleted(0)), Behaviour{DrainDelay: time.Hour}, 0, exitKilled},
	} {
		alive := test.pod.DeepCopy()
		alive.DeletionTimestamp = nil
		m := newMachine(alive, epoch)
		m.step(alive, test.b, epoch)
		next := m.step(test.pod, test.b, epoch)
		if test.stop > 0 && (!next.Equal(at(test.stop)) || !m.servedPorts(at(test.stop - 1))[8080]) {
			t.Errorf("%s: next look %v, want %v and to serve until then", name, next, at(test.stop))
		}
		m.step(test.pod, test.b, at(test.stop))
		if !m.done(true) || m.containers[0].exited.ExitCode != test.exitCode {
			t.Errorf("%s: got %+v", name, m.containers[0])
		}
	}
}

func TestShorterGrace(t *testing.T) {
	b := Behaviour{DrainDelay: time.Minute}
	m := newMachine(testPod(), epoch)
	m.step(testPod(), b, epoch)
	m.step(testPod(deleted(60)), b, at(1))
	if next := m.step(testPod(deleted(2)), b, at(10)); !next.Equal(at(12)) {
		t.Errorf("next look: got %v, want %v", next, at(12))
	}
}

func TestSidecarEndsWithThePod(t *testing.T) {
	pod := testPod(policy(v1.RestartPolicyNever), func(p *v1.Pod) {
		p.Spec.InitContainers = []v1.Container{
			{Name: "setup"},
			{Name: "proxy", RestartPolicy: ptr.To(v1.ContainerRestartPolicyAlways)},
		}
	})
	b := Behaviour{CompleteAfter: time.Second}
	m := newMachine(pod, epoch)
	m.step(pod, b, epoch)
	s := buildStatus(m, "", "", epoch)
	if len(s.InitContainerStatuses) != 2 || s.InitContainerStatuses[1].State.Running == nil ||
		condition(s, v1.PodInitialized).Status != v1.ConditionTrue {
		t.Errorf("at the start: got %+v", s.InitContainerStatuses)
	}
	m.step(pod, b, at(1))
	if m.phase() != v1.PodSucceeded {
		t.Errorf("at the end: got %s", m.phase())
	}
}

func TestProbePathIsUnhealthy(t *testing.T) {
	pod := testPod(func(p *v1.Pod) {
		p.Spec.Containers[0].ReadinessProbe = &v1.Probe{
			InitialDelaySeconds: 3,
			ProbeHandler:        v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/healthz?full"}},
		}
	})
	m := newMachine(pod, epoch)
	if next := m.step(pod, Behaviour{}, epoch); !next.Equal(at(3)) || m.ready(m.containers[0], at(2)) {
		t.Errorf("initial delay: next look %v", next)
	}
	if !m.ready(m.containers[0], at(3)) {
		t.Error("not ready after the initial delay")
	}
	m.step(pod, Behaviour{UnhealthyPath: "/healthz"}, at(4))
	if m.ready(m.containers[0], at(4)) {
		t.Error("ready although its probe fails")
	}
}
