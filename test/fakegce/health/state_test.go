package health

import (
	"math/rand/v2"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// play feeds results: + is a success, - a failure.
func play(m Machine, results string, t Thresholds) Machine {
	for _, r := range results {
		m = m.Result(r == '+', t)
	}
	return m
}

func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		name             string
		healthy, unhealt int
		results          string
		want             State
	}{
		{"nothing yet", 2, 2, "", Unknown},
		{"one of two", 2, 2, "+", Unknown},
		{"two of two", 2, 2, "++", Healthy},
		{"interrupted", 2, 2, "+-+-+-", Unknown},
		{"first failure at one", 1, 1, "-", Unhealthy},
		{"failures at first", 2, 2, "--", Unhealthy},
		{"one failure is forgiven", 1, 2, "+-", Healthy},
		{"failures in a row", 1, 2, "+--", Unhealthy},
		{"not in a row", 1, 2, "+-+-+-", Healthy},
		{"back again", 2, 1, "++-++", Healthy},
		{"not yet back", 3, 1, "+++-++", Unhealthy},
		{"a long run is no credit", 2, 2, "++++++++++--", Unhealthy},
		{"no thresholds mean one", 0, 0, "+-", Unhealthy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := play(Machine{}, tt.results, Thresholds{tt.healthy, tt.unhealt})
			if got := m.State(noon); got != tt.want {
				t.Errorf("after %q: %s, want %s", tt.results, got, tt.want)
			}
		})
	}
}

// wanted says what a history amounts to without counting along: the last run
// that reached its threshold decides.
func wanted(history []bool, t Thresholds) State {
	for end := len(history); end > 0; end-- {
		start := end
		for start > 0 && history[start-1] == history[end-1] {
			start--
		}
		switch {
		case history[end-1] && end-start >= t.Healthy:
			return Healthy
		case !history[end-1] && end-start >= t.Unhealthy:
			return Unhealthy
		}
	}
	return Unknown
}

func TestStateFollowsThresholds(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		th := Thresholds{1 + random.IntN(10), 1 + random.IntN(10)}
		m, history, bias := Machine{}, []bool{}, random.Float64()
		for range 1 + random.IntN(60) {
			ok := random.Float64() < bias
			history = append(history, ok)
			m = m.Result(ok, th)
			if got, want := m.State(noon), wanted(history, th); got != want {
				t.Fatalf("%+v after %v: %s, want %s", th, history, got, want)
			}
		}
	}
}

func TestForce(t *testing.T) {
	th := Thresholds{1, 1}
	m := play(Machine{}, "+", th).Force(Unhealthy)
	if got := m.State(noon); got != Unhealthy {
		t.Errorf("forced: %s", got)
	}
	if got := play(m, "-+", th).State(noon); got != Unhealthy {
		t.Errorf("results beat the administrator: %s", got)
	}
	if got := play(m, "-", th).Force(Absent).State(noon); got != Unhealthy {
		t.Errorf("released after a failure: %s", got)
	}
	if got := play(m, "-+", th).Force(Absent).State(noon); got != Healthy {
		t.Errorf("released after a success: %s", got)
	}
}

func TestDrain(t *testing.T) {
	th := Thresholds{1, 1}
	m := play(Machine{}, "+", th).Drain(noon.Add(time.Minute))
	for _, tt := range []struct {
		name string
		m    Machine
		at   time.Duration
		want State
	}{
		{"at once", m, 0, Draining},
		{"until the end", m, time.Minute - 1, Draining},
		{"at the end", m, time.Minute, Absent},
		{"results do not count", play(m, "---", th), 0, Draining},
		{"force does not attach", m.Force(Healthy), 0, Draining},
		{"nor bring back", m.Force(Healthy), time.Hour, Absent},
		{"a second detach does not prolong", m.Drain(noon.Add(time.Hour)), time.Minute, Absent},
		{"no timeout", Machine{}.Drain(noon), 0, Absent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.State(noon.Add(tt.at)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
