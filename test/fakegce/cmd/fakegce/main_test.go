package main

import (
	"bufio"
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
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

// TestPage: the page lists every flag, every method and every admin call.
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
	served := servedOn(string(page))
	for _, m := range fakegce.Methods() {
		resource, verb, _ := strings.Cut(m.ID, ".")
		if text, ok := served[resource]; !ok {
			t.Errorf("docs/contributors/fakegce.md lists no %s", resource)
		} else if general := verb == "aggregatedList" || verb == "testIamPermissions"; !general && !regexp.MustCompile(`\b`+verb+`\b`).MatchString(text) {
			t.Errorf("docs/contributors/fakegce.md does not list %s: %s", m.ID, text)
		}
	}
	admin, err := os.ReadFile("../../admin.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile(`"([A-Z]+) (/_emu/[a-z]+)"`).FindAllStringSubmatch(string(admin), -1)
	if len(calls) < 12 {
		t.Fatalf("found only %v in admin.go", calls)
	}
	for _, call := range calls {
		if !regexp.MustCompile("(?m)`" + call[1] + "\\b.*" + call[2]).Match(page) {
			t.Errorf("docs/contributors/fakegce.md says nothing of %s %s", call[1], call[2])
		}
	}
}

// servedOn are the rows of the page's table of methods, by resource.
func servedOn(page string) map[string]string {
	rows := map[string]string{}
	_, table, _ := strings.Cut(page, "| resource | methods |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range strings.Split(table, "\n") {
		cells := strings.SplitN(row, "|", 3)
		if len(cells) < 3 {
			continue
		}
		for _, m := range regexp.MustCompile("`([a-zA-Z]+)`").FindAllStringSubmatch(cells[1], -1) {
			rows[m[1]] = cells[2]
		}
	}
	return rows
}
