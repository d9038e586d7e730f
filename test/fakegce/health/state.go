package health

import "time"

// State is how an endpoint is, in the API's words.
type State string

// Absent is the state of what is not looked at.
const (
	Absent    State = ""
	Unknown   State = "UNKNOWN"
	Healthy   State = "HEALTHY"
	Unhealthy State = "UNHEALTHY"
	Draining  State = "DRAINING"
)

// Thresholds are the results in a row that change a state.
type Thresholds struct {
	Healthy   int
	Unhealthy int
}

// Machine is one endpoint as one backend service sees it. The zero value has
// just been attached.
type Machine struct {
	probed State     // what the results say; empty for UNKNOWN
	run    int       // equal results in a row: successes above zero, failures below
	known  time.Time // from when on the probers know of it
	silent bool      // nothing is reported before that, else UNKNOWN
	forced State     // what an administrator says
	until  time.Time // when it has drained; zero while attached
}

// Result counts one probe. Draining endpoints are not judged.
func (m Machine) Result(ok bool, t Thresholds) Machine {
	if m.Detached() {
		return m
	}
	m.run = extend(m.run, ok, max(t.Healthy, t.Unhealthy))
	switch {
	case m.run >= max(t.Healthy, 1):
		m.probed = Healthy
	case -m.run >= max(t.Unhealthy, 1):
		m.probed = Unhealthy
	}
	return m
}

// extend lengthens a run or starts the opposite one; it stops counting at the
// limit, where more of the same changes nothing.
func extend(run int, ok bool, limit int) int {
	limit = max(limit, 1)
	if ok {
		return min(max(run, 0)+1, limit)
	}
	return max(min(run, 0)-1, -limit)
}

// Blind has it known of only from a time on: whatever is found or forced is not reported
// before.
func (m Machine) Blind(known time.Time, silent bool) Machine {
	m.known, m.silent = known, silent
	return m
}

// Force puts an administrator's word above the results, which go on being
// counted; Absent takes it back.
func (m Machine) Force(to State) Machine {
	m.forced = to
	return m
}

// Drain detaches the endpoint: it is DRAINING until then, whatever is forced.
// What drains already keeps its time.
func (m Machine) Drain(until time.Time) Machine {
	if !m.Detached() {
		m.until = until
	}
	return m
}

// Detached says that the endpoint drains or has drained.
func (m Machine) Detached() bool { return !m.until.IsZero() }

// State is what the backend service reports at a time.
func (m Machine) State(now time.Time) State {
	switch {
	case m.Detached() && now.Before(m.until):
		return Draining
	case m.Detached():
		return Absent
	case now.Before(m.known) && m.silent:
		return Absent
	case now.Before(m.known):
		return Unknown
	case m.forced != Absent:
		return m.forced
	case m.probed != Absent:
		return m.probed
	}
	return Unknown
}
