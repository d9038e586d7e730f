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
	"strings"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// Target is the API under test, and a place in it where groups may be made.
type Target struct {
	Options []option.ClientOption // endpoint and credentials

	Project, Zone string
	Network       string // empty for the project's default network
	Subnetwork    string // in the zone's region; empty if Network has just one
	Instance      string // a running VM in Zone
	Addresses     netip.Prefix
	// Addresses is an alias range of Instance: at least a /24, or /21 for the
	// tests of many pages.
}

// Run puts target to every test.
func Run(t *testing.T, target Target) {
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
		t.Run(c.name, func(t *testing.T) { c.run(newWorld(t, target)) })
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

func newWorld(t *testing.T, target Target) *world {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	svc, err := compute.NewService(ctx, target.Options...)
	if err != nil {
		t.Fatal(err)
	}
	return &world{T: t, Target: target, ctx: ctx, svc: svc, token: "nf1-" + strings.ToLower(rand.Text()[:12])}
}

func (w *world) group(name string) *compute.NetworkEndpointGroup {
	return &compute.NetworkEndpointGroup{
		Name:                w.token + "-" + name,
		Description:         `{"owner":"` + w.token + `","group":"` + name + `"}`,
		NetworkEndpointType: "GCE_VM_IP_PORT",
		Network:             w.Network,
		Subnetwork:          w.Subnetwork,
	}
}

// insert makes a group, waits for it and takes it away after the test.
func (w *world) insert(g *compute.NetworkEndpointGroup) {
	w.Helper()
	w.done(w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do())
	w.Cleanup(func() { w.remove(g.Name) })
}

func (w *world) remove(name string) {
	op, err := w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, name).Context(w.ctx).Do()
	if code(err) == 404 {
		return
	}
	w.done(op, err)
}

// done waits for an operation and fails the test if it, or its call, failed.
func (w *world) done(op *compute.Operation, err error) *compute.Operation {
	w.Helper()
	for err == nil && op.Status != "DONE" {
		op, err = w.svc.ZoneOperations.Wait(w.Project, w.Zone, op.Name).Context(w.ctx).Do()
	}
	if err != nil {
		w.Fatal(err)
	}
	if op.Error != nil {
		w.Fatalf("operation %s failed: %v", op.Name, op.Error.Errors[0].Message)
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

// endpoint is the nth of the target's addresses, all on one port.
func (w *world) endpoint(n int) *compute.NetworkEndpoint {
	addr := w.Addresses.Masked().Addr()
	for range n + 1 {
		addr = addr.Next()
	}
	return &compute.NetworkEndpoint{Instance: w.Instance, IpAddress: addr.String(), Port: 8080}
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
