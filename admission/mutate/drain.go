package mutate

import (
	"math"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// defaultGrace is terminationGracePeriodSeconds where a Pod has none.
const defaultGrace = 30

// drain lets the Pod's containers serve on for a while after they were told to stop, so
// that the load balancer has taken the Pod out by then (ingress-gce 583, 769). The grace
// period grows by the sleep: the rest of it belongs to the application, as before.
func (r *Result) drain(p *corev1.Pod, noSleep string, policy time.Duration) {
	seconds := r.drainSeconds(p, policy)
	if seconds == 0 {
		return
	}
	if noSleep != "" {
		r.warn("no drain: %s", noSleep)
		return
	}
	added, asleep := false, false
	for i, c := range p.Spec.Containers {
		switch own := preStop(c); {
		case own == nil:
			r.sleep(i, c, seconds)
			added = true
		case own.Sleep != nil && own.Sleep.Seconds >= seconds:
			asleep = true
		default:
			r.warn("container %s has a preStop hook of its own, which is kept; see that it lasts %d s", c.Name, seconds)
		}
	}
	grace := int64(defaultGrace)
	if g := p.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = *g
	}
	// A container that sleeps already has been here before, or fits by its author's care.
	// One that leaves no room for the sleep is long enough.
	if added && (!asleep || grace <= seconds) && grace <= math.MaxInt64-seconds {
		r.Patch = append(r.Patch, add(grace+seconds, "spec", "terminationGracePeriodSeconds"))
	}
}

// drainSeconds is how long the Pod's own annotation, else the policy, wants it to drain.
func (r *Result) drainSeconds(p *corev1.Pod, policy time.Duration) int64 {
	value, ok := p.Annotations[neg.AnnotationDrain]
	if !ok {
		return int64(policy / time.Second)
	}
	if value == "off" {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > neg.MaxDrain || d%time.Second != 0 {
		r.warn("annotation %s: %q: want whole seconds from 1s to %s, or off; the Pod gets no drain", neg.AnnotationDrain, value, neg.MaxDrain)
		return 0
	}
	return int64(d / time.Second)
}

func preStop(c corev1.Container) *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}

func (r *Result) sleep(i int, c corev1.Container, seconds int64) {
	hook := corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: seconds}}
	container := []string{"spec", "containers", strconv.Itoa(i), "lifecycle"}
	if c.Lifecycle == nil {
		r.Patch = append(r.Patch, add(corev1.Lifecycle{PreStop: &hook}, container...))
		return
	}
	r.Patch = append(r.Patch, add(hook, append(container, "preStop")...))
}
