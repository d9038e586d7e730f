package conformance

import (
	"fmt"
	"net/netip"
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
		"accepted": {OpLatency: 5 * time.Millisecond, CommitAt: "accept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, target := emulator(t, opts)
			Run(t, target)
		})
	}
}

// TestNobodyLeavesGroups: a run cleans up after itself, as a real project needs.
func TestNobodyLeavesGroups(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	t.Run("run", func(t *testing.T) { Run(t, target) })
	if left := server.Groups(); len(left) > 0 {
		t.Error(fmt.Sprint(left))
	}
}
