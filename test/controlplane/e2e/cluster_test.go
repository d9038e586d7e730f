// Package e2e tests the built binary from outside, as the sandbox uses it.
package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

type ready struct {
	Kubeconfig string
	Users      map[string]string
	UID        string
	PodOctet   int
	Nodes      []struct{ Name, Instance, Zone, ProviderID string }
	PID        int
}

type cluster struct {
	ready
	dir    string
	cmd    *exec.Cmd
	client kubernetes.Interface
}

func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("NEGFLEET_CONTROLPLANE")
	if path == "" {
		t.Skip("NEGFLEET_CONTROLPLANE is not set: build the binary with `make controlplane` and name it there")
	}
	return path
}

// up starts a cluster in dir and waits until it is ready.
func up(t *testing.T, dir string, args ...string) *cluster {
	t.Helper()
	c := &cluster{dir: dir}
	c.cmd = exec.Command(binary(t), append([]string{"up", "--dir", dir, "--name", "test", "--project", "p"}, args...)...)
	c.cmd.Stdout, c.cmd.Stderr = os.Stderr, os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop(t) })
	eventually(t, time.Minute, "ready.json", func() bool {
		data, err := os.ReadFile(filepath.Join(dir, "ready.json"))
		return err == nil && json.Unmarshal(data, &c.ready) == nil && c.PID == c.cmd.Process.Pid
	})
	t.Logf("ready after %v", time.Since(start).Round(time.Millisecond))
	c.client = client(t, c.Kubeconfig)
	return c
}

func client(t *testing.T, kubeconfig string) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	k, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (c *cluster) stop(t *testing.T) {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// processes are those that run in a cluster's directory.
func processes(dir string) []string {
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range dirs {
		if cwd, err := os.Readlink(p + "/cwd"); err == nil && cwd == dir {
			found = append(found, filepath.Base(p))
		}
	}
	return found
}

func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

// get asks a Pod over its loopback twin.
func get(t *testing.T, podIP, path string) (int, string) {
	t.Helper()
	url := "http://" + strings.Replace(podIP, "10.", "127.", 1) + ":8080" + path
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}
