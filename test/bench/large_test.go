package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/functions/reconcile"
	looks "github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/telemetry"
)

const large = 5000

// TestLarge has a process of its own look at 5,000 endpoints twice: first it attaches all,
// then there is nothing to do.
func TestLarge(t *testing.T) {
	timed(t)
	w := newWorld(t, 30, nil)
	w.deploy("large", large)
	w.serve("large")
	var got report
	w.check(w.inChild(&got))
	if n := w.attached()[w.group("large")]; n["us-central1-a"]+n["us-central1-b"]+n["us-central1-c"] != large {
		t.Errorf("attached %v", n)
	}
	measured(t, "large-look", got.First.Seconds(), 3, "s")
	measured(t, "large-look-idle", got.Second.Seconds(), 3, "s")
	measured(t, "large-rss", got.PeakMiB, 200, "MiB")
	measured(t, "large-rss-before", got.StartMiB, 0, "MiB")
}

const childEnv = "NEGFLEET_BENCH_CHILD"

// A report is what a child says about its looks.
type report struct {
	First, Second     time.Duration
	StartMiB, PeakMiB float64
}

// inChild runs this program again as nothing but the function.
func (w *world) inChild(into *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(w.t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"=large")
	for name, value := range w.Instances[0].Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("child: %w", err)
	}
	return json.Unmarshal(out, into)
}

// child does one piece of work and reports: "sweep", or two looks at the Service of that name.
func child(work string) int {
	var r any
	var err error
	if work == "sweep" {
		r, err = sweepChild()
	} else {
		r, err = twice(work)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func twice(service string) (r report, err error) {
	f, err := reconcile.FromEnv(os.Getenv, telemetry.New(io.Discard, 0))
	if err != nil {
		return r, err
	}
	if r.StartMiB, err = peak(); err != nil {
		return r, err
	}
	for _, took := range []*time.Duration{&r.First, &r.Second} {
		started := time.Now()
		if _, err = f.Look(context.Background(), key(service), looks.Turn{Began: func() {}, Rereads: func() {}}); err != nil {
			return r, err
		}
		*took = time.Since(started)
	}
	r.PeakMiB, err = peak()
	return r, err
}

// peak is the most memory that this process ever held.
func peak() (mib float64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return float64(kib) / 1024, err
}
