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
	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/resync"
)

// Scopes opens scopes by cluster name.
type Scopes struct {
	Fleet *fleet.Fleet
	env   config.Env
	now   func() time.Time

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
	return &Scopes{Fleet: f, env: env, now: now, clouds: map[place]*gce.Client{}}, nil
}

// Open returns the scope of a cluster of the fleet file. A decommissioned one is not called:
// nothing answers there any more.
func (s *Scopes) Open(ctx context.Context, cluster string) (reconcile.Scope, error) {
	file, err := s.Fleet.File()
	if err != nil {
		return reconcile.Scope{}, err
	}
	if gone, ok := file.Cluster(cluster); ok && gone.State == "decommissioned" {
		return s.gone(ctx, file, gone, nil)
	}
	entry, client, err := s.Fleet.Cluster(ctx, cluster)
	if err != nil {
		return s.gone(ctx, file, entry, err)
	}
	if err := s.alone(ctx, entry); err != nil {
		return reconcile.Scope{}, err
	}
	return s.of(ctx, file, entry, client)
}

// of is the scope of an entry and what answers, or does not, where its cluster is.
func (s *Scopes) of(ctx context.Context, file *config.Fleet, entry config.Cluster, cluster reconcile.Cluster) (reconcile.Scope, error) {
	policy, err := plan.ParsePolicy(entry.Policy)
	if err != nil {
		return reconcile.Scope{}, fmt.Errorf("cluster %s: %w", entry.Name, err)
	}
	cloud, err := s.cloud(ctx, place{entry.Project, file.Network, file.Subnetwork})
	if err != nil {
		return reconcile.Scope{}, err
	}
	return reconcile.Scope{
		UID: entry.UID, Project: entry.Project, Zones: entry.Zones, Policy: policy,
		Skip: skip(entry), Empty: empty(entry), Foreign: entry.NEGs == "gke", Cluster: cluster, Cloud: cloud,
	}, nil
}

// gone is the scope of a cluster that does not answer, for the reason err, or is not asked.
// Only where the fleet file wants what gone clusters left deleted are the witnesses heard,
// and only what they prove counts.
func (s *Scopes) gone(ctx context.Context, file *config.Fleet, entry config.Cluster, err error) (reconcile.Scope, error) {
	if entry.Gone == "delete" {
		prove := func(ctx context.Context) error { return s.proveGone(ctx, entry.Name) }
		notProved := prove(ctx)
		if notProved == nil {
			left, err := s.of(ctx, file, entry, reconcile.Gone{Identity: entry.UID, Prove: prove})
			// Nobody keeps its groups any more, whoever did.
			left.Gone, left.GKE, left.Foreign, left.Skip = true, entry.GoneGKE == "delete", false, ""
			return left, err
		}
		if err == nil {
			return reconcile.Scope{}, notProved
		}
	}
	if err != nil {
		return reconcile.Scope{}, err
	}
	return reconcile.Scope{UID: entry.UID, Project: entry.Project, Zones: entry.Zones, Skip: skip(entry)}, nil
}

func (s *Scopes) proveGone(ctx context.Context, cluster string) error {
	verdict, err := s.Fleet.Presence(ctx, cluster)
	if err != nil || verdict.Presence == presence.Gone {
		return err
	}
	return neg.Block("ClusterNotProvedGone", "cluster %s: nothing is deleted: it is %s", cluster, verdict)
}

// Target returns what a cluster of the fleet file is resynced by, or why negfleet has no
// keys of it.
func (s *Scopes) Target(ctx context.Context, cluster string) (target resync.Target, skip string, err error) {
	scope, err := s.Open(ctx, cluster)
	if err != nil || scope.Skip != "" {
		return resync.Target{}, scope.Skip, err
	}
	if scope.Gone {
		return resync.Target{}, "it is gone: the sweep finds what it left", nil
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
	if skip(c) != "" || c.NEGs == "gke" || c.State != "active" || s.Fleet.HTTPLoadBalancing(ctx, c) != fleet.AddOnOn {
		return nil
	}
	return neg.Block("HTTPLoadBalancingOn",
		"cluster %s: negs: managed, but its HttpLoadBalancing add-on is on and GKE's own controller keeps its groups; switch the add-on off, or say negs: gke in the fleet file", c.Name)
}

// skip is why the fleet file keeps negfleet from reconciling a cluster.
func skip(c config.Cluster) string {
	if c.State == "decommissioned" && c.Gone != "delete" {
		return "the fleet file says state: decommissioned"
	}
	return ""
}

// empty is why the fleet file wants nothing in the cluster's groups.
func empty(c config.Cluster) string {
	if c.State == "active" {
		return ""
	}
	return "the fleet file says state: " + c.State
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
