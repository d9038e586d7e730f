package gce_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestBatches: 500 endpoints a call, for attach and detach, and pages of 500 to read them.
func TestBatches(t *testing.T) {
	for _, echo := range []string{"url", "name"} {
		t.Run("instances echoed as "+echo, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{InstanceEcho: echo})
			w.start()
			all := endpoints(1201)
			w.check2(w.Attach(t.Context(), group, all))
			w.wantCalls(attach, 3)
			w.wantMembers(all...)

			got, exists, err := w.Endpoints(t.Context(), group)
			want := slices.SortedFunc(slices.Values(all), neg.Endpoint.Compare)
			if err != nil || !exists || !slices.Equal(got, want) {
				t.Errorf("read %d endpoints, %v, %v", len(got), exists, err)
			}
			w.wantCalls(list, 3)

			w.check(w.Detach(t.Context(), group, all, time.Time{}))
			w.wantCalls(detach, 3)
			w.wantMembers()
		})
	}
}

// TestNothingToSend: no endpoints, no call.
func TestNothingToSend(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.check2(w.Attach(t.Context(), group, nil))
	w.check(w.Detach(t.Context(), group, nil, time.Time{}))
	if n := w.fake.Stats().Calls; n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestEndpointsUnreadable: a list that is not whole is no list.
func TestEndpointsUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		fault   fakegce.Fault
		outcome neg.Outcome
	}{
		"forbidden on the second page": {fakegce.Fault{Verb: list, Nth: 2, Status: 403}, neg.Blocked},
		"unavailable":                  {fakegce.Fault{Verb: list, Status: 503}, neg.Again},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			w.start(endpoints(501)...)
			w.fault(c.fault)
			got, exists, err := w.Endpoints(t.Context(), group)
			if neg.OutcomeOf(err) != c.outcome || err != nil && (exists || got != nil) {
				t.Errorf("%d endpoints, %v, %v", len(got), exists, err)
			}
		})
	}
	w := newCloud(t, fakegce.Options{})
	if got, exists, err := w.Endpoints(t.Context(), group); got != nil || exists || err != nil {
		t.Errorf("of no group: %v, %v, %v", got, exists, err)
	}
	for name, item := range map[string]string{
		"no networkEndpoint": `{}`,
		"no address":         `{"networkEndpoint":{"instance":"vm-0","port":80}}`,
		"port out of range":  `{"networkEndpoint":{"instance":"vm-0","ipAddress":"10.1.0.2","port":65536}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.url = fakegce.ComputeEndpoint(httpServer(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(rw, `{"items":[%s]}`, item)
			}))
			if got, _, err := w.client(gce.Options{}).Endpoints(t.Context(), group); reasonOf(err) != "UnreadableEndpoint" {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// TestAttachIsolates: bad endpoints are rejected with the API's words, the others attached,
// at a bounded number of calls, whether the message names the bad ones or not.
func TestAttachIsolates(t *testing.T) {
	gone := func(n int) []neg.Endpoint { // on an instance that is not there
		var es []neg.Endpoint
		for i := range n {
			e := on(9, i+2)
			es = append(es, e)
		}
		return es
	}
	foreign := func(n int) []neg.Endpoint { // addresses of another instance
		var es []neg.Endpoint
		for i := range n {
			e := on(5, i+2)
			e.Instance = "vm-1"
			es = append(es, e)
		}
		return es
	}
	for name, c := range map[string]struct {
		bad    []neg.Endpoint
		good   int
		silent bool // the message names nobody
		calls  int
		why    string
	}{
		"an instance that is gone":             {gone(110), 390, false, 2, "Couldn't find instance"},
		"an instance that is gone, unnamed":    {gone(5), 495, true, 25, "HTTP 400"},
		"an address of another instance":       {foreign(1), 499, false, 2, "doesn't belong to"},
		"forty addresses of another instance":  {foreign(40), 460, false, 46, "doesn't belong to"},
		"all on an instance that is gone":      {gone(200), 0, false, 1, "Couldn't find instance"},
		"all addresses of another":             {foreign(250), 0, false, 128, "doesn't belong to"},
		"one alone":                            {gone(1), 0, true, 1, "HTTP 400"},
		"two batches, bad ones in one of them": {foreign(3), 997, false, 5, "doesn't belong to"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			w.start()
			if c.silent {
				w.url = fakegce.ComputeEndpoint(silent(t, w.fake))
			}
			rejected, err := w.client(gce.Options{}).Attach(t.Context(), group, slices.Concat(endpoints(c.good), c.bad))
			w.check(err)
			w.wantMembers(endpoints(c.good)...)
			var got []neg.Endpoint
			for _, r := range rejected {
				got = append(got, r.Endpoint)
				if !strings.Contains(r.Why, c.why) {
					t.Errorf("%s is rejected for %q, want %q", r.Endpoint, r.Why, c.why)
				}
			}
			slices.SortFunc(got, neg.Endpoint.Compare)
			if want := slices.SortedFunc(slices.Values(c.bad), neg.Endpoint.Compare); !slices.Equal(got, want) {
				t.Errorf("rejected %d: %v\nwant %d", len(got), got, len(want))
			}
			w.wantCalls(attach, c.calls)
		})
	}
}

// silent serves the emulator with refusals whose message names nothing.
func silent(t testing.TB, fake http.Handler) string {
	return httpServer(t, func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		fake.ServeHTTP(rec, r)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(rec.Code)
		if rec.Code == http.StatusBadRequest {
			fmt.Fprint(rw, `{"error":{"code":400,"message":"Invalid value for field 'resource.networkEndpoints'.","errors":[{"reason":"invalid"}]}}`)
			return
		}
		_, _ = rw.Write(rec.Body.Bytes())
	})
}

// TestInstanceGoneInsideTheOperation: an instance that goes between the acceptance of an
// attach and its commit costs its own endpoints only.
func TestInstanceGoneInsideTheOperation(t *testing.T) {
	clock := fakegce.NewManualClock(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	w := newCloud(t, fakegce.Options{Clock: clock})
	w.start()
	w.fault(fakegce.Fault{Verb: attach, Count: 1, OpLatency: fakegce.Duration(time.Minute)})
	all := endpoints(300) // on vm-0 and vm-1
	type result struct {
		rejected []neg.Rejected
		err      error
	}
	done := make(chan result, 1)
	go func() {
		rejected, err := w.Attach(t.Context(), group, all)
		done <- result{rejected, err}
	}()
	clock.AwaitTimers(2) // the operation and the wait for it
	w.kill("vm-1")
	clock.Advance(time.Minute)
	got := <-done
	w.check(got.err)
	w.wantMembers(all[:250]...)
	if len(got.rejected) != 50 || !strings.Contains(got.rejected[0].Why, "instances/vm-1' was not found") {
		t.Errorf("rejected %d: %.200v", len(got.rejected), got.rejected)
	}
	w.wantCalls(attach, 2)
}

// TestAttachToNoGroup: a group that is gone is no fault of an endpoint, and no reason to
// wait for a person: the next look makes it.
func TestAttachToNoGroup(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	if rejected, err := w.Attach(t.Context(), group, endpoints(3)); neg.OutcomeOf(err) != neg.Again || len(rejected) != 0 {
		t.Errorf("rejected %v, %v", rejected, err)
	}
	w.wantCalls(attach, 1)
}

// TestGroupFull: no room is not a matter of single endpoints.
func TestGroupFull(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start()
	w.fault(fakegce.Fault{Verb: attach, Status: 400, Reason: "limitExceeded", Message: "Exceeded limit 'NETWORK_ENDPOINTS_PER_GROUP'"})
	if rejected, err := w.Attach(t.Context(), group, endpoints(300)); reasonOf(err) != "QuotaExceeded" || len(rejected) != 0 {
		t.Errorf("rejected %d, %v", len(rejected), err)
	}
	w.wantCalls(attach, 1)
}

// TestAttachedAlready: what another instance of the function attached a moment before is
// neither rejected nor searched for one by one, whatever the API says to it.
func TestAttachedAlready(t *testing.T) {
	for _, conduct := range []fakegce.Conduct{fakegce.Invalid, fakegce.Idempotent} {
		for _, before := range []int{1, 300, 500} {
			t.Run(fmt.Sprint(conduct, " ", before), func(t *testing.T) {
				w := newCloud(t, fakegce.Options{AttachExisting: conduct})
				w.start(endpoints(before)...)
				w.check2(w.Attach(t.Context(), group, endpoints(500)))
				w.wantMembers(endpoints(500)...)
				if n := w.count(attach); n > 10 {
					t.Errorf("%d calls of attach", n)
				}
			})
		}
	}
}

// TestOneBatchFails: what fails in one batch does not stop the others.
func TestOneBatchFails(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start()
	w.fault(fakegce.Fault{Verb: attach, Count: 1, Status: 403})
	rejected, err := w.Attach(t.Context(), group, endpoints(1201))
	if neg.OutcomeOf(err) != neg.Blocked || len(rejected) != 0 {
		t.Errorf("rejected %d, %v", len(rejected), err)
	}
	if n := len(w.members(group)); n != 701 && n != 1000 {
		t.Errorf("%d endpoints are attached; two of the batches of 500, 500 and 201 should be", n)
	}
}

// TestDetachTwice: what is gone is detached, and what is left of a batch goes.
func TestDetachTwice(t *testing.T) {
	for _, conduct := range []fakegce.Conduct{fakegce.NotFound, fakegce.Invalid, fakegce.Idempotent} {
		t.Run(string(conduct), func(t *testing.T) {
			w := newCloud(t, fakegce.Options{DetachAbsent: conduct})
			w.start(endpoints(6)...)
			w.check(w.Detach(t.Context(), group, endpoints(2), time.Time{}))
			w.check(w.Detach(t.Context(), group, endpoints(4), time.Time{}))
			w.wantMembers(endpoints(6)[4:]...)
			w.check(w.Detach(t.Context(), group, endpoints(4), time.Time{}))
			w.wantMembers(endpoints(6)[4:]...)
			w.check(w.DeleteGroup(t.Context(), group, time.Time{}))
			w.check(w.Detach(t.Context(), group, endpoints(6), time.Time{}))
		})
	}
}

// TestDetachWhileListsLag: what is gone and still listed comes right with the lists.
func TestDetachWhileListsLag(t *testing.T) {
	clock := fakegce.NewManualClock(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	w := newCloud(t, fakegce.Options{Clock: clock, ListLag: time.Minute})
	w.start(endpoints(3)...)
	clock.Advance(time.Minute)
	w.check(w.Detach(t.Context(), group, endpoints(1), time.Time{}))
	if err := w.Detach(t.Context(), group, endpoints(3), time.Time{}); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("outcome %v: %v", neg.OutcomeOf(err), err)
	}
	clock.Advance(time.Minute)
	w.check(w.Detach(t.Context(), group, endpoints(3), time.Time{}))
	w.wantMembers()
}

// TestDetachRefused: when all that should go is there, the refusal is about something
// else, and is said.
func TestDetachRefused(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start(endpoints(3)...)
	w.fault(fakegce.Fault{Verb: detach, Status: 400, Message: "no"})
	if err := w.Detach(t.Context(), group, endpoints(3), time.Time{}); reasonOf(err) != "InvalidRequest" {
		t.Errorf("got %v", err)
	}
	w.wantCalls(detach, 1)
}

// TestWaitsHoldNobodyUp: with one call in flight at once, a read goes through while the wait
// for another group's operation is held open.
func TestWaitsHoldNobodyUp(t *testing.T) {
	clock := fakegce.NewManualClock(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	w := newCloud(t, fakegce.Options{Clock: clock})
	w.start()
	w.fault(fakegce.Fault{Verb: insert, Count: 1, OpLatency: fakegce.Duration(time.Minute)})
	narrow := w.client(gce.Options{InFlight: 1})
	slow := neg.GroupID{Zone: zone, Name: "slow"}
	done := make(chan error, 1)
	go func() { done <- narrow.CreateGroup(t.Context(), slow, owner) }()
	clock.AwaitTimers(2) // the operation and the wait for it
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, exists, err := narrow.Endpoints(ctx, group); err != nil || !exists {
		t.Errorf("a read during the wait: exists %v, %v", exists, err)
	}
	clock.Advance(time.Minute)
	w.check(<-done)
}
