package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServesUntilStopped: when it says so it is ready, and the address file there.
func TestServesUntilStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	file := filepath.Join(t.TempDir(), "addr")
	out, in := io.Pipe()
	stopped := make(chan error, 1)
	go func() {
		stopped <- run(ctx, []string{"--listen", "127.0.0.1:0", "--addr-file", file}, in)
		in.Close()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(<-stopped)
	}
	addr, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + strings.TrimSpace(string(addr))
	if line != "fakecontainer listening on "+base+"\n" {
		t.Errorf("%q, address %s", line, addr)
	}
	res, err := http.Get(base + "/v1/projects/p1/locations/-/clusters")
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
	c, err := parse(strings.Fields("--listen :1 --op-latency 2s --manual-clock"))
	if err != nil || c.OpLatency != 2*time.Second || c.Clock == nil || c.listen != ":1" {
		t.Errorf("settings %+v, %v", c, err)
	}
	for _, args := range []string{"extra", "--op-latency x"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
}
