package fakegce_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

func TestAdminClient(t *testing.T) {
	ctx := t.Context()
	clock := fakegce.NewManualClock(noon)
	s, c := start(t, fakegce.Options{Clock: clock, OpLatency: time.Second})
	a := admin.Client{Base: c.base}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(a.Seed(ctx, fakegce.Seed{Instances: []fakegce.Instance{{Project: "p2", Zone: "us-east1-b", Name: "x", IP: "10.142.0.2"}}}))
	check(a.AddFaults(ctx, fakegce.Fault{Verb: "networkEndpointGroups.insert", Nth: 2, Delay: 1}))
	c.insert("g")
	check(a.Advance(ctx, time.Second))

	list, err := a.Timeline(ctx, 0, 0)
	check(err)
	if diff := cmp.Diff(s.Timeline(0), list); diff != "" || len(list) != 1 || list[0].Event != "created" {
		t.Errorf("timeline %v\n%s", list, diff)
	}
	calls, err := a.Calls(ctx, fakegce.CallFilter{Verb: "networkEndpointGroups.*"})
	check(err)
	if diff := cmp.Diff(s.Calls(fakegce.CallFilter{}), calls); diff != "" || len(calls) != 1 {
		t.Errorf("calls %v\n%s", calls, diff)
	}
	if size := calls[0].Size; size < 40 {
		t.Errorf("the body of %d bytes", size)
	}
	if later, err := a.Calls(ctx, fakegce.CallFilter{From: noon.Add(time.Hour)}); err != nil || len(later) > 0 {
		t.Errorf("calls %v, %v", later, err)
	}
	state, err := a.State(ctx)
	check(err)
	if diff := cmp.Diff(s.State(), state); diff != "" || len(state.Instances) != 4 {
		t.Errorf("state\n%s", diff)
	}
	stats, err := a.Stats(ctx)
	check(err)
	if stats.Calls != 1 || stats.Verbs["networkEndpointGroups.insert"] != 1 {
		t.Errorf("stats %+v", stats)
	}
	faults, err := a.Faults(ctx)
	check(err)
	if len(faults) != 1 || faults[0].Seen != 1 {
		t.Errorf("faults %+v", faults)
	}
	check(a.ClearFaults(ctx, faults[0].Name))
	check(a.ClearCalls(ctx))
	check(a.Reset(ctx))
	if state := s.State(); len(state.Groups)+len(state.Projects) > 0 || s.Stats().Calls > 0 {
		t.Errorf("after reset: %+v", state)
	}
}

func TestAdminRefusals(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	a := admin.Client{Base: c.base}
	for want, err := range map[string]error{
		"no zone":   a.Seed(t.Context(), fakegce.Seed{Instances: []fakegce.Instance{{Project: "p1", Zone: "nowhere", Name: "x", IP: "10.0.0.1"}}}),
		"ParseAddr": a.Seed(t.Context(), fakegce.Seed{Instances: []fakegce.Instance{{Project: "p1", Zone: "us-east1-b", Name: "x"}}}),
		"no error":  a.AddFaults(t.Context(), fakegce.Fault{Status: 200}),
		"manual":    a.Advance(t.Context(), time.Second),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTimelineWaits: a reader that is up to date is told of the next transition.
func TestTimelineWaits(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	a := admin.Client{Base: c.base}
	c.insert("g")
	seen := s.Timeline(0)[0].Seq
	got := make(chan []fakegce.Transition)
	go func() {
		list, _ := a.Timeline(context.Background(), seen, time.Minute)
		got <- list
	}()
	c.insert("h")
	if list := <-got; len(list) != 1 || list[0].Group != "h" || list[0].Seq != seen+1 {
		t.Errorf("transitions %v", list)
	}
}

// TestRings: the journal and the timeline stay bounded, the counts exact.
func TestRings(t *testing.T) {
	s, c := start(t, fakegce.Options{CallLog: 3, TimelineLog: 2})
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		c.insert(name)
	}
	calls, list := s.Calls(fakegce.CallFilter{}), s.Timeline(0)
	if len(calls) != 3 || calls[0].Seq != 3 || calls[2].Seq != 5 {
		t.Errorf("calls %v", calls)
	}
	if len(list) != 2 || list[0].Group != "d" || list[1].Group != "e" {
		t.Errorf("timeline %v", list)
	}
	if n := s.Stats().Verbs["networkEndpointGroups.insert"]; n != 5 {
		t.Errorf("%d counted", n)
	}
	if later := s.Calls(fakegce.CallFilter{Since: 4}); len(later) != 1 || later[0].Seq != 5 {
		t.Errorf("calls %v", later)
	}
}

// TestReset: an operation of before does nothing to the world of after.
func TestReset(t *testing.T) {
	clock, s, c := slow(t, nil)
	c.insert("g")
	s.Reset()
	if err := s.Seed(nodes(1)); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Minute)
	if state := s.State(); len(state.Groups) > 0 || state.Running > 0 || len(s.Timeline(0)) > 0 {
		t.Errorf("state %+v", state)
	}
}
