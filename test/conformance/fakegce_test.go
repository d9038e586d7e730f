package conformance

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

// emulator starts a fakegce that holds what a Target needs.
func emulator(t testing.TB, opts fakegce.Options) (*fakegce.Server, Target) {
	t.Helper()
	target := Target{
		Project: "p1", Zone: "europe-west1-b", Instance: "node-1",
		Addresses: netip.MustParsePrefix("10.8.0.0/20"),
	}
	server := fakegce.New(opts)
	err := server.Seed(fakegce.Seed{Instances: []fakegce.Instance{{
		Project: target.Project, Zone: target.Zone, Name: target.Instance,
		IP: "10.132.0.2", AliasRanges: []string{target.Addresses.String()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	base := fakegce.Start(t, server)
	target.Options = []option.ClientOption{
		option.WithEndpoint(fakegce.ComputeEndpoint(base)), option.WithoutAuthentication(),
	}
	return server, target
}

// TestFakeGCE runs everything under each answer the real API might give.
func TestFakeGCE(t *testing.T) {
	for name, opts := range map[string]fakegce.Options{
		"strict":   {},
		"lenient":  {AttachExisting: fakegce.Idempotent, DetachAbsent: fakegce.Idempotent, InstanceEcho: "name", MissingFingerprint: "optional"},
		"swapped":  {AttachExisting: fakegce.NotFound, DetachAbsent: fakegce.Invalid, RejectOverlap: true, MissingFingerprint: "conditionNotMet"},
		"slow":     {OpLatency: 5 * time.Millisecond, OpJitter: 5 * time.Millisecond},
		"health":   {HealthUnreached: true, DrainingHidden: true, HealthDelay: 10 * time.Millisecond, HealthPending: "unknown"},
		"lagging":  {ListLag: 50 * time.Millisecond, RequestIDReuse: "conflict"},
		"accepted": {OpLatency: 5 * time.Millisecond, CommitAt: "accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, target := emulator(t, opts)
			if opts.ListLag > 0 {
				target.Patience = time.Minute
			}
			Run(t, target)
		})
	}
	t.Run("no instance", func(t *testing.T) {
		t.Parallel()
		_, target := emulator(t, fakegce.Options{})
		target.Instance = ""
		Run(t, target)
	})
	t.Run("one address", func(t *testing.T) {
		t.Parallel()
		_, target := emulator(t, fakegce.Options{})
		target.Addresses = netip.MustParsePrefix("10.132.0.2/32")
		Run(t, target)
	})
}

// TestSweep removes what is left of a whole load balancer, of this prefix alone.
func TestSweep(t *testing.T) {
	_, target := emulator(t, fakegce.Options{})
	run := Prefix + "old"
	t.Run("leave", func(t *testing.T) {
		ctx, broken := context.WithCancel(t.Context())
		started := target
		started.Context = ctx
		w := newWorld(t, started, run)
		regionalServices(w)
		firewallRule(w)
		loadBalancerChain(w)
		broken() // so nothing is discarded
	})
	bystander := newWorld(t, target, "somebody")
	bystander.inserted("else")
	before := bystander.everything()
	if n := len(before); n != 11 {
		t.Fatalf("%d resources: %v", n, before)
	}
	if removed, err := Sweep(t.Context(), target, Prefix, time.Now().Add(-time.Hour)); len(removed) > 0 || err != nil {
		t.Errorf("removed the young: %v, %v", removed, err)
	}
	removed, err := Sweep(t.Context(), target, Prefix, time.Now().Add(time.Hour))
	if err != nil || len(removed) != 10 {
		t.Errorf("removed %v, %v", removed, err)
	}
	if after := bystander.everything(); len(after) != 1 || !strings.Contains(after[0], "somebody") {
		t.Errorf("kept %v", after)
	}
	if _, err := Sweep(t.Context(), target, "", time.Now()); err == nil {
		t.Error("swept without a prefix")
	}
}

// TestSweepOfStaleLists: what is listed and not there any more was not left behind.
func TestSweepOfStaleLists(t *testing.T) {
	clock := fakegce.NewManualClock(time.Now())
	_, target := emulator(t, fakegce.Options{ListLag: time.Hour, Clock: clock})
	w := newWorld(t, target, Prefix+"stale")
	w.inserted("a")
	clock.Advance(2 * time.Hour)
	w.done(w.deleteGroup("a"))
	if removed, err := Sweep(t.Context(), target, Prefix, time.Time{}); len(removed) > 0 || err != nil {
		t.Errorf("removed %v, %v", removed, err)
	}
}

// everything lists what there is, of any name.
func (w *world) everything() (paths []string) {
	w.Helper()
	found, err := leftovers(w.ctx, w.svc, w.Project, "", time.Time{})
	if err != nil {
		w.Fatal(err)
	}
	for _, l := range found {
		paths = append(paths, l.path)
	}
	return paths
}
