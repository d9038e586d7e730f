package reconcile

import (
	"context"
	"maps"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// askingNothing is a Service without what it asks for. What it has it still says.
func askingNothing(s *neg.Service) *neg.Service {
	out := *s
	out.Annotations = maps.Clone(s.Annotations)
	for _, name := range []string{neg.AnnotationNEG, neg.AnnotationBackendService, neg.AnnotationAutoneg} {
		delete(out.Annotations, name)
	}
	return &out
}

// A Gone cluster stands where one was. It has no Service, as long as Prove says, each time
// anew, that it is gone.
type Gone struct {
	Identity string // the UID that it had
	Prove    func(ctx context.Context) error
}

// UID is that of the cluster that is gone, or why that is not proved any more.
func (g Gone) UID(ctx context.Context) (string, error) { return g.Identity, g.Prove(ctx) }

// Service is none.
func (Gone) Service(context.Context, neg.Key) (*neg.Service, error) { return nil, nil }

// Slices are none.
func (Gone) Slices(context.Context, neg.Key) ([]neg.Slice, error) { return nil, nil }

// Nodes are none.
func (Gone) Nodes(context.Context, bool) (map[string]neg.Node, error) { return nil, nil }

// IngressPorts are none.
func (Gone) IngressPorts(context.Context, string) ([]neg.IngressPort, error) { return nil, nil }

// OtherWriter is none: whoever wrote there is gone too.
func (Gone) OtherWriter(context.Context, string, string) (string, error) { return "", nil }

// Stopping is none.
func (Gone) Stopping(context.Context, string, map[string]string) (map[string]time.Time, error) {
	return nil, nil
}

// GKEGroups are none.
func (Gone) GKEGroups(context.Context, string, string) ([]neg.GKEGroup, error) { return nil, nil }

// Probes are known of none.
func (Gone) Probes(context.Context, *neg.Service) (map[int32]neg.Probe, error) { return nil, nil }

// Annotate has nothing to write to.
func (Gone) Annotate(context.Context, *neg.Service, map[string]string) error { return nil }

// RemoveFinalizer has nothing to take it off.
func (Gone) RemoveFinalizer(context.Context, *neg.Service, string, map[string]string) error {
	return nil
}

// Note has nobody to tell.
func (Gone) Note(context.Context, *neg.Service, neg.Note) error { return nil }

// leftByGKE are the groups that GKE's own controller left of a gone cluster, where the fleet
// file wants those deleted too. Any backend service that uses one is somebody else's.
func (l *look) leftByGKE(ctx context.Context) (groups []neg.Group, err error) {
	if !l.scope.Gone || !l.scope.GKE {
		return nil, nil
	}
	left, err := l.scope.Cloud.LeftByGKE(ctx, l.scope.UID, l.key.Namespace, l.key.Service)
	for _, g := range left {
		groups = append(groups, neg.Group{GroupID: g.GroupID})
	}
	return groups, err
}

// proveLeft asks, of what a gone cluster left, whether it serves nobody any more: the
// instances of its endpoints are gone, and no backend service of somebody else's uses it.
func (l *look) proveLeft(ctx context.Context) error {
	if !l.scope.Gone {
		return nil
	}
	asked := map[neg.GroupID]bool{} // zone and instance
	groups := map[neg.GroupID]bool{}
	for _, g := range l.observed.Groups {
		groups[g.GroupID] = true
		for _, e := range g.Endpoints {
			instance := neg.GroupID{Zone: g.Zone, Name: e.Instance}
			if asked[instance] {
				continue
			}
			asked[instance] = true
			exists, err := l.scope.Cloud.InstanceExists(ctx, g.Zone, e.Instance)
			if err != nil {
				return err
			}
			if exists {
				return neg.Block("InstanceAlive", "cluster %s is gone, but group %s holds %s and instance %s is there; nothing is deleted", l.key.Cluster, g.GroupID, e.Addr, instance)
			}
		}
	}
	return l.unusedByOthers(ctx, groups)
}

func (l *look) unusedByOthers(ctx context.Context, groups map[neg.GroupID]bool) error {
	services, err := l.scope.Cloud.BackendServices(ctx)
	if err != nil {
		return err
	}
	mark := neg.BackendMark(l.scope.UID, l.key)
	for _, s := range services {
		for _, b := range s.Backends {
			if groups[b.Group] && text(b.Fields, "description") != mark {
				return neg.Block("GroupInUse", "cluster %s is gone, but group %s is used by backend service %s; nothing is deleted", l.key.Cluster, b.Group, s.ID)
			}
		}
	}
	return nil
}
