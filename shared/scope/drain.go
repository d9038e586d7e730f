package scope

import (
	"context"
	"errors"

	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
)

// Drain returns what follows a cluster on its way out. The cluster is called when its keys
// are asked for, and not before: one that does not answer can be followed all the same.
func (s *Scopes) Drain(ctx context.Context, cluster string) (*drain.Drain, error) {
	file, err := s.Fleet.File()
	if err != nil {
		return nil, err
	}
	entry, ok := file.Cluster(cluster)
	if !ok {
		return nil, neg.Block("ClusterUnknown", "cluster %q is not in the fleet file", cluster)
	}
	clouds := map[string]drain.Cloud{}
	for _, c := range file.Clusters {
		if clouds[c.Project], err = s.cloud(ctx, place{c.Project, file.Network, file.Subnetwork}); err != nil {
			return nil, err
		}
	}
	return &drain.Drain{
		Cluster: drain.Cluster{Name: entry.Name, UID: entry.UID}, Project: entry.Project, Clouds: clouds, Now: s.now,
		Find: func(ctx context.Context, emit func([]resync.Find) error) error {
			target, skip, err := s.Target(ctx, cluster)
			if err == nil && skip != "" {
				err = errors.New(skip)
			}
			if err != nil {
				return err
			}
			_, err = target.Find(ctx, emit)
			return err
		},
	}, nil
}
