package fakegce_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

// balancer is an emulator with a chain down to group g, which holds one endpoint
// that a real HTTP server stands for. Its clock is driven by the test.
type balancer struct {
	client
	s     *fakegce.Server
	clock *fakegce.ManualClock
	ill   atomic.Bool // what the endpoint answers
}

const (
	groupG   = zone + "networkEndpointGroups/g"
	rule     = everywhere + "forwardingRules/f"
	endpoint = "10.4.0.1:8080"
	interval = 5 * time.Second
)

func newBalancer(t *testing.T, opts fakegce.Options) *balancer {
	t.Helper()
	b := &balancer{clock: fakegce.NewManualClock(noon)}
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.ill.Load() || r.URL.Path != "/ready" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(pod.Close)
	opts.Clock = b.clock
	opts.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !strings.HasPrefix(addr, "10.4.") || !strings.HasSuffix(addr, ":8080") {
			return nil, fmt.Errorf("nobody at %s", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, pod.Listener.Addr().String())
	}
	b.s, b.client = start(t, opts)
	b.insert("g")
	for _, step := range []struct{ collection, body string }{
		{"healthChecks", `{"name":"hc","type":"HTTP","httpHealthCheck":{"portSpecification":"USE_SERVING_PORT","requestPath":"/ready"}}`},
		{"backendServices", `{"name":"s","healthChecks":["global/healthChecks/hc"],"connectionDraining":{"drainingTimeoutSec":30},"backends":[` + backend("g", rate) + `]}`},
		{"urlMaps", `{"name":"m","defaultService":"global/backendServices/s"}`},
		{"targetHttpProxies", `{"name":"p","urlMap":"global/urlMaps/m"}`},
	} {
		b.ok("POST", everywhere+step.collection, step.body)
	}
	b.endpoints("attach", 1)
	return b
}

func (b *balancer) serve() {
	b.t.Helper()
	b.ok("POST", everywhere+"forwardingRules", `{"name":"f","target":"global/targetHttpProxies/p","portRange":"80"}`)
}

func (b *balancer) endpoints(verb string, n int) {
	b.t.Helper()
	b.ok("POST", groupG+"/"+verb+"NetworkEndpoints", fmt.Sprintf(`{"networkEndpoints":[{"instance":"i0","ipAddress":"10.4.0.%d","port":8080}]}`, n))
}

// pass lets time go by; probes that become due are over when it returns.
func (b *balancer) pass(d time.Duration) { b.clock.AdvanceSettled(d, b.s.SettleHealth) }

// says is what both calls say of all endpoints: "10.4.0.1 HEALTHY".
func (b *balancer) says() []string {
	b.t.Helper()
	var listed, got []string
	items, _ := b.ok("POST", groupG+"/listNetworkEndpoints", `{"healthStatus":"SHOW"}`)["items"].([]any)
	for _, item := range items {
		fields := item.(map[string]any)
		healths, _ := fields["healths"].([]any)
		for _, h := range healths {
			h := h.(map[string]any)
			listed = append(listed, fmt.Sprintf("%s %s", fields["networkEndpoint"].(map[string]any)["ipAddress"], h["healthState"]))
		}
	}
	health := b.ok("POST", service+"/getHealth", `{"group":"`+groupG+`"}`)
	statuses, _ := health["healthStatus"].([]any)
	for _, status := range statuses {
		status := status.(map[string]any)
		got = append(got, fmt.Sprintf("%s %s", status["ipAddress"], status["healthState"]))
	}
	if !slices.Equal(listed, got) {
		b.t.Errorf("listNetworkEndpoints shows %v, getHealth %v", listed, got)
	}
	return got
}

func (b *balancer) expect(when string, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.says()); diff != "" {
		b.t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestHealthIsProbed(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.pass(time.Minute)
	b.expect("no forwarding rule")
	b.serve()
	b.expect("nothing probed yet", "10.4.0.1 UNKNOWN")
	b.pass(2 * interval)
	b.expect("two good probes", "10.4.0.1 HEALTHY")
	b.ill.Store(true)
	b.pass(interval)
	b.expect("one bad probe", "10.4.0.1 HEALTHY")
	b.pass(interval)
	b.expect("two bad probes", "10.4.0.1 UNHEALTHY")
	b.ill.Store(false)
	b.pass(2 * interval)
	b.expect("well again", "10.4.0.1 HEALTHY")
	b.ok("PATCH", everywhere+"healthChecks/hc", `{"unhealthyThreshold":1,"httpHealthCheck":{"requestPath":"/other"}}`)
	b.pass(interval)
	b.expect("another path, one failure allowed", "10.4.0.1 UNHEALTHY")
	b.ok("DELETE", rule, "")
	b.expect("the forwarding rule is gone")
}

func TestHealthShapes(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.serve()
	b.pass(2 * interval)
	const root = "https://www.googleapis.com/compute/v1/"
	want := map[string]any{
		"kind": "compute#backendServiceGroupHealth",
		"healthStatus": []any{map[string]any{
			"healthState": "HEALTHY", "ipAddress": "10.4.0.1", "port": 8080.0, "instance": root + zone + "instances/i0",
		}},
	}
	if diff := cmp.Diff(want, b.ok("POST", service+"/getHealth", `{"group":"`+groupG+`"}`)); diff != "" {
		t.Errorf("getHealth (-want +got):\n%s", diff)
	}
	item := b.ok("POST", groupG+"/listNetworkEndpoints", `{"healthStatus":"SHOW"}`)["items"].([]any)[0].(map[string]any)
	wantHealths := []any{map[string]any{
		"backendService": map[string]any{"backendService": root + service},
		"healthCheck":    map[string]any{"healthCheck": root + everywhere + "healthChecks/hc"},
		"healthState":    "HEALTHY",
	}}
	if diff := cmp.Diff(wantHealths, item["healths"]); diff != "" {
		t.Errorf("healths (-want +got):\n%s", diff)
	}
	for _, body := range []string{`{"healthStatus":"SKIP"}`, `{}`, ``} {
		item := b.ok("POST", groupG+"/listNetworkEndpoints", body)["items"].([]any)[0].(map[string]any)
		if item["healths"] != nil {
			t.Errorf("body %q shows %v", body, item["healths"])
		}
	}
}

func TestHealthWithoutForwardingRule(t *testing.T) {
	b := newBalancer(t, fakegce.Options{HealthUnreached: true})
	b.pass(2 * interval)
	b.expect("no forwarding rule, but the switch", "10.4.0.1 HEALTHY")
}

func TestHealthDrains(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		b := newBalancer(t, fakegce.Options{DrainingHidden: hidden})
		b.serve()
		b.endpoints("attach", 2)
		b.pass(2 * interval)
		b.endpoints("detach", 1)
		list := b.ok("POST", groupG+"/listNetworkEndpoints", `{"healthStatus":"SHOW"}`)["items"].([]any)
		if hidden != (len(list) == 1) {
			t.Errorf("hidden %v: %d endpoints listed with their health", hidden, len(list))
		}
		if hidden {
			continue
		}
		b.expect("detached", "10.4.0.1 DRAINING", "10.4.0.2 HEALTHY")
		if list := b.ok("POST", groupG+"/listNetworkEndpoints", `{}`)["items"].([]any); len(list) != 1 {
			t.Errorf("%d endpoints listed without health, want the one that is attached", len(list))
		}
		if size := b.ok("GET", groupG, "")["size"]; size != 1.0 {
			t.Errorf("size %v, want 1: what drains is not a member", size)
		}
		b.pass(29 * time.Second)
		b.expect("29 s later", "10.4.0.1 DRAINING", "10.4.0.2 HEALTHY")
		b.pass(time.Second)
		b.expect("30 s later", "10.4.0.2 HEALTHY")
		b.endpoints("detach", 2)
		b.endpoints("attach", 2)
		b.expect("detached and attached again", "10.4.0.2 UNKNOWN")
		b.ok("DELETE", zone+"instances/i0", "")
		b.expect("its machine is deleted", "10.4.0.2 DRAINING")
	}
}

func TestHealthFollowsBackends(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.serve()
	b.pass(2 * interval)
	b.ok("PATCH", service, `{"backends":[],"fingerprint":"`+b.fingerprint(service)+`"}`)
	if items := b.ok("POST", groupG+"/listNetworkEndpoints", `{"healthStatus":"SHOW"}`)["items"].([]any); items[0].(map[string]any)["healths"] != nil {
		t.Errorf("no backend service looks at the group, yet %v", items)
	}
	b.ok("PATCH", service, `{"backends":[`+backend("g", rate)+`],"fingerprint":"`+b.fingerprint(service)+`"}`)
	b.expect("a backend again", "10.4.0.1 UNKNOWN")
}

func TestHealthComesWithTheOperation(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	if err := b.s.AddFaults(fakegce.Fault{Verb: "globalForwardingRules.insert", OpLatency: fakegce.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	b.serve()
	b.pass(59 * time.Second)
	b.expect("the forwarding rule is being made")
	b.pass(time.Second)
	b.expect("it is there", "10.4.0.1 UNKNOWN")
}

// TestHealthDelay: until the probers know of it an endpoint has no entry, or an UNKNOWN one.
func TestHealthDelay(t *testing.T) {
	for pending, before := range map[string][]string{"": nil, "absent": nil, "unknown": {"10.4.0.1 UNKNOWN"}} {
		b := newBalancer(t, fakegce.Options{HealthDelay: time.Minute, HealthJitter: time.Nanosecond, HealthPending: pending})
		b.serve()
		b.pass(59 * time.Second)
		b.expect(pending+", before", before...)
		b.pass(time.Minute)
		b.expect(pending+", after", "10.4.0.1 HEALTHY")
	}
}

// TestOtherTexts: the words go, status and reason stay.
func TestOtherTexts(t *testing.T) {
	_, c := start(t, fakegce.Options{Texts: "other"})
	c.insert("g")
	for path, want := range map[string]string{
		"g/attachNetworkEndpoints":    "400 invalid: The request cannot be served as it is.",
		"none/attachNetworkEndpoints": "404 notFound: The resource '" + zone + "networkEndpointGroups/none' was not found",
	} {
		if got := message(c.do("POST", zone+"networkEndpointGroups/"+path, endpoints("i0 10.4.1.9:80"))); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestForcedHealth(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.serve()
	b.pass(2 * interval)
	force := func(body string, status int) {
		t.Helper()
		if got, answer := b.do("POST", "/_emu/health", body); got != status {
			t.Fatalf("%s: %d %v", body, got, answer)
		}
	}
	force(`{"group":"`+groupG+`","backendService":"`+service+`","endpoint":"`+endpoint+`","state":"UNHEALTHY"}`, 200)
	b.pass(2 * interval)
	b.expect("forced", "10.4.0.1 UNHEALTHY")
	force(`{"state":"DRAINING"}`, 200)
	b.endpoints("attach", 2)
	b.expect("everything forced", "10.4.0.1 DRAINING", "10.4.0.2 DRAINING")
	force(`{"state":""}`, 200)
	b.expect("of two rules one is lifted", "10.4.0.1 UNHEALTHY", "10.4.0.2 UNKNOWN")
	list, err := (&admin.Client{Base: b.base}).Health(t.Context(), groupG)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || !list[0].Forced || list[1].Forced || list[0].HealthCheck != everywhere+"healthChecks/hc" {
		t.Errorf("health: %+v", list)
	}
	for _, wrong := range []string{`{"state":"FINE"}`, `{"group":"g","state":"HEALTHY"}`, `{"endpoint":"10.4.0.1","state":"HEALTHY"}`, `{"stat":1}`} {
		force(wrong, 400)
	}
	b.s.Reset()
	if list := b.s.Health(""); len(list) != 0 {
		t.Errorf("after a reset: %v", list)
	}
}

func TestTimelineOfHealth(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.ill.Store(true)
	b.serve()
	b.pass(2 * interval)
	b.endpoints("detach", 1)
	b.pass(30 * time.Second)
	var got []string
	for _, tr := range b.s.Timeline(0) {
		if tr.Event == "health" {
			got = append(got, fmt.Sprintf("%s/%s %s %s: %s→%s %s", tr.Zone, tr.Group, tr.Endpoint, tr.BackendService, tr.From, tr.To, tr.Reason))
		}
	}
	at := "us-central1-a/g " + endpoint + " " + service + ": "
	want := []string{
		at + "→UNKNOWN attached",
		at + "UNKNOWN→UNHEALTHY probe: status 503",
		at + "UNHEALTHY→DRAINING detached",
		at + "DRAINING→ drained",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

// Two backend services with checks of their own see one endpoint differently.
func TestHealthPerBackendService(t *testing.T) {
	b := newBalancer(t, fakegce.Options{HealthUnreached: true})
	b.ok("POST", everywhere+"healthChecks", `{"name":"tcp","type":"TCP","tcpHealthCheck":{"port":9}}`)
	b.ok("POST", everywhere+"backendServices", `{"name":"t","healthChecks":["global/healthChecks/tcp"],"backends":[`+backend("g", rate)+`]}`)
	b.pass(2 * interval)
	var got []string
	for _, h := range b.s.Health("") {
		got = append(got, h.BackendService+" "+h.State)
	}
	want := []string{everywhere + "backendServices/s HEALTHY", everywhere + "backendServices/t UNHEALTHY"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}

// By default nothing but this machine is probed.
func TestProbesStayOnLoopback(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	s, c := start(t, fakegce.Options{Clock: clock, HealthUnreached: true})
	c.insert("g")
	c.ok("POST", everywhere+"healthChecks", `{"name":"hc","type":"HTTP"}`)
	c.ok("POST", everywhere+"backendServices", `{"name":"s","healthChecks":["global/healthChecks/hc"],"backends":[`+backend("g", rate)+`]}`)
	c.ok("POST", groupG+"/attachNetworkEndpoints", `{"networkEndpoints":[{"instance":"i0","ipAddress":"10.4.0.1","port":8080}]}`)
	clock.AdvanceSettled(2*interval, s.SettleHealth)
	list := s.Timeline(0)
	if last := list[len(list)-1]; last.To != "UNHEALTHY" || !strings.Contains(last.Reason, "not a loopback address") {
		t.Errorf("last on the timeline: %+v", last)
	}
}
