package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/stage/tree"
)

// starts is how often each program is started; the median counts.
const starts = 9

// TestColdStart starts the program of each deployment, made of its staged tree as the
// buildpack makes it, and asks as soon as it listens. The first answer is to a message that
// nobody can read, or to a path that nobody knows: the process, its environment and the fleet
// file, and no call to a cluster or the cloud.
func TestColdStart(t *testing.T) {
	timed(t)
	const root = "../.."
	list, err := tree.Functions(root)
	if err != nil {
		t.Fatal(err)
	}
	built := map[string]string{} // programs by package
	for _, f := range list {
		if built[f.Package] == "" {
			built[f.Package] = buildFunction(t, root, f)
		}
		measureStart(t, f, built[f.Package])
	}
}

// buildFunction stages and builds, and states the program's size.
func buildFunction(t *testing.T, root string, f tree.Function) string {
	t.Helper()
	dir, program := filepath.Join(t.TempDir(), f.Name), filepath.Join(t.TempDir(), f.Name)
	if err := tree.Stage(t.Context(), root, f.Name, dir); err != nil {
		t.Fatal(err)
	}
	path, err := tree.Go(t.Context(), dir, "list", "-m")
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Build(t.Context(), dir, path, program); err != nil {
		t.Fatal(err)
	}
	packages, err := tree.Packages(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	measured(t, "start-"+f.Name+"-program", float64(info.Size())/1e6, 0, "MB")
	measured(t, "start-"+f.Name+"-packages", float64(packages), 0, "packages")
	return program
}

const startFleet = `version: 1
project: my-project
network: n
subnetwork: s
clusters:
- name: one
  uid: 87283654-ec2f-4d45-a6a2-9d879f3f4151
  connect: {gke: projects/my-project/locations/europe-west1/clusters/one}
`

func measureStart(t *testing.T, f tree.Function, program string) {
	t.Helper()
	fleet := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(fleet, []byte(startFleet), 0o600); err != nil {
		t.Fatal(err)
	}
	path, want, accept := "/", http.StatusNoContent, "push"
	switch {
	case f.Access == "public":
		path, want, accept = "/v1/one/wrong", http.StatusNotFound, "audit"
	case strings.Contains(f.Receives, "/clusters"):
		path = "/clusters"
	}
	env := []string{
		"FUNCTION_TARGET=" + f.Entry, "NEGFLEET_FLEET=" + fleet, "NEGFLEET_EVENTS_ACCEPT=" + accept, "PUBSUB_PROJECT_ID=my-project",
		"NEGFLEET_CALLER_KEYS=" + webhookKey, "PUBSUB_EMULATOR_HOST=127.0.0.1:1",
	}
	var took []time.Duration
	var peak []float64
	for range starts {
		d, rss := firstAnswer(t, program, env, path, want)
		took, peak = append(took, d), append(peak, rss)
	}
	slices.Sort(took)
	slices.Sort(peak)
	measured(t, "start-"+f.Name+"-answer", milliseconds(took[starts/2]), 100, "ms")
	measured(t, "start-"+f.Name+"-rss", peak[starts/2], 0, "MiB")
}

// firstAnswer is how long a new process takes to answer, and the memory that it holds then.
func firstAnswer(t *testing.T, program string, env []string, path string, want int) (time.Duration, float64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // only its number was wanted
	ctx, cancel := context.WithCancel(t.Context())
	c := exec.CommandContext(ctx, program)
	c.Env = append(env, "PORT="+address[strings.LastIndexByte(address, ':')+1:])
	began := time.Now()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = c.Wait() }() // it is killed
	client := &http.Client{Timeout: patience}
	for {
		answer, err := client.Post("http://"+address+path, "application/json", strings.NewReader("no message"))
		if err == nil {
			answer.Body.Close()
			took := time.Since(began)
			if answer.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
			}
			return took, rss(t, c.Process.Pid)
		}
		if time.Since(began) > patience {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

// rss is the resident memory of a process in MiB, where the system tells.
func rss(t *testing.T, pid int) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("this system does not tell a process's memory: %v", err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			kb, err := strconv.ParseFloat(string(bytes.Fields(rest)[0]), 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb / 1024
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
