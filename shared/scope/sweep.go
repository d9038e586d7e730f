package scope

import (
	"context"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/sweep"
)

// Sweep returns what reads the inventory of the whole fleet or, if only is not empty, of one
// cluster: of the others it knows then that they are there, and no more. A holder renews
// the Leases.
func (s *Scopes) Sweep(ctx context.Context, only, holder string) (sweep.Reader, error) {
	file, err := s.Fleet.File()
	if err != nil {
		return sweep.Reader{}, err
	}
	if _, ok := file.Cluster(only); only != "" && !ok {
		return sweep.Reader{}, neg.Block("ClusterUnknown", "cluster %q is not in the fleet file", only)
	}
	clouds := map[string]sweep.Cloud{}
	for _, c := range file.Clusters {
		if only != "" && c.Name != only {
			continue
		}
		if clouds[c.Project], err = s.cloud(ctx, place{c.Project, file.Network, file.Subnetwork}); err != nil {
			return sweep.Reader{}, err
		}
	}
	return sweep.Reader{
		Clouds: clouds, Holder: holder, Only: only, Now: s.now,
		Survey: func(ctx context.Context) ([]sweep.Cluster, error) { return s.survey(ctx, only) },
		Open: func(ctx context.Context, cluster string) (sweep.Kubernetes, error) {
			_, client, err := s.Fleet.Cluster(ctx, cluster)
			return client, err
		},
	}, nil
}

func (s *Scopes) survey(ctx context.Context, only string) ([]sweep.Cluster, error) {
	var all []sweep.Cluster
	if only == "" {
		reports, err := s.Fleet.Survey(ctx)
		for _, r := range reports {
			all = append(all, swept(r.Entry, r.Verdict))
		}
		return all, err
	}
	file, err := s.Fleet.File()
	if err != nil {
		return nil, err
	}
	for _, entry := range file.Clusters {
		verdict := presence.Verdict{Evidence: []string{"was not asked"}}
		if entry.Name == only {
			if verdict, err = s.Fleet.Presence(ctx, only); err != nil {
				return nil, err
			}
		}
		all = append(all, swept(entry, verdict))
	}
	return all, nil
}

func swept(c config.Cluster, verdict presence.Verdict) sweep.Cluster {
	out := sweep.Cluster{
		Name: c.Name, UID: c.UID, Project: c.Project, Gone: c.Gone, GoneGKE: c.GoneGKE, Presence: verdict,
		Uninjected: skipGates(c), Unlabelled: c.Inject.Unlabelled,
	}
	if c.NEGs == "gke" {
		out.Skip = "the fleet file says negs: gke: GKE's own controller keeps the groups"
	}
	return out
}
