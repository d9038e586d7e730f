package nodes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
)

// Prefix starts every annotation that the simulator reads.
const Prefix = "sandbox.negfleet.dev/"

// LostAnnotation on a Node, "true", takes that node away.
const LostAnnotation = Prefix + "lost"

// Behaviour is how the containers of one Pod behave. It is read again at
// every look at the Pod, so annotating a running Pod changes it.
type Behaviour struct {
	StartDelay    time.Duration // start-delay: the port opens this long after the container runs
	NeverReady    bool          // never-ready: answers 503 everywhere and never becomes ready
	UnhealthyPath string        // unhealthy-path: answers 503 on this path
	CrashAfter    time.Duration // crash-after: exits with 1 this long after it started
	CompleteAfter time.Duration // complete-after: exits with 0 this long after it started
	DrainDelay    time.Duration // drain-delay: serves on this long once told to stop
}

// ParseBehaviour reads a Pod's annotations. What it cannot read it reports
// and leaves out: a typing error must not stop the Pod.
func ParseBehaviour(annotations map[string]string) (Behaviour, []error) {
	var b Behaviour
	var errs []error
	for key, value := range annotations {
		name, ours := strings.CutPrefix(key, Prefix)
		if !ours {
			continue
		}
		if err := b.set(name, value); err != nil {
			errs = append(errs, fmt.Errorf("annotation %s: %w", key, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return b, errs
}

func (b *Behaviour) set(name, value string) (err error) {
	switch name {
	case "start-delay":
		b.StartDelay, err = duration(value)
	case "never-ready":
		b.NeverReady, err = strconv.ParseBool(value)
	case "unhealthy-path":
		if !strings.HasPrefix(value, "/") {
			return fmt.Errorf("%q: want a path that starts with /", value)
		}
		b.UnhealthyPath = value
	case "crash-after":
		b.CrashAfter, err = duration(value)
	case "complete-after":
		b.CompleteAfter, err = duration(value)
	case "drain-delay":
		b.DrainDelay, err = duration(value)
	default:
		return fmt.Errorf("no such behaviour")
	}
	return err
}

func duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q: want a duration that is not negative", value)
	}
	if err != nil {
		return 0, err
	}
	return d, nil
}

// sleepCommand matches the exec hooks that people write for what is now the
// sleep hook: "sleep 10", and the same inside a shell.
var sleepCommand = regexp.MustCompile(`^(?:(?:/bin/)?(?:ba)?sh -c )?(?:/bin/)?sleep (\d+)s?$`)

// preStop is how long a container's preStop hook takes.
func preStop(c *v1.Container) time.Duration {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return 0
	}
	hook := c.Lifecycle.PreStop
	if hook.Sleep != nil {
		return time.Duration(hook.Sleep.Seconds) * time.Second
	}
	if hook.Exec == nil {
		return 0
	}
	m := sleepCommand.FindStringSubmatch(strings.Join(hook.Exec.Command, " "))
	if m == nil {
		return 0
	}
	seconds, _ := strconv.Atoi(m[1])
	return time.Duration(seconds) * time.Second
}

// readyDelay is how long after its start a container can first be ready.
func (b Behaviour) readyDelay(c *v1.Container) time.Duration {
	delay := b.StartDelay
	if p := c.ReadinessProbe; p != nil {
		delay = max(delay, time.Duration(p.InitialDelaySeconds)*time.Second)
	}
	return delay
}

// failsProbe says whether a container's own readiness probe would see an
// unhealthy answer.
func (b Behaviour) failsProbe(c *v1.Container) bool {
	p := c.ReadinessProbe
	if p == nil || p.HTTPGet == nil || b.UnhealthyPath == "" {
		return false
	}
	path, _, _ := strings.Cut(p.HTTPGet.Path, "?")
	return path == b.UnhealthyPath
}
