package fakegce_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// slow is an emulator whose operations take ten seconds of a clock that stands.
func slow(t *testing.T, change func(*fakegce.Options)) (*fakegce.ManualClock, *fakegce.Server, client) {
	clock := fakegce.NewManualClock(noon)
	opts := fakegce.Options{Clock: clock, OpLatency: 10 * time.Second}
	if change != nil {
		change(&opts)
	}
	s, c := start(t, opts)
	return clock, s, c
}

func (c client) status(op map[string]any) string {
	c.t.Helper()
	return c.ok("GET", zone+"operations/"+op["name"].(string), "")["status"].(string)
}

func TestOperationLife(t *testing.T) {
	clock, _, c := slow(t, nil)
	op := c.insert("g")
	group := zone + "networkEndpointGroups/g"
	if op["status"] != "PENDING" {
		t.Errorf("accepted as %v", op["status"])
	}
	clock.Advance(2 * time.Second)
	if got := c.status(op); got != "RUNNING" {
		t.Errorf("after 2 s: %s", got)
	}
	for _, step := range []struct{ method, path, body, want string }{
		{"GET", group, "", "404 notFound: "},
		{"POST", zone + "networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT"}`, "409 alreadyExists: "},
		{"DELETE", group, "", "400 resourceNotReady: The resource '" + group + "' is not ready"},
		{"POST", group + "/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80"), "400 resourceNotReady: "},
	} {
		if got := message(c.do(step.method, step.path, step.body)); !strings.HasPrefix(got, step.want) {
			t.Errorf("%s while inserting: %s, want %s", step.method, got, step.want)
		}
	}
	clock.Advance(8 * time.Second)
	if got := c.status(op); got != "DONE" {
		t.Errorf("after 10 s: %s", got)
	}
	c.ok("GET", group, "")
	clock.Advance(15 * 24 * time.Hour)
	if got := message(c.do("GET", zone+"operations/"+op["name"].(string), "")); !strings.HasPrefix(got, "404 notFound") {
		t.Errorf("after retention: %s", got)
	}
}

// TestWait: it returns when the operation is done, or after two minutes.
func TestWait(t *testing.T) {
	for _, tt := range []struct {
		latency, advance time.Duration
		want             string
	}{
		{10 * time.Second, 10 * time.Second, "DONE"},
		{time.Hour, 2 * time.Minute, "RUNNING"},
	} {
		clock, _, c := slow(t, func(o *fakegce.Options) { o.OpLatency = tt.latency })
		op := c.insert("g")
		clock.Advance(tt.latency / 4) // past PENDING
		answered := make(chan map[string]any)
		go func() {
			_, answer := c.do("POST", zone+"operations/"+op["name"].(string)+"/wait", "")
			answered <- answer
		}()
		clock.AwaitTimers(2) // the operation's end and the wait's
		clock.Advance(tt.advance)
		if got := (<-answered)["status"]; got != tt.want {
			t.Errorf("latency %v: %v, want %s", tt.latency, got, tt.want)
		}
	}
}

func TestCommitAtAccept(t *testing.T) {
	_, _, c := slow(t, func(o *fakegce.Options) { o.CommitAt = "accept" })
	op := c.insert("g")
	c.ok("GET", zone+"networkEndpointGroups/g", "")
	if got := c.status(op); got == "DONE" {
		t.Error("done before its time")
	}
}

func TestRejectOverlap(t *testing.T) {
	for _, reject := range []bool{false, true} {
		clock, _, c := slow(t, func(o *fakegce.Options) { o.RejectOverlap = reject })
		c.insert("g")
		clock.Advance(10 * time.Second)
		attach := zone + "networkEndpointGroups/g/attachNetworkEndpoints"
		c.ok("POST", attach, endpoints("i0 10.4.0.1:80"))
		status, answer := c.do("POST", attach, endpoints("i0 10.4.0.2:80"))
		if reject != strings.HasPrefix(message(status, answer), "400 resourceNotReady") {
			t.Errorf("reject %v: %d %v", reject, status, answer)
		}
	}
}

// TestInstanceGoneBeforeCommit: what was right at acceptance may be wrong later.
func TestInstanceGoneBeforeCommit(t *testing.T) {
	clock, s, c := slow(t, nil)
	c.insert("g")
	clock.Advance(10 * time.Second)
	if err := s.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.attach*", OpLatency: fakegce.Duration(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	attach := zone + "networkEndpointGroups/g/attachNetworkEndpoints"
	op := c.ok("POST", attach, endpoints("i0 10.4.0.1:80", "i1 10.4.1.1:80"))
	c.ok("DELETE", zone+"instances/i0", "")
	if got := message(c.do("POST", attach, endpoints("i0 10.4.0.2:80"))); !strings.HasPrefix(got, "400 invalid: Invalid value for field 'resource.instance'") {
		t.Errorf("attach to an instance that is being deleted: %s", got)
	}
	clock.Advance(time.Hour)
	got := c.ok("GET", zone+"operations/"+op["name"].(string), "")
	want := "The resource '" + zone + "instances/i0' was not found"
	if text := fmt.Sprint(got["error"]); !strings.Contains(text, "RESOURCE_NOT_FOUND") || !strings.Contains(text, want) {
		t.Errorf("operation %v", got)
	}
	if left := s.Groups()[0].Endpoints; len(left) > 0 {
		t.Errorf("attached %v", left)
	}
}

func TestInstanceDeletionDropsEndpoints(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	for _, name := range []string{"g", "h"} {
		c.insert(name)
		c.ok("POST", zone+"networkEndpointGroups/"+name+"/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80", "i1 10.4.1.1:80"))
	}
	seq := s.Timeline(0)[len(s.Timeline(0))-1].Seq
	op := c.ok("DELETE", zone+"instances/i0", "")
	after := s.Timeline(seq)
	if len(after) != 2 {
		t.Fatalf("transitions %v", after)
	}
	for _, tr := range after {
		if tr.Event != "detached" || tr.Endpoint != "10.4.0.1:80" || tr.Instance != "i0" || tr.Verb != "instances.delete" || tr.Operation != op["name"] {
			t.Errorf("transition %+v", tr)
		}
	}
	if g := c.ok("GET", zone+"networkEndpointGroups/g", ""); g["size"] != 1.0 {
		t.Errorf("size %v", g["size"])
	}
}

func TestQuotaInsideOperation(t *testing.T) {
	_, c := start(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 1}})
	c.insert("g")
	op := c.insert("h")
	got := c.ok("GET", zone+"operations/"+op["name"].(string), "")
	want := "Quota 'NETWORK_ENDPOINT_GROUPS' exceeded.  Limit: 1.0 in region us-central1."
	if !strings.Contains(fmt.Sprint(got["error"]), want) || got["httpErrorStatusCode"] != 403.0 || got["httpErrorMessage"] != "FORBIDDEN" {
		t.Errorf("operation %v", got)
	}
	if status, _ := c.do("GET", zone+"networkEndpointGroups/h", ""); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

func TestRequestID(t *testing.T) {
	for reuse, want := range map[string]int{"replay": 200, "conflict": 409} {
		clock := fakegce.NewManualClock(noon)
		_, c := start(t, fakegce.Options{Clock: clock, RequestIDReuse: reuse})
		c.insert("g")
		id := "?requestId=9b2c7a52-7d1c-4c0e-9a10-0b1d3f6a7e01"
		attach := zone + "networkEndpointGroups/g/attachNetworkEndpoints" + id
		first := c.ok("POST", attach, endpoints("i0 10.4.0.1:80"))
		if again := c.ok("POST", attach, endpoints("i0 10.4.0.1:80")); again["name"] != first["name"] || again["clientOperationId"] != first["clientOperationId"] {
			t.Errorf("%s: %v, then %v", reuse, first, again)
		}
		if got, _ := c.do("DELETE", zone+"networkEndpointGroups/g"+id, ""); got != want {
			t.Errorf("%s for another request: %d, want %d", reuse, got, want)
		}
		if got, _ := c.do("POST", attach, endpoints("i0 10.4.0.2:80")); got != want {
			t.Errorf("%s for another body: %d, want %d", reuse, got, want)
		}
		clock.Advance(2 * time.Hour)
		if got := message(c.do("POST", attach, endpoints("i0 10.4.0.1:80"))); !strings.Contains(got, "already attached") {
			t.Errorf("%s after the window: %s", reuse, got)
		}
	}
}

// TestWaitsDoNotBlock: many held waits leave the API free.
func TestWaitsDoNotBlock(t *testing.T) {
	clock, _, c := slow(t, nil)
	op := c.insert("g")
	var wg sync.WaitGroup
	const waits = 200
	for range waits {
		wg.Go(func() {
			if got := c.ok("POST", zone+"operations/"+op["name"].(string)+"/wait", "")["status"]; got != "DONE" {
				t.Errorf("answered %v", got)
			}
		})
	}
	clock.AwaitTimers(waits + 1)
	c.insert("h")
	c.ok("GET", "projects/p1/aggregated/networkEndpointGroups", "")
	clock.Advance(10 * time.Second)
	wg.Wait()
}

// TestSameRequestAtOnce: of many calls with one request id one does the work.
func TestSameRequestAtOnce(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	path := zone + "networkEndpointGroups?requestId=9b2c7a52-7d1c-4c0e-9a10-0b1d3f6a7e02"
	names := make([]any, 20)
	var wg sync.WaitGroup
	for i := range names {
		wg.Go(func() {
			_, answer := c.do("POST", path, `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT"}`)
			names[i] = answer["name"]
		})
	}
	wg.Wait()
	for _, name := range names {
		if name == nil || name != names[0] {
			t.Fatalf("operations %v", names)
		}
	}
	if n := len(s.Timeline(0)); n != 1 {
		t.Errorf("%d transitions", n)
	}
}
