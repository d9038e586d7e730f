// Package scope joins the fleet file, Kubernetes and Compute into the scopes that
// reconcile works in. It is wiring: it makes clients from configuration and decides
// nothing.
package scope

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/resync"
)

// Scopes opens scopes by cluster name.
type Scopes struct {
	Fleet *fleet.Fleet
	env   config.Env

	mu     sync.Mutex
	clouds map[place]*gce.Client
}

// A place is what a Compute client belongs to.
type place struct{ project, network, subnetwork string }

// New reads the fleet file that env names.
func New(env config.Env, log *slog.Logger, now func() time.Time) (*Scopes, error) {
	f, err := fleet.New(env.FleetFile, log, now, fleet.WithGoogle(fleet.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}))
	if err != nil {
		return nil, err
	}
	return &Scopes{Fleet: f, env: env, clouds: map[place]*gce.Client{}}, nil
}

// Open returns the scope of a cluster of the fleet file. A decommissioned one is not called:
// nothing answers there any more.
func (s *Scopes) Open(ctx context.Context, cluster string) (reconcile.Scope, error) {
	file, err := s.Fleet.File()
	if err != nil {
		return reconcile.Scope{}, err
	}
	if gone, ok := file.Cluster(cluster); ok && gone.State == "decommissioned" {
		return reconcile.Scope{UID: gone.UID, Project: gone.Project, Zones: gone.Zones, Skip: skip(gone)}, nil
	}
	entry, client, err := s.Fleet.Cluster(ctx, cluster)
	if err != nil {
		return reconcile.Scope{}, err
	}
	if err := s.alone(ctx, entry); err != nil {
		return reconcile.Scope{}, err
	}
	policy, err := plan.ParsePolicy(entry.Policy)
	if err != nil {
		return reconcile.Scope{}, fmt.Errorf("cluster %s: %w", cluster, err)
	}
	cloud, err := s.cloud(ctx, place{entry.Project, file.Network, file.Subnetwork})
	if err != nil {
		return reconcile.Scope{}, err
	}
	return reconcile.Scope{
		UID: entry.UID, Project: entry.Project, Zones: entry.Zones, Policy: policy,
		Skip: skip(entry), Cluster: client, Cloud: cloud,
	}, nil
}

// Target returns what a cluster of the fleet file is resynced by, or why negfleet has no
// keys of it.
func (s *Scopes) Target(ctx context.Context, cluster string) (target resync.Target, skip string, err error) {
	scope, err := s.Open(ctx, cluster)
	if err != nil || scope.Skip != "" {
		return resync.Target{}, scope.Skip, err
	}
	file, err := s.Fleet.File()
	if err != nil {
		return resync.Target{}, "", err
	}
	_, client, err := s.Fleet.Cluster(ctx, cluster)
	if err != nil {
		return resync.Target{}, "", err
	}
	cloud, err := s.cloud(ctx, place{scope.Project, file.Network, file.Subnetwork})
	return resync.Target{Name: cluster, UID: scope.UID, Cluster: client, Cloud: cloud}, "", err
}

// alone refuses a cluster whose groups GKE's own controller keeps too. Where the container
// API has never said so, reconcile still looks in the cluster for what that controller writes.
func (s *Scopes) alone(ctx context.Context, c config.Cluster) error {
	if skip(c) != "" || s.Fleet.HTTPLoadBalancing(ctx, c) != fleet.AddOnOn {
		return nil
	}
	return neg.Block("HTTPLoadBalancingOn",
		"cluster %s: negs: managed, but its HttpLoadBalancing add-on is on and GKE's own controller keeps its groups; switch the add-on off, or say negs: gke in the fleet file", c.Name)
}

// skip is why the fleet file keeps negfleet from reconciling a cluster.
func skip(c config.Cluster) string {
	switch {
	case c.State != "active":
		return "the fleet file says state: " + c.State
	case c.NEGs == "gke":
		return "the fleet file says negs: gke: GKE's own controller keeps the groups"
	}
	return ""
}

func (s *Scopes) cloud(ctx context.Context, p place) (*gce.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clouds[p]; ok {
		return c, nil
	}
	c, err := gce.New(context.WithoutCancel(ctx), gce.Options{Project: p.project, Network: p.network, Subnetwork: p.subnetwork, Endpoint: s.env.ComputeEndpoint})
	if err == nil {
		s.clouds[p] = c
	}
	return c, err
}
