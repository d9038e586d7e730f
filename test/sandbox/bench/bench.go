//go:build linux

// Package bench measures negfleet on a real control plane: from a write's audit entry to the
// attach in the emulator's timeline, many Services at once, one very large Service. Every
// number stands beside its target; only five times past it fails. Exact counts are tests,
// in shared/reconcile and test/bench.
package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox"
)

// Nodes is how many nodes a measured cluster has: room for 5,000 addresses.
const Nodes = 30

// A Result is one measured number.
type Result struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Target float64 `json:"target"` // 0: none, stated only
	Unit   string  `json:"unit"`
}

func (r Result) failed() bool { return r.Target != 0 && r.Value > 5*r.Target }

// A run is one measured world.
type run struct {
	world   *sandbox.World
	cluster *sandbox.Cluster
	client  kubernetes.Interface
	log     io.Writer
	results []Result
}

func (r *run) add(name string, value, target float64, unit string) {
	r.results = append(r.results, Result{Name: name, Value: value, Target: target, Unit: unit})
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.log, format+"\n", args...) }

// Measure runs the parts whose name holds only, prints a table to out and JSON to machine.
func Measure(ctx context.Context, o sandbox.Options, only string, out, machine io.Writer) error {
	o.Nodes, o.Clusters = Nodes, 1
	var all []Result
	// Each in a world of its own, so that memory and caches are its own too.
	for _, part := range []struct {
		name    string
		measure func(*run, context.Context) error
	}{{"one change at a time", (*run).oneAtATime}, {"5,000 endpoints in one Service", (*run).oneLarge}, {"1,000 new Services at once", (*run).manyAtOnce}} {
		if !strings.Contains(part.name, only) {
			continue
		}
		fmt.Fprintf(out, "\nmeasuring: %s\n", part.name)
		results, err := inWorld(ctx, o, out, func(r *run) error { return part.measure(r, ctx) })
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		all = append(all, results...)
	}
	if err := json.NewEncoder(machine).Encode(all); err != nil {
		return err
	}
	return table(out, all)
}

func inWorld(ctx context.Context, o sandbox.Options, out io.Writer, measure func(*run) error) ([]Result, error) {
	w, err := sandbox.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	r, err := newRun(w, out)
	if err == nil {
		err = measure(r)
	}
	if closed := w.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	return r.results, nil
}

func newRun(w *sandbox.World, out io.Writer) (*run, error) {
	config, err := w.Clusters[0].Config()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	return &run{world: w, cluster: w.Clusters[0], client: client, log: out}, err
}

func (r *run) group(service string) string {
	return neg.GroupName(r.cluster.UID, neg.Key{Cluster: r.cluster.Name, Namespace: namespace, Service: service}, 80)
}

func table(out io.Writer, all []Result) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "\nmeasured\tvalue\ttarget\t\n")
	var failed []string
	for _, r := range all {
		target, verdict := "-", ""
		if r.Target != 0 {
			target, verdict = fmt.Sprintf("%.4g %s", r.Target, r.Unit), "met"
			if r.Value > r.Target {
				verdict = "missed"
			}
		}
		if r.failed() {
			failed, verdict = append(failed, r.Name), "FAILED"
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\t%s\n", r.Name, r.Value, r.Unit, target, verdict)
	}
	t.Flush()
	if len(failed) > 0 {
		return fmt.Errorf("failed: %v", failed)
	}
	return nil
}

// percentile of a set of durations, in milliseconds.
func percentile(ds []time.Duration, p float64) float64 {
	slices.Sort(ds)
	return ms(ds[min(len(ds)-1, int(p*float64(len(ds))))])
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
