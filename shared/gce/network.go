package gce

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// A FirewallRule is one of a network, in the API's words.
type FirewallRule struct {
	Name             string
	Disabled         bool
	Ingress, Allow   bool
	Priority         int64
	Traffic          []Traffic
	SourceRanges     []string
	Destinations     []string
	TargetTags       []string
	TargetAccounts   []string
	AnySource        bool // sources are said by nothing at all
	OnlyTaggedSource bool // sources are said by tags or accounts alone
}

// Traffic is a protocol, and ports of it: none are all.
type Traffic struct {
	Protocol string
	Ports    []string
}

// Firewall reads the rules of the network, in whatever project that is.
func (c *Client) Firewall(ctx context.Context) ([]FirewallRule, error) {
	project, name := c.networkPlace()
	var rules []FirewallRule
	err := c.call(ctx, "list firewall rules of project "+project, func() error {
		rules = nil
		return c.api.Firewalls.List(project).MaxResults(pageSize).Pages(ctx, func(page *compute.FirewallList) error {
			for _, f := range page.Items {
				if f.Network[strings.LastIndexByte(f.Network, '/')+1:] == name {
					rules = append(rules, firewallRule(f))
				}
			}
			return nil
		})
	})
	return rules, err
}

// networkPlace is the project and the name of the network.
func (c *Client) networkPlace() (project, name string) {
	link := c.network()
	_, rest, _ := strings.Cut(link, "projects/")
	project, _, _ = strings.Cut(rest, "/")
	if project == "" {
		project = c.opts.Project
	}
	return project, link[strings.LastIndexByte(link, '/')+1:]
}

func firewallRule(f *compute.Firewall) FirewallRule {
	r := FirewallRule{
		Name: f.Name, Disabled: f.Disabled, Ingress: f.Direction != "EGRESS", Allow: len(f.Allowed) > 0, Priority: f.Priority,
		SourceRanges: f.SourceRanges, Destinations: f.DestinationRanges, TargetTags: f.TargetTags, TargetAccounts: f.TargetServiceAccounts,
	}
	if said := len(f.SourceTags) + len(f.SourceServiceAccounts); len(f.SourceRanges) == 0 {
		r.AnySource, r.OnlyTaggedSource = said == 0, said > 0
	}
	for _, a := range f.Allowed {
		r.Traffic = append(r.Traffic, Traffic{a.IPProtocol, a.Ports})
	}
	for _, d := range f.Denied {
		r.Traffic = append(r.Traffic, Traffic{d.IPProtocol, d.Ports})
	}
	return r
}

// A VM is an instance, as far as the network is concerned.
type VM struct {
	Ranges   []string // its own addresses and alias ranges, as CIDRs
	Tags     []string
	Accounts []string
}

// VMs reads all instances of some zones.
func (c *Client) VMs(ctx context.Context, zones []neg.Zone) (map[neg.Node]VM, error) {
	found := map[neg.Node]VM{}
	for _, zone := range zones {
		err := c.call(ctx, fmt.Sprintf("list instances of project %s in %s", c.opts.Project, zone), func() error {
			return c.api.Instances.List(c.opts.Project, string(zone)).MaxResults(pageSize).Pages(ctx, func(page *compute.InstanceList) error {
				for _, i := range page.Items {
					found[neg.Node{Project: c.opts.Project, Zone: zone, Instance: i.Name}] = vm(i)
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func vm(i *compute.Instance) VM {
	v := VM{}
	if i.Tags != nil {
		v.Tags = i.Tags.Items
	}
	for _, a := range i.ServiceAccounts {
		v.Accounts = append(v.Accounts, a.Email)
	}
	for _, nic := range i.NetworkInterfaces {
		v.Ranges = append(v.Ranges, nic.NetworkIP+"/32")
		for _, alias := range nic.AliasIpRanges {
			v.Ranges = append(v.Ranges, alias.IpCidrRange)
		}
	}
	return v
}
