package gce_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestErrorClasses: what each failure of a mutation comes to, and how often the call is
// sent. The error names the action and the group.
func TestErrorClasses(t *testing.T) {
	failed := func(code string, status int) fakegce.Fault {
		return fakegce.Fault{Operation: &fakegce.OperationError{Code: code, Message: code + " it says", HTTPStatus: status}}
	}
	for name, c := range map[string]struct {
		fault   fakegce.Fault
		outcome neg.Outcome
		reason  string
		sent    int
	}{
		"429":                             {fakegce.Fault{Status: 429}, neg.Again, "", 5},
		"429 twice":                       {fakegce.Fault{Status: 429, Count: 2}, neg.Done, "", 3},
		"403 rateLimitExceeded":           {fakegce.Fault{Status: 403, Reason: "rateLimitExceeded"}, neg.Again, "", 5},
		"403 userRateLimitExceeded once":  {fakegce.Fault{Status: 403, Reason: "userRateLimitExceeded", Count: 1}, neg.Done, "", 2},
		"403 forbidden":                   {fakegce.Fault{Status: 403}, neg.Blocked, "PermissionDenied", 1},
		"401":                             {fakegce.Fault{Status: 401}, neg.Blocked, "PermissionDenied", 1},
		"403 quotaExceeded":               {fakegce.Fault{Status: 403, Reason: "quotaExceeded"}, neg.Blocked, "QuotaExceeded", 1},
		"404":                             {fakegce.Fault{Status: 404}, neg.Blocked, "NotFound", 1},
		"400":                             {fakegce.Fault{Status: 400}, neg.Blocked, "InvalidRequest", 1},
		"400 resourceNotReady":            {fakegce.Fault{Status: 400, Reason: "resourceNotReady"}, neg.Again, "", 5},
		"400 resourceNotReady once":       {fakegce.Fault{Status: 400, Reason: "resourceNotReady", Count: 1}, neg.Done, "", 2},
		"400 in use":                      {fakegce.Fault{Status: 400, Reason: "resourceInUseByAnotherResource"}, neg.Blocked, "GroupInUse", 1},
		"413":                             {fakegce.Fault{Status: 413}, neg.Blocked, "RequestRefused", 1},
		"500":                             {fakegce.Fault{Status: 500}, neg.Again, "", 5},
		"503":                             {fakegce.Fault{Status: 503}, neg.Again, "", 5},
		"503 four times":                  {fakegce.Fault{Status: 503, Count: 4}, neg.Done, "", 5},
		"503 after the commit":            {fakegce.Fault{Status: 503, AfterCommit: true, Count: 1}, neg.Done, "", 2},
		"reset":                           {fakegce.Fault{Reset: true}, neg.Again, "", 5},
		"reset once":                      {fakegce.Fault{Reset: true, Count: 1}, neg.Done, "", 2},
		"reset after the commit":          {fakegce.Fault{Reset: true, AfterCommit: true, Count: 2}, neg.Done, "", 3},
		"operation: quota":                {failed("QUOTA_EXCEEDED", 403), neg.Blocked, "QuotaExceeded", 1},
		"operation: limit":                {failed("LIMIT_EXCEEDED", 413), neg.Blocked, "QuotaExceeded", 1},
		"operation: not ready":            {failed("RESOURCE_NOT_READY", 400), neg.Again, "", 1},
		"operation: internal":             {failed("INTERNAL_ERROR", 500), neg.Again, "", 1},
		"operation: rate":                 {failed("RESOURCE_OPERATION_RATE_EXCEEDED", 403), neg.Again, "", 1},
		"operation: gone":                 {failed("RESOURCE_NOT_FOUND", 404), neg.Blocked, "NotFound", 1},
		"operation: in use":               {failed("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", 400), neg.Blocked, "GroupInUse", 1},
		"operation: unknown, forbidden":   {failed("ORG_POLICY", 403), neg.Blocked, "PermissionDenied", 1},
		"operation: unknown, bad request": {failed("INVALID_USAGE", 400), neg.Blocked, "InvalidRequest", 1},
		"operation: unknown, 503":         {failed("SOMETHING", 503), neg.Again, "", 1},
		"operation: unknown, conflict":    {failed("SOMETHING", 409), neg.Blocked, "RequestRefused", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			c.fault.Verb = insert
			w.fault(c.fault)
			err := w.CreateGroup(t.Context(), group, owner)
			if got := neg.OutcomeOf(err); got != c.outcome || reasonOf(err) != c.reason {
				t.Errorf("outcome %v %s, want %v %s: %v", got, reasonOf(err), c.outcome, c.reason, err)
			}
			w.wantCalls(insert, c.sent)
			if err != nil && !strings.HasPrefix(err.Error(), "create group us-central1-a/checkout: ") {
				t.Errorf("the error does not say what failed: %v", err)
			}
			if n := len(w.fake.Groups()); (c.outcome == neg.Done) != (n == 1) {
				t.Errorf("%d groups after: %v", n, err)
			}
		})
	}
}

// TestRequestIDs: the retries of one call share a request id, so that a commit whose
// answer was lost is not made twice; the next call has its own.
func TestRequestIDs(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start()
	w.fault(fakegce.Fault{Verb: attach, Reset: true, AfterCommit: true, Count: 2})
	for range 2 { // attach, detach, attach again
		if rejected, err := w.Attach(t.Context(), group, endpoints(3)); err != nil || len(rejected) != 0 {
			t.Fatal(err, rejected)
		}
		w.wantMembers(endpoints(3)...)
		w.check(w.Detach(t.Context(), group, endpoints(3), time.Time{}))
		w.wantMembers()
	}
	var ids []string
	for _, call := range w.fake.Calls(fakegce.CallFilter{Verb: attach}) {
		ids = append(ids, call.RequestID)
	}
	if len(ids) != 4 || ids[0] == "" || ids[0] != ids[1] || ids[1] != ids[2] || ids[2] == ids[3] {
		t.Errorf("request ids of one attach sent three times, then of another: %q", ids)
	}
}

// TestPauses: each pause is longer at most, by the jitter, than the one before.
func TestPauses(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.Client = w.client(gce.Options{Jitter: func() float64 { return 0.5 }})
	w.fault(fakegce.Fault{Verb: insert, Status: 503})
	if err := w.CreateGroup(t.Context(), group, owner); err == nil {
		t.Fatal("no error")
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
	if !slices.Equal(w.pauses, want) {
		t.Errorf("paused %v, want %v", w.pauses, want)
	}
}

// TestNoPauseBeyondTheDeadline: a pause that leaves no time ends the call at once, with
// the API's error and not with the deadline's.
func TestNoPauseBeyondTheDeadline(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.Client = w.client(gce.Options{Jitter: func() float64 { return 0.99 }})
	w.fault(fakegce.Fault{Verb: insert, Status: 400, Reason: "resourceNotReady", Message: "it is busy"})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err := w.CreateGroup(ctx, group, owner)
	if neg.OutcomeOf(err) != neg.Again || !strings.Contains(err.Error(), "it is busy (HTTP 400)") || len(w.pauses) != 0 {
		t.Errorf("error %v after pauses %v", err, w.pauses)
	}
	w.wantCalls(insert, 1)
}

// TestCancelled: our own end is never the API's fault, and never blocks.
func TestCancelled(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	w.Client = w.client(gce.Options{Sleep: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }})
	w.fault(fakegce.Fault{Verb: insert, Status: 503})
	if err := w.CreateGroup(ctx, group, owner); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("cancelled in a pause: %v", err)
	}
	w.wantCalls(insert, 1)
	if err := w.CreateGroup(ctx, group, owner); neg.OutcomeOf(err) != neg.Again || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	w.wantCalls(insert, 1)
}

// TestInFlight: no more calls at once than allowed, and one that waits for its turn ends
// with its context.
func TestInFlight(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	blocked := httpServer(t, func(rw http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		w.fake.ServeHTTP(rw, r)
	})
	w.url = fakegce.ComputeEndpoint(blocked)
	client := w.client(gce.Options{InFlight: 1})
	first := make(chan error, 1)
	go func() {
		_, _, err := client.Description(t.Context(), group)
		first <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := client.Description(ctx, group); !errors.Is(err, context.Canceled) {
		t.Errorf("the second call did not wait: %v", err)
	}
	close(leave)
	w.check(<-first)
}

// TestWaitsForTheOperation: accepted is not done. A wait that returns early is asked again,
// ever more slowly; one that lost its operation means it ended long ago.
func TestWaitsForTheOperation(t *testing.T) {
	t.Run("early", func(t *testing.T) {
		clock := fakegce.NewManualClock(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
		w := newCloud(t, fakegce.Options{Clock: clock, OpLatency: 30 * time.Second})
		w.fault(fakegce.Fault{Verb: waitFor, WaitEarly: true})
		w.Client = w.client(gce.Options{
			Jitter: func() float64 { return 0.5 },
			Sleep: func(_ context.Context, d time.Duration) error {
				w.pauses = append(w.pauses, d)
				clock.Advance(d)
				return nil
			},
		})
		w.check(w.CreateGroup(t.Context(), group, owner))
		w.wantCalls(waitFor, 6)
		if want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}; !slices.Equal(w.pauses, want) {
			t.Errorf("paused %v, want %v", w.pauses, want)
		}
		if len(w.fake.Groups()) != 1 {
			t.Error("returned before the group was there")
		}
	})
	for name, c := range map[string]struct {
		fault   fakegce.Fault
		outcome neg.Outcome
		calls   int
	}{
		"lost":        {fakegce.Fault{Status: 404}, neg.Done, 1},
		"unavailable": {fakegce.Fault{Status: 503, Count: 2}, neg.Done, 3},
		"forbidden":   {fakegce.Fault{Status: 403}, neg.Blocked, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			c.fault.Verb = waitFor
			w.fault(c.fault)
			if err := w.CreateGroup(t.Context(), group, owner); neg.OutcomeOf(err) != c.outcome {
				t.Errorf("%v, want %v", err, c.outcome)
			}
			w.wantCalls(waitFor, c.calls)
			w.wantCalls(insert, 1)
		})
	}
}
