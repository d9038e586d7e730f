package fakegce_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

func arm(t *testing.T, s *fakegce.Server, faults ...fakegce.Fault) {
	t.Helper()
	s.ClearFaults()
	if err := s.AddFaults(faults...); err != nil {
		t.Fatal(err)
	}
}

const attach = "networkEndpointGroups.attachNetworkEndpoints"

// TestFaultedAttach: what the caller sees, and whether the work was done.
func TestFaultedAttach(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault fakegce.Fault
		want  string
		done  bool
	}{
		{"rate limit", fakegce.Fault{Verb: attach, Status: 403, Reason: "rateLimitExceeded"}, "403 rateLimitExceeded: Forbidden", false},
		{"backend", fakegce.Fault{Path: "/attach", Status: 503}, "503 backendError: Service Unavailable", false},
		{"commit then fail", fakegce.Fault{Verb: attach, Status: 503, AfterCommit: true}, "503 backendError: Service Unavailable", true},
		{"reset", fakegce.Fault{Verb: attach, Reset: true}, "reset", false},
		{"commit then reset", fakegce.Fault{Verb: attach, Reset: true, AfterCommit: true}, "reset", true},
		{"other verb", fakegce.Fault{Verb: "networkEndpointGroups.detach*", Status: 503}, "200", true},
		{"other path", fakegce.Fault{Path: "europe", Status: 503}, "200", true},
		{"second call", fakegce.Fault{Verb: attach, Nth: 2, Status: 503}, "200", true},
		{"inside", fakegce.Fault{Verb: attach, Operation: &fakegce.OperationError{Code: "X", Message: "because"}}, "200", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := start(t, fakegce.Options{})
			c.insert("g")
			arm(t, s, tt.fault)
			if got := c.try("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if done := len(s.Groups()[0].Endpoints) == 1; done != tt.done {
				t.Errorf("done: %v", done)
			}
		})
	}
}

// try is do that bears a connection that breaks.
func (c client) try(method, path, body string) string {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+"/compute/v1/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "reset"
	}
	defer res.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	return message(res.StatusCode, answer)
}

func TestFaultCounts(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	get := func() int { status, _ := c.do("GET", zone+"networkEndpointGroups", ""); return status }
	arm(t, s, fakegce.Fault{Name: "twice", Count: 2, Status: 429}, fakegce.Fault{Name: "then", Nth: 2, Status: 500})
	var got []int
	for range 5 {
		got = append(got, get())
	}
	if fmt.Sprint(got) != "[429 429 200 500 200]" {
		t.Errorf("statuses %v", got)
	}
	if list := s.Faults(); list[0].Seen != 5 || list[0].Hits != 2 || list[1].Hits != 1 {
		t.Errorf("faults %+v", list)
	}
	s.ClearFaults("twice")
	if list := s.Faults(); len(list) != 1 || list[0].Name != "then" {
		t.Errorf("faults %+v", list)
	}
	arm(t, s, fakegce.Fault{Probability: 0.5, Status: 500})
	failed := 0
	for range 200 {
		if get() == 500 {
			failed++
		}
	}
	if failed < 50 || failed > 150 {
		t.Errorf("%d of 200 failed", failed)
	}
}

// TestFaultsThatCannotBeMet are refused: whoever arms one relies on it.
func TestFaultsThatCannotBeMet(t *testing.T) {
	s, _ := start(t, fakegce.Options{})
	for _, f := range []fakegce.Fault{
		{}, {Verb: "networkEndpointGroups.list"}, {Path: "(", Status: 500}, {Status: 200}, {Verb: "*.insert", Status: 500}, {Verb: "groups.list", Status: 500},
		{Status: 500, Nth: -1}, {Status: 500, Count: -1}, {Status: 500, Probability: 7}, {Status: 500, Probability: math.NaN()}, {Delay: -1},
		{Unreachable: "zones/nowhere"}, {Unreachable: "us-central1-a"},
	} {
		if s.AddFaults(f) == nil {
			t.Errorf("%+v was accepted", f)
		}
	}
	if list := s.Faults(); len(list) > 0 {
		t.Errorf("armed %+v", list)
	}
}

func TestInjectedOperationError(t *testing.T) {
	clock, s, c := slow(t, nil)
	arm(t, s, fakegce.Fault{Verb: "firewalls.*", Status: 503}, fakegce.Fault{
		Verb: "networkEndpointGroups.insert", Operation: &fakegce.OperationError{}, OpLatency: fakegce.Duration(time.Minute),
	})
	op := c.insert("g")
	clock.Advance(59 * time.Second)
	if got := c.status(op); got != "RUNNING" {
		t.Errorf("after 59 s: %s", got)
	}
	clock.Advance(time.Second)
	got := c.ok("GET", zone+"operations/"+op["name"].(string), "")
	if got["status"] != "DONE" || !strings.Contains(fmt.Sprint(got["error"]), "INTERNAL_ERROR") {
		t.Errorf("operation %v", got)
	}
	c.insert("g") // the name is free again
}

func TestDelayAndEarlyWait(t *testing.T) {
	clock, s, c := slow(t, nil)
	arm(t, s, fakegce.Fault{Verb: "networkEndpointGroups.list", Delay: fakegce.Duration(time.Second)}, fakegce.Fault{Verb: "zoneOperations.wait", WaitEarly: true})
	answered := make(chan int)
	go func() {
		status, _ := c.do("GET", zone+"networkEndpointGroups", "")
		answered <- status
	}()
	clock.AwaitTimers(1)
	clock.Advance(time.Second)
	if status := <-answered; status != 200 {
		t.Errorf("status %d", status)
	}
	if call := s.Calls(fakegce.CallFilter{})[0]; time.Duration(call.Latency) != time.Second || call.Fault != "fault-1" {
		t.Errorf("call %+v", call)
	}
	op := c.insert("g")
	if got := c.ok("POST", zone+"operations/"+op["name"].(string)+"/wait", "")["status"]; got == "DONE" {
		t.Error("waited")
	}
}
