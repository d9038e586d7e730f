package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"text/tabwriter"
)

var outFlag = flag.String("bench-out", "", "measure times and sizes too, and append a JSON line for each number to this file")

// A result is one measured number.
type result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Target float64 `json:"target"` // 0: none, stated only
	Unit   string  `json:"unit"`
	Exact  bool    `json:"exact"` // a count: past the target is a failure
	Least  bool    `json:"least"` // a rate: the target is the least, not the most
}

// met tells whether the value is within factor times its target.
func (r result) met(factor float64) bool {
	switch {
	case r.Target == 0:
		return true
	case r.Least:
		return r.Value >= r.Target/factor
	}
	return r.Value <= r.Target*factor
}

func (r result) failed() bool {
	if r.Exact {
		return !r.met(1)
	}
	return !r.met(5)
}

var results struct {
	mu  sync.Mutex
	all []result
}

func measured(t *testing.T, name string, value, target float64, unit string) {
	t.Helper()
	record(t, result{Name: name, Value: value, Target: target, Unit: unit})
}

func counted(t *testing.T, name string, value, target int) {
	t.Helper()
	record(t, result{Name: name, Value: float64(value), Target: float64(target), Unit: "calls", Exact: true})
}

func rate(t *testing.T, name string, value, target float64, unit string) {
	t.Helper()
	record(t, result{Name: name, Value: value, Target: target, Unit: unit, Least: true})
}

func record(t *testing.T, r result) {
	t.Helper()
	results.mu.Lock()
	defer results.mu.Unlock()
	results.all = append(results.all, r)
	if r.failed() {
		t.Errorf("%s: %.4g %s, the target is %.4g", r.Name, r.Value, r.Unit, r.Target)
	}
}

// timed skips what is measured on request alone.
func timed(t *testing.T) {
	t.Helper()
	if *outFlag == "" {
		t.Skip("measured with -bench-out")
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	if work := os.Getenv(childEnv); work != "" {
		os.Exit(child(work))
	}
	if os.Getenv(gatesEnv) != "" {
		os.Exit(gatesChild())
	}
	code := m.Run()
	if err := write(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func write() error {
	if len(results.all) == 0 || !testing.Verbose() && *outFlag == "" {
		return nil
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "measured\tvalue\ttarget\t")
	for _, r := range results.all {
		target, verdict := "-", ""
		if r.Target != 0 {
			target, verdict = fmt.Sprintf("%.4g %s", r.Target, r.Unit), "met"
		}
		if !r.met(1) {
			verdict = "missed"
		}
		fmt.Fprintf(table, "%s\t%.4g %s\t%s\t%s\n", r.Name, r.Value, r.Unit, target, verdict)
	}
	if err := table.Flush(); err != nil || *outFlag == "" {
		return err
	}
	out, err := os.OpenFile(*outFlag, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	lines := json.NewEncoder(out)
	for _, r := range results.all {
		if err := lines.Encode(r); err != nil {
			return err
		}
	}
	return nil
}
