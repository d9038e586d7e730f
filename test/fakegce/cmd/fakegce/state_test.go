package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asCommand makes this test binary the command itself.
const asCommand = "FAKEGCE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a command that really runs.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	base string
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	addr := filepath.Join(t.TempDir(), "addr")
	cmd := exec.Command(os.Args[0], append(args, "--listen", "127.0.0.1:0", "--addr-file", addr)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	p.base = "http://" + strings.TrimSpace(await(t, addr, "127.0.0.1:"))
	return p
}

// await is what a file says once it says want.
func await(t *testing.T, path, want string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		raw, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(raw), want) {
			return string(raw)
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not say %s: %s, %v", path, want, raw, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (p *process) send(method, path, body string) string {
	p.t.Helper()
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s %s: %s %s %v", method, path, res.Status, raw, err)
	}
	return string(raw)
}

// end ends the process with a signal and returns how.
func (p *process) end(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	return p.cmd.Wait()
}

const groups = "/compute/v1/projects/p1/zones/us-east1-b/networkEndpointGroups"

// TestStateOutlivesKill: what was written before a SIGKILL is there again, and
// what comes just before an orderly end as well.
func TestStateOutlivesKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	p := startProcess(t, "--state", file)
	p.send("POST", "/_emu/seed", `{"instances":[{"project":"p1","zone":"us-east1-b","name":"vm","ip":"10.142.0.2"}]}`)
	p.send("POST", groups, `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT"}`)
	p.send("POST", groups+"/g/attachNetworkEndpoints", `{"networkEndpoints":[{"instance":"vm","port":80}]}`)
	await(t, file, `"port":80`)
	before, members := p.send("GET", groups, ""), p.send("POST", groups+"/g/listNetworkEndpoints", "")
	p.end(os.Kill)

	p = startProcess(t, "--state", file)
	if got := p.send("GET", groups, ""); got != before || !strings.Contains(got, `"size":1`) {
		t.Errorf("groups\n%s\nbefore\n%s", got, before)
	}
	if got := p.send("POST", groups+"/g/listNetworkEndpoints", ""); got != members {
		t.Errorf("members\n%s\nbefore\n%s", got, members)
	}
	p.send("DELETE", groups+"/g", "")
	if err := p.end(os.Interrupt); err != nil {
		t.Error(err)
	}

	p = startProcess(t, "--state", file)
	if got := p.send("GET", groups, ""); strings.Contains(got, "items") {
		t.Errorf("not deleted: %s", got)
	}
	p.send("POST", groups, `{"name":"h","networkEndpointType":"GCE_VM_IP_PORT"}`)
	await(t, file, `"name":"h"`)
	p.send("POST", "/_emu/reset", "")
	await(t, file, `"resources":0,"operations":0}`)
}

// TestBadStateFile: the command says which file is wrong and leaves it alone.
func TestBadStateFile(t *testing.T) {
	for text, want := range map[string]string{
		`{"format":"fakegce","version":99}`: "saved by a newer fakegce: version 99, known up to 1; run that one",
		"{":                                 "damaged: not a saved state of fakegce",
		"":                                  "damaged: not a saved state of fakegce",
	} {
		file := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run(t.Context(), []string{"--state", file, "--listen", "127.0.0.1:0"}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "state file "+file+": "+want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if raw, err := os.ReadFile(file); err != nil || string(raw) != text {
			t.Errorf("the file says %q now, %v", raw, err)
		}
	}
	file := filepath.Join(t.TempDir(), "none", "state")
	if err := run(t.Context(), []string{"--state", file}, io.Discard); err == nil || !strings.Contains(err.Error(), "write state file "+file) {
		t.Errorf("no directory: %v", err)
	}
}
