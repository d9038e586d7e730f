package scope

import (
	"context"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
)

// Gates returns where a cluster's gates are answered. Where GKE's own controller keeps the
// groups it answers its own gate, and negfleet the other one.
func (s *Scopes) Gates(ctx context.Context, cluster string) (readiness.Scope, error) {
	file, err := s.Fleet.File()
	if err != nil {
		return readiness.Scope{}, err
	}
	why, drains := "", false
	if c, ok := file.Cluster(cluster); ok {
		why, drains = skipGates(c), c.State == "draining" && c.Policy != "observe"
	}
	if why != "" && !drains {
		return readiness.Scope{Skip: why}, nil
	}
	entry, client, err := s.Fleet.Cluster(ctx, cluster)
	if err != nil {
		return readiness.Scope{}, err
	}
	cloud, err := s.cloud(ctx, place{entry.Project, file.Network, file.Subnetwork})
	if err != nil {
		return readiness.Scope{}, err
	}
	scope := readiness.Scope{
		UID: entry.UID, Project: entry.Project, Zones: entry.Zones, Cluster: client, Cloud: cloud,
		Foreign: entry.NEGs == "gke", Gates: []string{neg.GateLoadBalancer},
		Rules: func(namespace string) readiness.Rules { return rulesOf(entry.Gates.For(namespace)) },
	}
	if drains { // its gates were added before
		scope.Open = why + ": no load balancer is to lead here"
	}
	if !scope.Foreign {
		scope.Gates = append(scope.Gates, neg.GateNEG)
	}
	return scope, nil
}

func rulesOf(w config.Waits) readiness.Rules {
	rules := readiness.DefaultRules
	rules.Timeout, rules.Unattached, rules.Hybrid = w.Timeout, w.Unattached, w.Hybrid
	return rules
}

// skipGates is why the fleet file keeps negfleet from answering a cluster's gates: the
// webhook adds none there.
func skipGates(c config.Cluster) string {
	switch {
	case c.State != "active":
		return empty(c)
	case c.Policy == "observe":
		return "the fleet file says policy: observe"
	}
	return ""
}
