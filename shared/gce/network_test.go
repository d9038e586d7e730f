package gce_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestFirewall: the rules are those of the network alone, wherever it is.
func TestFirewall(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	api, err := compute.NewService(t.Context(), option.WithEndpoint(c.url), option.WithoutAuthentication())
	c.check(err)
	insert := func(project, network string, f *compute.Firewall) {
		t.Helper()
		f.Network = "projects/" + project + "/global/networks/" + network
		_, err := api.Firewalls.Insert(project, f).Do()
		c.check(err)
	}
	c.check(c.fake.Seed(fakegce.Seed{Projects: []string{"host"}}))
	for project, network := range map[string]string{"p1": "other", "host": "shared"} {
		_, err := api.Networks.Insert(project, &compute.Network{Name: network, AutoCreateSubnetworks: false, ForceSendFields: []string{"AutoCreateSubnetworks"}}).Do()
		c.check(err)
	}
	insert("p1", "default", &compute.Firewall{
		Name: "health", Priority: 900, SourceRanges: []string{"35.191.0.0/16"}, TargetTags: []string{"pool"},
		Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{"80", "8000-9000"}}},
	})
	insert("p1", "default", &compute.Firewall{Name: "inside", SourceTags: []string{"pool"}, Denied: []*compute.FirewallDenied{{IPProtocol: "all"}}})
	insert("p1", "other", &compute.Firewall{Name: "elsewhere", Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp"}}})
	insert("host", "shared", &compute.Firewall{Name: "shared", Direction: "EGRESS", Disabled: true, Allowed: []*compute.FirewallAllowed{{IPProtocol: "udp"}}})

	got, err := c.Firewall(t.Context())
	c.check(err)
	want := []gce.FirewallRule{
		{
			Name: "health", Ingress: true, Allow: true, Priority: 900, SourceRanges: []string{"35.191.0.0/16"}, TargetTags: []string{"pool"},
			Traffic: []gce.Traffic{{Protocol: "tcp", Ports: []string{"80", "8000-9000"}}},
		},
		{Name: "inside", Ingress: true, Priority: 1000, OnlyTaggedSource: true, Traffic: []gce.Traffic{{Protocol: "all"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	host := c.client(gce.Options{Network: "projects/host/global/networks/shared", Subnetwork: "default"})
	got, err = host.Firewall(t.Context())
	c.check(err)
	if len(got) != 1 || got[0].Name != "shared" || got[0].Ingress || !got[0].Disabled {
		t.Errorf("of a Shared VPC: %+v", got)
	}
}

func TestVMs(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	got, err := c.VMs(t.Context(), []neg.Zone{zone, "us-central1-b"})
	c.check(err)
	one := got[neg.Node{Project: "p1", Zone: zone, Instance: "vm-3"}]
	if len(got) != 6 || !slices.Equal(one.Ranges, []string{"10.128.0.5/32", "10.1.3.0/24"}) {
		t.Errorf("%d instances, vm-3 is %+v", len(got), one)
	}
}
