package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
)

// A cloud is the Compute API of all projects of the fleet. It notes the regions in which
// instances were looked for, as their quotas are what counts.
type cloud struct {
	env  config.Env
	file *config.Fleet

	mu      sync.Mutex
	clients map[string]*gce.Client
	regions map[string]map[string]bool // by project
}

func newCloud(env config.Env, file *config.Fleet) *cloud {
	return &cloud{env: env, file: file, clients: map[string]*gce.Client{}, regions: map[string]map[string]bool{}}
}

func (c *cloud) client(ctx context.Context, project string) (*gce.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.regions[project] == nil {
		c.regions[project] = map[string]bool{}
	}
	if known := c.clients[project]; known != nil {
		return known, nil
	}
	made, err := gce.New(ctx, gce.Options{Project: project, Network: c.file.Network, Subnetwork: c.file.Subnetwork, Endpoint: c.env.ComputeEndpoint})
	if err == nil {
		c.clients[project] = made
	}
	return made, err
}

func (c *cloud) rules(ctx context.Context, project string) doctor.Read[[]doctor.Rule] {
	return read(func() ([]doctor.Rule, error) {
		client, err := c.client(ctx, project)
		if err != nil {
			return nil, err
		}
		found, err := client.Firewall(ctx)
		var all []doctor.Rule
		for _, f := range found {
			all = append(all, rule(f))
		}
		return all, err
	}, "compute.firewalls.list in the network's project")
}

func rule(f gce.FirewallRule) doctor.Rule {
	r := doctor.Rule{
		Name: f.Name, Disabled: f.Disabled, Ingress: f.Ingress, Priority: f.Priority, Allow: f.Allow,
		Sources: f.SourceRanges, Destinations: f.Destinations, TargetTags: f.TargetTags, TargetAccounts: f.TargetAccounts,
	}
	if f.AnySource {
		r.Sources = []string{"0.0.0.0/0"}
	}
	for _, t := range f.Traffic {
		r.Traffic = append(r.Traffic, doctor.Traffic{Protocol: t.Protocol, Ports: t.Ports})
	}
	return r
}

func (c *cloud) vms(ctx context.Context, project string, zones []neg.Zone) doctor.Read[map[neg.Node]gce.VM] {
	return read(func() (map[neg.Node]gce.VM, error) {
		client, err := c.client(ctx, project)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		for _, z := range zones {
			if i := strings.LastIndexByte(string(z), '-'); i > 0 {
				c.regions[project][string(z)[:i]] = true
			}
		}
		c.mu.Unlock()
		return client.VMs(ctx, zones)
	}, "compute.instances.list in project "+project)
}

// quotas reads those of every project and region that was looked at.
func (c *cloud) quotas(ctx context.Context) []doctor.Quotas {
	c.mu.Lock()
	regions := maps.Clone(c.regions)
	c.mu.Unlock()
	var all []doctor.Quotas
	for _, project := range slices.Sorted(maps.Keys(regions)) {
		got := read(func() ([]neg.Quota, error) {
			client, err := c.client(ctx, project)
			if err != nil {
				return nil, err
			}
			return client.Quotas(ctx)
		}, "compute.projects.get and compute.regions.list in project "+project)
		for _, region := range append([]string{""}, slices.Sorted(maps.Keys(regions[project]))...) {
			all = append(all, doctor.Quotas{Project: project, Region: region, Limits: limits(got, region)})
		}
	}
	return all
}

// limits are the quotas of one region, or without one the project's own.
func limits(got doctor.Read[[]neg.Quota], region string) doctor.Read[map[string]doctor.Quota] {
	if got.Gap != nil {
		return doctor.Without[map[string]doctor.Quota](*got.Gap)
	}
	found := map[string]doctor.Quota{}
	for _, q := range got.Value {
		if q.Region == region {
			found[q.Metric] = doctor.Quota{Used: q.Used, Limit: q.Limit}
		}
	}
	return doctor.Got(found)
}

// backendsOf are the places where a slice's Pods serve TCP.
func backendsOf(s neg.Slice, nodes map[string]neg.Node, vms map[neg.Node]gce.VM) []doctor.Backend {
	var all []doctor.Backend
	for _, e := range s.Endpoints {
		for _, p := range s.Ports {
			if e.Terminating || p.Port == nil || len(e.Addresses) == 0 || p.Protocol != "" && p.Protocol != "TCP" {
				continue
			}
			node := nodes[e.Node]
			vm, known := vms[node]
			name := node.Instance
			if name == "" {
				name = "node " + e.Node
			}
			all = append(all, doctor.Backend{
				Address: e.Addresses[0], Port: *p.Port, Instance: name, Known: known, Ranges: vm.Ranges, Tags: vm.Tags, Accounts: vm.Accounts,
			})
		}
	}
	return all
}
