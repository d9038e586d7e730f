package nodes

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	exitKilled = 137 // SIGKILL, when the grace period ran out

	// The kubelet's restart back-off: the first restart is immediate, then
	// 10 s doubling to 5 min, forgotten after 10 min of running.
	backoffFirst  = 10 * time.Second
	backoffMost   = 5 * time.Minute
	backoffForget = 10 * time.Minute
)

// container is one simulated container.
type container struct {
	spec    *v1.Container
	sidecar bool

	startedAt time.Time // when it last started
	running   bool
	waitUntil time.Time // when it may start again
	restarts  int32
	backoff   time.Duration
	exited    *v1.ContainerStateTerminated // its latest exit, nil before the first
}

// machine is the containers of one Pod. It knows no clock and no API: step
// moves it to a given moment and says when to look again.
type machine struct {
	pod        *v1.Pod
	behaviour  Behaviour
	created    time.Time
	containers []*container

	stopping  bool
	stoppedAt time.Time // when it was told to stop
	grace     time.Duration
}

func newMachine(pod *v1.Pod, now time.Time) *machine {
	m := &machine{created: now}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if isSidecar(c) {
			m.containers = append(m.containers, &container{spec: c, sidecar: true, waitUntil: now})
		}
	}
	for i := range pod.Spec.Containers {
		m.containers = append(m.containers, &container{spec: &pod.Spec.Containers[i], waitUntil: now})
	}
	return m
}

func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}

// step brings every container to the moment now and returns the next moment
// at which something will happen by itself; zero if nothing will.
func (m *machine) step(pod *v1.Pod, b Behaviour, now time.Time) time.Time {
	m.pod, m.behaviour = pod, b
	m.noteDeletion(pod, now)
	var next time.Time
	for _, c := range m.containers {
		m.stepContainer(c, now)
		for _, t := range m.moments(c) {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	m.stopSidecars(now)
	return next
}

// noteDeletion remembers when the Pod was told to stop. A second delete may
// shorten the grace period; it counts from when it was seen.
func (m *machine) noteDeletion(pod *v1.Pod, now time.Time) {
	if pod.DeletionTimestamp == nil {
		return
	}
	var grace time.Duration
	if pod.DeletionGracePeriodSeconds != nil {
		grace = time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
	}
	if !m.stopping {
		m.stopping, m.stoppedAt, m.grace = true, now, grace
		return
	}
	if elapsed := now.Sub(m.stoppedAt); elapsed+grace < m.grace {
		m.grace = elapsed + grace
	}
}

func (m *machine) stepContainer(c *container, now time.Time) {
	if c.running {
		if at, code := m.exit(c); !at.IsZero() && !now.Before(at) {
			c.terminate(at, code)
		}
	}
	// Not in an else: a container that crashed is restarted in the same step.
	if !c.running && m.mayStart(c) && !now.Before(c.waitUntil) {
		c.start(now)
	}
}

// exit is when and how a running container will end; a zero time: never.
func (m *machine) exit(c *container) (time.Time, int32) {
	var at time.Time
	var code int32
	if d := m.behaviour.CompleteAfter; d > 0 {
		at = c.startedAt.Add(d)
	}
	if d := m.behaviour.CrashAfter; d > 0 {
		if crash := c.startedAt.Add(d); at.IsZero() || crash.Before(at) {
			at, code = crash, 1
		}
	}
	if m.stopping {
		if stop, killed := m.stopAt(c); at.IsZero() || stop.Before(at) {
			at, code = stop, 0
			if killed {
				code = exitKilled
			}
		}
	}
	return at, code
}

// stopAt is when a container that was told to stop exits: after its preStop
// hook and the drain delay, and when the grace period ends at the latest.
func (m *machine) stopAt(c *container) (at time.Time, killed bool) {
	wants := preStop(c.spec) + m.behaviour.DrainDelay
	if wants > m.grace {
		return m.stoppedAt.Add(m.grace), true
	}
	return m.stoppedAt.Add(wants), false
}

// mayStart applies the restart policy.
func (m *machine) mayStart(c *container) bool {
	switch {
	case m.stopping:
		return false
	case c.sidecar:
		return !m.done(false)
	case c.exited == nil:
		return true
	case m.pod.Spec.RestartPolicy == v1.RestartPolicyNever:
		return false
	case m.pod.Spec.RestartPolicy == v1.RestartPolicyOnFailure:
		return c.exited.ExitCode != 0
	}
	return true
}

func (c *container) start(now time.Time) {
	if c.exited != nil {
		c.restarts++
	}
	c.running, c.startedAt = true, now
}

func (c *container) terminate(at time.Time, code int32) {
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	c.running = false
	c.exited = &v1.ContainerStateTerminated{
		ExitCode: code, Reason: reason,
		StartedAt: metav1.NewTime(c.startedAt), FinishedAt: metav1.NewTime(at),
	}
	if at.Sub(c.startedAt) >= backoffForget {
		c.backoff = 0
	}
	c.waitUntil = at.Add(c.backoff)
	c.backoff = min(max(2*c.backoff, backoffFirst), backoffMost)
}

// stopSidecars ends the sidecars of a Pod whose own containers are all done.
func (m *machine) stopSidecars(now time.Time) {
	if !m.done(false) {
		return
	}
	for _, c := range m.containers {
		if c.sidecar && c.running {
			c.terminate(now, 0)
		}
	}
}

// moments are the times at which a container changes by itself.
func (m *machine) moments(c *container) []time.Time {
	if !c.running {
		if m.mayStart(c) {
			return []time.Time{c.waitUntil}
		}
		return nil
	}
	exit, _ := m.exit(c)
	return []time.Time{
		exit,
		c.startedAt.Add(m.behaviour.StartDelay),
		c.startedAt.Add(m.behaviour.readyDelay(c.spec)),
	}
}

// ready is what the container's readiness probe says.
func (m *machine) ready(c *container, now time.Time) bool {
	return c.running && !m.behaviour.NeverReady && !m.behaviour.failsProbe(c.spec) &&
		!now.Before(c.startedAt.Add(m.behaviour.readyDelay(c.spec)))
}

// serving says whether the container's ports are open.
func (m *machine) serving(c *container, now time.Time) bool {
	return c.running && !now.Before(c.startedAt.Add(m.behaviour.StartDelay))
}

// done says whether the Pod's containers have ended for good; with all, the
// sidecars too.
func (m *machine) done(all bool) bool {
	for _, c := range m.containers {
		if c.sidecar && !all {
			continue
		}
		if c.running || m.mayStart(c) {
			return false
		}
	}
	return true
}

// phase is the Pod's phase as the kubelet derives it from its containers.
func (m *machine) phase() v1.PodPhase {
	if m.done(true) {
		return m.finalPhase()
	}
	for _, c := range m.containers {
		if !c.running && c.exited == nil {
			return v1.PodPending
		}
	}
	return v1.PodRunning
}

func (m *machine) finalPhase() v1.PodPhase {
	for _, c := range m.containers {
		if !c.sidecar && (c.exited == nil || c.exited.ExitCode != 0) {
			return v1.PodFailed
		}
	}
	return v1.PodSucceeded
}
