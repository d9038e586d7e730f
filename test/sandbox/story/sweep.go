//go:build linux

package story

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/test/sandbox"
)

// swept takes an endpoint out by hand, and makes a group that is nobody's here; nothing in
// any cluster tells of either. The sweep finds the first, has it put right, and leaves the
// second alone.
func swept(ctx context.Context, t *teller) (string, error) {
	name := t.group("web", 80)
	zone, members := t.cloud.occupied(name)
	if len(members) == 0 {
		return "", fmt.Errorf("no group %s holds an endpoint", name)
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	foreign := &compute.NetworkEndpointGroup{Name: "made-by-hand", NetworkEndpointType: "GCE_VM_IP_PORT", Network: "global/networks/" + sandbox.Network}
	if _, err := api.NetworkEndpointGroups.Insert(sandbox.Project, zone, foreign).Context(ctx).Do(); err != nil {
		return "", err
	}
	defer func() { _, _ = api.NetworkEndpointGroups.Delete(sandbox.Project, zone, "made-by-hand").Do() }()
	address, instance, _ := strings.Cut(members[0], " ")
	at := netip.MustParseAddrPort(address)
	body := &compute.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: []*compute.NetworkEndpoint{{Instance: instance, IpAddress: at.Addr().String(), Port: int64(at.Port())}}}
	if _, err := api.NetworkEndpointGroups.DetachNetworkEndpoints(sandbox.Project, zone, name, body).Context(ctx).Do(); err != nil {
		return "", err
	}
	if err := t.until(ctx, func() (string, error) {
		if len(t.cloud.members(name)[zone]) == len(members) {
			return "the detach is not seen", nil
		}
		return "", nil
	}); err != nil {
		return "", err
	}
	began := time.Now()
	report, err := t.world.Sweep(ctx)
	if err != nil {
		return "", err
	}
	drift := found(report, "drifted", name)
	if drift == "" || report.Published["orphans"] != 0 {
		return "", fmt.Errorf("the sweep found %v and published %v; want %s drifted and no orphan", report.Findings, report.Published, name)
	}
	if err := t.exact(ctx, "web", name, 8080, 3); err != nil {
		return "", err
	}
	took, err := held(began)
	if err != nil {
		return "", err
	}
	if left := t.cloud.names(); !slices.Contains(left, "made-by-hand") {
		return "", fmt.Errorf("the foreign group is gone: %v", left)
	}
	return fmt.Sprintf("drifted: %s\n%s is back after %s; the group made-by-hand is left alone", drift, address, took), nil
}

// found is the evidence of a verdict on a resource of that name; empty when there is none.
func found(r sweep.Report, verdict, name string) string {
	for _, f := range r.Findings {
		if f.Verdict == verdict && strings.Contains(f.Resource, name) {
			return strings.Join(f.Evidence, "; ")
		}
	}
	return ""
}
