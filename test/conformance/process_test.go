package conformance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

// process is a fakegce in a process of its own, and this test's binary run against it as
// people run it against a project.
type process struct {
	*testing.T
	url string
}

// startProcess runs a fakegce until the test ends.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and starts processes; skipped by -short")
	}
	cmd := exec.Command(binary(t), append([]string{"--listen", "127.0.0.1:0"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`http://[^/]+`).FindString(line)
	if url == "" {
		t.Fatalf("no address in %q", line)
	}
	return &process{t, url}
}

// binary is the emulator's program, built unless make has.
func binary(t *testing.T) string {
	t.Helper()
	if built := os.Getenv("NEGFLEET_BIN"); built != "" {
		return filepath.Join(built, "fakegce")
	}
	path := filepath.Join(t.TempDir(), "fakegce")
	build := exec.Command("go", "build", "-o", path, "../fakegce/cmd/fakegce")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// project is TestProject with flags, to be started.
func (p *process) project(args ...string) (*exec.Cmd, *bytes.Buffer) {
	p.Helper()
	self, err := os.Executable()
	if err != nil {
		p.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"-test.run=^TestProject$", "-project=p1", "-zone=europe-west1-b", "-endpoint=" + p.url, "-patience=500ms"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

func (p *process) passes(args ...string) string {
	p.Helper()
	cmd, out := p.project(args...)
	if err := cmd.Run(); err != nil {
		p.Fatalf("%v\n%s", err, out)
	}
	return out.String()
}

func (p *process) left() []string {
	p.Helper()
	target := Target{Project: "p1", Zone: "europe-west1-b", Options: []option.ClientOption{
		option.WithEndpoint(fakegce.ComputeEndpoint(p.url)), option.WithoutAuthentication(),
	}}
	return newWorld(p.T, target, "looks").everything()
}

func TestProjectWithoutInstance(t *testing.T) {
	p := startProcess(t, "--detach-absent", "idempotent")
	table := p.passes()
	for _, want := range []string{
		"what differs: 2 of ",
		"* detach-absent                 idempotent\n        the emulator's default: notFound\n",
		"* text: detach absent           accepted\n",
		"  instance-echo                 not seen: no instance was named\n",
		"  attach-existing               invalid\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if left := p.left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestProjectWithInstance: the instance really serves, where probes of it are sent to.
func TestProjectWithInstance(t *testing.T) {
	serving := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	listener, err := net.Listen("tcp", "127.132.0.2:0")
	if err != nil {
		t.Skipf("no address of 127.0.0.0/8 but the first: %v", err)
	}
	serving.Listener.Close()
	serving.Listener = listener
	serving.Start()
	defer serving.Close()
	p := startProcess(t, "--instance-echo", "name", "--probe", "10.132.0.0/16=127.132.0.0/16")
	seed := fakegce.Seed{Instances: []fakegce.Instance{{Project: "p1", Zone: "europe-west1-b", Name: "vm-1", IP: "10.132.0.2"}}}
	if err := (&admin.Client{Base: p.url}).Seed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	table := p.passes("-instance=vm-1", fmt.Sprintf("-serving-port=%d", listener.Addr().(*net.TCPAddr).Port))
	for _, want := range []string{
		`what differs: 2 of `,
		`\* instance-echo                 name\n        the emulator's default: url\n`,
		`\* time-to-healthy               [0-9]s\n`,
		`  text: address of nobody       invalid: Invalid value for field 'resource.ipAddress': '192.0.2.7'`,
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("no %s in\n%s", want, table)
		}
	}
	if left := p.left(); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// runs starts TestProject and returns when it has made some groups and not deleted them.
func (p *process) runs() (*exec.Cmd, *bytes.Buffer) {
	p.Helper()
	cmd, out := p.project()
	if err := cmd.Start(); err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	emulator := &admin.Client{Base: p.url}
	for there, since := 0, uint64(0); there < 2; {
		list, err := emulator.Timeline(ctx, since, 10*time.Second)
		if err != nil {
			p.Fatalf("%v\n%s", err, out)
		}
		for _, transition := range list {
			since = transition.Seq
			switch transition.Event {
			case "created":
				there++
			case "deleted":
				there--
			}
		}
	}
	return cmd, out
}

func TestProjectInterrupted(t *testing.T) {
	p := startProcess(t, "--op-latency", "300ms")
	cmd, out := p.runs()
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err == nil || strings.Contains(out.String(), "what differs") {
		t.Errorf("%v\n%s", err, out)
	}
	if left := p.left(); len(left) > 0 {
		t.Errorf("left %v\n%s", left, out)
	}
}

// TestProjectSwept: what a killed run left goes when it is old enough.
func TestProjectSwept(t *testing.T) {
	p := startProcess(t, "--op-latency", "300ms")
	cmd, _ := p.runs()
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	before := p.left()
	if out := p.passes("-sweep"); len(before) == 0 || strings.Contains(out, "removed") {
		t.Errorf("of %v:\n%s", before, out)
	}
	out := p.passes("-sweep", "-older=1ms")
	// One that the killed run was deleting may go by itself meanwhile.
	removed := func(path string) bool { return strings.Contains(out, "removed "+path+"\n") }
	if left := p.left(); len(left) > 0 || !slices.ContainsFunc(before, removed) {
		t.Errorf("left %v of %v:\n%s", left, before, out)
	}
}
