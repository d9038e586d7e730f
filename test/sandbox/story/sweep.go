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

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/sandbox"
)

// strangers is the name of a group that looks like ours and is not.
const strangers = "nf1-of-a-stranger"

// swept tells of what disturb did, of which nothing in any cluster tells. The sweep has the
// leak removed, the endpoint put back, and leaves the stranger's group alone.
func swept(ctx context.Context, t *teller) (string, error) {
	name, leak := t.group("web", 80), t.group("long-gone", 80)
	address, err := disturb(ctx, t, name, leak)
	if err != nil {
		return "", err
	}
	began := time.Now()
	report, err := t.world.Sweep(ctx)
	if err != nil {
		return "", err
	}
	drift, orphan, foreign := found(report, "drifted", name), found(report, "orphan of a living cluster", leak), found(report, "foreign", strangers)
	if drift == "" || orphan == "" || foreign == "" || report.Published["orphans"] != 1 {
		return "", fmt.Errorf("the sweep found %v and published %v; want %s drifted, %s orphaned and %s foreign", report.Findings, report.Published, name, leak, strangers)
	}
	if err := t.exact(ctx, "web", name, 8080, 3); err != nil {
		return "", err
	}
	err = t.until(ctx, func() (string, error) {
		if slices.Contains(t.cloud.names(), leak) {
			return leak + " is still there", nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	took, err := held(began)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("orphan of a living cluster: %s\ndrifted: %s\nforeign: %s\n%s is gone and %s is back after %s; %s is left alone", orphan, drift, foreign, leak, address, took, strangers), t.untouched()
}

// disturb leaves a group of a Service that is long gone, makes one that is nobody's here, and
// takes an endpoint out of a third by hand. It returns the endpoint's address.
func disturb(ctx context.Context, t *teller, name, leak string) (address string, err error) {
	zone, members := t.cloud.occupied(name)
	if len(members) == 0 {
		return "", fmt.Errorf("no group %s holds an endpoint", name)
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	for name, description := range map[string]string{strangers: "", leak: neg.OwnerOf(t.cluster.UID, t.key("long-gone"), 80).Description()} {
		g := &compute.NetworkEndpointGroup{Name: name, Description: description, NetworkEndpointType: "GCE_VM_IP_PORT", Network: "global/networks/" + sandbox.Network}
		if _, err := api.NetworkEndpointGroups.Insert(sandbox.Project, sandbox.Zones[0], g).Context(ctx).Do(); err != nil {
			return "", err
		}
	}
	address, instance, _ := strings.Cut(members[0], " ")
	at := netip.MustParseAddrPort(address)
	body := &compute.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: []*compute.NetworkEndpoint{{Instance: instance, IpAddress: at.Addr().String(), Port: int64(at.Port())}}}
	if _, err := api.NetworkEndpointGroups.DetachNetworkEndpoints(sandbox.Project, zone, name, body).Context(ctx).Do(); err != nil {
		return "", err
	}
	err = t.until(ctx, func() (string, error) {
		names := t.cloud.names()
		if len(t.cloud.members(name)[zone]) == len(members) || !slices.Contains(names, leak) || !slices.Contains(names, strangers) {
			return "what was done by hand is not seen", nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	return address, t.age(ctx, leak, strangers)
}

// untouched tells whether the stranger's group is there.
func (t *teller) untouched() error {
	if left := t.cloud.names(); !slices.Contains(left, strangers) {
		return fmt.Errorf("the stranger's group is gone: %v", left)
	}
	return nil
}

// age makes groups an hour older: the sweep takes nothing that is young for a leak.
func (t *teller) age(ctx context.Context, names ...string) error {
	return t.world.GCE.Age(ctx, fakegce.Ageing{Path: "/networkEndpointGroups/(" + strings.Join(names, "|") + ")$", By: fakegce.Duration(time.Hour)})
}

// found is the evidence of a verdict on a resource of that name; empty when there is none.
func found(r sweep.Report, verdict, name string) string {
	for _, f := range r.Findings {
		if f.Verdict == verdict && strings.Contains(f.Resource, name) {
			return f.Words()
		}
	}
	return ""
}
