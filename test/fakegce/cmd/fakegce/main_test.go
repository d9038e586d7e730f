package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestServesUntilStopped: the address file appears whole, and a wait that is
// held does not keep the program from stopping.
func TestServesUntilStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	file := filepath.Join(t.TempDir(), "addr")
	stopped := make(chan error)
	go func() { stopped <- run(ctx, []string{"--listen", "127.0.0.1:0", "--addr-file", file}) }()
	var addr []byte
	for err := error(os.ErrNotExist); err != nil; addr, err = os.ReadFile(file) {
		select {
		case err := <-stopped:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	res, err := http.Get("http://" + strings.TrimSpace(string(addr)) + "/compute/v1/projects/p1")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Error(res.Status)
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestFlags(t *testing.T) {
	c, err := parse(strings.Fields("--listen :1 --op-latency 2s --attach-existing idempotent --detach-absent invalid --instance-echo name --neg-quota 7 --manual-clock"))
	if err != nil {
		t.Fatal(err)
	}
	if c.OpLatency != 2*time.Second || c.AttachExisting != fakegce.Idempotent || c.DetachAbsent != fakegce.Invalid ||
		c.InstanceEcho != "name" || c.NEGQuota != 7 || c.CommitAt != "done" || c.Clock == nil {
		t.Errorf("settings %+v", c)
	}
	for _, args := range []string{"--attach-existing sometimes", "extra", "--op-latency x"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
}
