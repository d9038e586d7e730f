// Package conformance holds what negfleet relies on from Compute Engine, as
// tests that any implementation of the API can be put to. They use the real
// compute/v1 client and assert only what the client sees: the emulator in
// test/fakegce must pass them always, and a real project can be put in its
// place, which is what makes the emulator worth believing.
//
// Where the real API's answer is not documented the tests accept each answer
// that negfleet is built to bear, and log which one it was.
//
// Groups are found by a token in their description. The form to use is the
// documented one, a regular expression that must match the whole field:
//
//	description eq ".*nf1-….*"
//
// The other, `description : "nf1-…"`, is tested too, but what ":" means for a
// string is not documented.
package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// Prefix begins the name of everything that a run makes, and nothing else may.
const Prefix = "negfleet-conformance-"

// Target is the API under test, and a place in it where resources may be made.
type Target struct {
	Options []option.ClientOption // endpoint and credentials
	Context context.Context       // the run breaks off when it is done; may be nil

	Project, Zone string
	Network       string // empty for the project's default network
	Subnetwork    string // in the zone's region; empty if Network has just one

	// Instance is a running VM in Zone. Without one, groups are of the type
	// NON_GCP_PRIVATE_IP_PORT, which needs none.
	Instance string
	// Addresses are what endpoints are made of: Instance's own or an alias range
	// of it, or any without an Instance. When there are too few, ports differ.
	Addresses netip.Prefix
	// ServingPort is where Instance answers GET /healthz with 200, for the time it takes
	// to become healthy; 0 leaves that out.
	ServingPort int64

	Patience time.Duration // how long a list may lag behind a finished operation
}

// Run puts target to every test. What they leave is removed at the end, and fails t
// unless one of them failed already.
func Run(t *testing.T, target Target) {
	t.Helper()
	run := clean(t, target)
	cases := []struct {
		name string
		run  func(*world)
	}{
		{"InsertGetDelete", insertGetDelete},
		{"NameTaken", nameTaken},
		{"Absent", absent},
		{"BadGroups", badGroups},
		{"MetadataRoundTrip", metadataRoundTrip},
		{"ListPages", listPages},
		{"DescriptionFilters", descriptionFilters},
		{"AggregatedScopes", aggregatedScopes},
		{"PartialSuccess", partialSuccess},
		{"AttachListDetach", attachListDetach},
		{"EndpointDefaults", endpointDefaults},
		{"EndpointPages", endpointPages},
		{"WholeBatchRefused", wholeBatchRefused},
		{"TooManyEndpoints", tooManyEndpoints},
		{"AlreadyAsWanted", alreadyAsWanted},
		{"RequestIDReplay", requestIDReplay},
		{"RequestIDInvalid", requestIDInvalid},
		{"Operations", operations},
		{"ZonesAndRegions", zonesAndRegions},
		{"HealthCheckLife", healthCheckLife},
		{"Fingerprints", fingerprints},
		{"BackendsWhole", backendsWhole},
		{"GroupInUse", groupInUse},
		{"LoadBalancerChain", loadBalancerChain},
		{"RegionalServices", regionalServices},
		{"FirewallRule", firewallRule},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(newWorld(t, target, run))
		})
	}
}

// world is one test's client and the names it uses.
type world struct {
	*testing.T
	Target
	ctx   context.Context
	svc   *compute.Service
	token string // in the name and the description of all that the test makes
}

func newWorld(t *testing.T, target Target, run string) *world {
	t.Helper()
	base := target.Context
	if base == nil {
		base = context.Background()
	}
	ctx, cancel := context.WithTimeout(base, 15*time.Minute)
	t.Cleanup(cancel)
	svc, err := compute.NewService(ctx, target.Options...)
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, Target: target, ctx: ctx, svc: svc, token: run + "-" + random()}
}

func random() string { return strings.ToLower(rand.Text()[:6]) }

func (w *world) region() string { return w.Zone[:strings.LastIndex(w.Zone, "-")] }

func (w *world) group(name string) *compute.NetworkEndpointGroup {
	g := &compute.NetworkEndpointGroup{
		Name:                w.token + "-" + name,
		Description:         `{"owner":"` + w.token + `","group":"` + name + `"}`,
		NetworkEndpointType: "NON_GCP_PRIVATE_IP_PORT",
		Network:             w.Network,
	}
	if w.Instance != "" {
		g.NetworkEndpointType, g.Subnetwork = "GCE_VM_IP_PORT", w.Subnetwork
	}
	return g
}

// insert makes a group, waits for it and takes it away after the test.
func (w *world) insert(g *compute.NetworkEndpointGroup) {
	w.Helper()
	w.done(w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do())
	w.discardGroup(g.Name)
}

func (w *world) discardGroup(name string) {
	w.discard(func() (*compute.Operation, error) {
		return w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, name).Context(w.ctx).Do()
	})
}

// discard deletes after the test what may be gone already.
func (w *world) discard(remove func() (*compute.Operation, error)) {
	w.Cleanup(func() {
		if w.ctx.Err() != nil {
			return // the run's own cleaning does it
		}
		if op, err := remove(); code(err) != 404 {
			w.done(op, err)
		}
	})
}

// done waits for an operation and fails the test if it, or its call, failed.
func (w *world) done(op *compute.Operation, err error) *compute.Operation {
	w.Helper()
	if err == nil {
		op, err = await(w.ctx, w.svc, w.Project, op)
	}
	if err != nil {
		w.Fatal(err)
	}
	return op
}

func (w *world) attach(name string, eps ...*compute.NetworkEndpoint) (*compute.Operation, error) {
	in := &compute.NetworkEndpointGroupsAttachEndpointsRequest{NetworkEndpoints: eps}
	return w.svc.NetworkEndpointGroups.AttachNetworkEndpoints(w.Project, w.Zone, name, in).Context(w.ctx).Do()
}

func (w *world) detach(name string, eps ...*compute.NetworkEndpoint) (*compute.Operation, error) {
	in := &compute.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: eps}
	return w.svc.NetworkEndpointGroups.DetachNetworkEndpoints(w.Project, w.Zone, name, in).Context(w.ctx).Do()
}

// endpoint is the nth: the target's addresses on port 8080, then on the next.
func (w *world) endpoint(n int) *compute.NetworkEndpoint {
	many := 1 << min(w.Addresses.Addr().BitLen()-w.Addresses.Bits(), 16)
	addr := w.Addresses.Masked().Addr()
	for range n % many {
		addr = addr.Next()
	}
	return &compute.NetworkEndpoint{Instance: w.Instance, IpAddress: addr.String(), Port: int64(8080 + n/many)}
}

func (w *world) endpoints(from, to int) []*compute.NetworkEndpoint {
	var eps []*compute.NetworkEndpoint
	for i := from; i < to; i++ {
		eps = append(eps, w.endpoint(i))
	}
	return eps
}

// attached lists a group's endpoints as ip:port and tells how many pages it took.
func (w *world) attached(name string) (list []string, pages int) {
	w.Helper()
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: "SKIP"}
	call := w.svc.NetworkEndpointGroups.ListNetworkEndpoints(w.Project, w.Zone, name, in)
	err := call.Pages(w.ctx, func(page *compute.NetworkEndpointGroupsListNetworkEndpoints) error {
		pages++
		for _, item := range page.Items {
			list = append(list, fmt.Sprintf("%s:%d", item.NetworkEndpoint.IpAddress, item.NetworkEndpoint.Port))
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return list, pages
}

// code is the HTTP status of an API error, 0 for none.
func code(err error) int {
	var apiErr *googleapi.Error
	if errors.As(err, &apiErr) {
		return apiErr.Code
	}
	return 0
}

// refused fails the test unless err has the status, the reason and the text.
func (w *world) refused(err error, status int, reason, text string) {
	w.Helper()
	var apiErr *googleapi.Error
	if !errors.As(err, &apiErr) {
		w.Fatalf("got %v, want %d %s", err, status, reason)
	}
	got := ""
	if len(apiErr.Errors) > 0 {
		got = apiErr.Errors[0].Reason
	}
	if apiErr.Code != status || got != reason || !strings.Contains(apiErr.Message, text) {
		w.Errorf("got %d %s: %s\nwant %d %s: …%s…", apiErr.Code, got, apiErr.Message, status, reason, text)
	}
}

// sees fails the test unless read comes to be want, in whatever order, within the
// target's patience.
func (w *world) sees(what string, want []string, read func() []string) {
	w.Helper()
	want = slices.Sorted(slices.Values(want))
	diff := ""
	w.poll(w.Patience, func() bool {
		diff = cmp.Diff(want, slices.Sorted(slices.Values(read())))
		return diff == ""
	})
	if diff != "" {
		w.Errorf("%s, -want +got:\n%s", what, diff)
	}
}

// poll asks until it is so, at most for the time given and at least once, and tells
// how long it took.
func (w *world) poll(most time.Duration, so func() bool) (took time.Duration, ok bool) {
	w.Helper()
	start := time.Now()
	tick := time.NewTicker(max(most/100, time.Millisecond))
	defer tick.Stop()
	for !so() {
		if time.Since(start) >= most {
			return time.Since(start), false
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.Fatal(w.ctx.Err())
		}
	}
	return time.Since(start), true
}
