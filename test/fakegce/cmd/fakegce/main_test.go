package main

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
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
	base := "http://" + strings.TrimSpace(string(addr)) + "/compute/v1/"
	if line != "fakegce listening on "+base+"\n" {
		t.Errorf("%q, address %s", line, addr)
	}
	res, err := http.Post(base+"projects/p1/zones/us-east1-b/networkEndpointGroups", "", strings.NewReader(`{"name":"g","networkEndpointType":"GCE_VM_IP"}`))
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
	c, err := parse(strings.Fields("--listen :1 --op-latency 2s --attach-existing idempotent --detach-absent invalid --instance-echo name --manual-clock --probe any --health-unreached"))
	if err != nil {
		t.Fatal(err)
	}
	if c.OpLatency != 2*time.Second || c.AttachExisting != fakegce.Idempotent || c.DetachAbsent != fakegce.Invalid ||
		c.InstanceEcho != "name" || c.CommitAt != "done" || c.Clock == nil || c.Dial == nil || !c.HealthUnreached {
		t.Errorf("settings %+v", c)
	}
	for _, args := range []string{"--attach-existing sometimes", "extra", "--op-latency x", "--probe 10.0.0.0/8", "--probe 10.0.0.0/8=127.0.0.0/9", "--probe here"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
}

// TestLimits: the switches that name what they limit.
func TestLimits(t *testing.T) {
	c, err := parse(strings.Fields("--quota NETWORK_ENDPOINT_GROUPS=7 --quota FIREWALLS=0 --rate-quota default=5 --rate-status 429 --deny-permission compute.networks.use --deny-permission compute.zones.get"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Quota["NETWORK_ENDPOINT_GROUPS"] != 7 || len(c.Quota) != 2 || len(c.DeniedPermissions) != 2 || c.RateQuota["default"] != 5 || c.RateStatus != http.StatusTooManyRequests {
		t.Errorf("settings %+v", c)
	}
	for _, args := range []string{"--quota CPUS=1", "--rate-quota all=1", "--rate-status 500", "--deny-permission networks.use"} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
}

// TestPage: the page lists every flag.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/contributors/fakegce.md")
	if err != nil {
		t.Fatal(err)
	}
	flags(&settings{}).VisitAll(func(f *flag.Flag) {
		if !strings.Contains(string(page), "`--"+f.Name) {
			t.Errorf("docs/contributors/fakegce.md says nothing of --%s", f.Name)
		}
	})
}
