package reconcile

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// readBackendAnnotations reads what the Service asks of backend services. A mistake there
// holds what it has and stops nothing else.
func (l *look) readBackendAnnotations(svc *neg.Service) {
	mistake := func(err error) *plan.Problem {
		return &plan.Problem{Reason: "InvalidAnnotation", Message: err.Error() + "; its backend services are left as they are"}
	}
	var err error
	if value, ok := svc.Annotations[neg.AnnotationBackendService]; ok {
		if l.in.Managed, err = neg.ParseManaged(value); err != nil {
			l.in.BackendsHeld = mistake(err)
		}
	}
	if l.in.Attached, err = neg.ParseAutoneg(l.key, svc.Annotations, neg.DefaultTemplate); err != nil {
		l.in.BackendsHeld = mistake(err)
	}
	if l.policy != plan.Sync {
		return // a finalizer is nothing to add
	}
	if l.custody = custodyOf(svc, l.r.Now()); l.custody.held() {
		l.in.Attached, l.in.BackendsHeld = nil, l.custody.problem(svc)
	}
}

// backendIDs are the backend services that the Service asks for, was in when it was last
// looked at, or was put into by autoneg.
func (l *look) backendIDs() []neg.BackendServiceID {
	svc := l.in.Service
	if svc == nil {
		return nil
	}
	ids := append(neg.ParseServices(svc.Annotations[neg.AnnotationServices]), l.managedIDs()...)
	for _, a := range l.in.Attached {
		ids = append(ids, a.ID)
	}
	slices.SortFunc(ids, neg.BackendServiceID.Compare)
	return slices.Compact(ids)
}

// managedIDs are the backend services of our own that the Service asks for.
func (l *look) managedIDs() []neg.BackendServiceID {
	ports, _ := plan.Ports(l.in)
	var ids []neg.BackendServiceID
	for _, m := range l.in.Managed {
		i := slices.IndexFunc(ports, func(p plan.Port) bool { return p.Number == m.Port })
		switch {
		case m.ID.Name != "":
		case l.scope.Foreign:
			m.ID.Name = neg.GroupName(l.scope.UID, l.key, m.Port)
		case i >= 0:
			m.ID.Name = ports[i].Group
		}
		if m.ID.Name != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// observeBackends reads the backend services with those ids and, with whole, all others
// that hold something of the key. It goes before the groups: whatever refers to a group
// that is there was read before it.
func (l *look) observeBackends(ctx context.Context, whole bool) error {
	var found []neg.BackendService
	var err error
	if whole {
		found, err = l.scope.Cloud.BackendServices(ctx)
	} else {
		found, err = l.readServices(ctx, l.backendIDs())
	}
	if err != nil {
		return err
	}
	l.services, l.whole = nil, whole
	for _, s := range found {
		if own := l.own(s); own.Managed || len(own.Backends) > 0 {
			l.services = append(l.services, own)
		}
	}
	l.checks, err = l.readChecks(ctx)
	return err
}

func (l *look) readServices(ctx context.Context, ids []neg.BackendServiceID) ([]neg.BackendService, error) {
	found := make([]neg.BackendService, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(width)
	for i, id := range ids {
		g.Go(func() (err error) {
			found[i], _, err = l.scope.Cloud.BackendService(ctx, id)
			return err
		})
	}
	return found, g.Wait()
}

// own is the part of a backend service that is the key's: all of one that says so, the
// entries that carry its mark, and those that autoneg made for it and nobody claims. What
// others did with the key's groups is kept apart.
func (l *look) own(s neg.BackendService) neg.BackendService {
	owner, err := neg.ParseOwner(text(s.Fields, "description"))
	s.Managed = err == nil && owner.Owns(l.scope.UID, l.key)
	mark := neg.BackendMark(l.scope.UID, l.key)
	names := l.groupNames()
	var own []neg.Backend
	for _, b := range s.Backends {
		description := text(b.Fields, "description")
		ourGroup := slices.Contains(names, b.Group.Name)
		switch {
		case description == mark:
		case ourGroup && (description != "" || !l.byAutoneg(s.ID, b.Group)):
			b.Theirs = true
		case !ourGroup:
			continue
		}
		own = append(own, b)
	}
	s.Backends = own
	return s
}

// byAutoneg tells whether gke-autoneg-controller says that it put the group there: entries
// of the Service's groups without a description are its work then, and are taken over.
func (l *look) byAutoneg(id neg.BackendServiceID, group neg.GroupID) bool {
	svc := l.in.Service
	return svc != nil && svc.Annotations[neg.AnnotationAutoneg] != "" &&
		neg.ServedByAutoneg(svc.Annotations[neg.AnnotationAutonegStatus], id, group.Name)
}

func text(f neg.Fields, name string) string {
	s, _ := f[name].(string)
	return s
}

// groupNames are the names of the groups that the Service should have, or that GKE's own
// controller has for it.
func (l *look) groupNames() []string {
	if l.scope.Foreign {
		var names []string
		for _, g := range plan.Given(l.in) {
			names = append(names, g.Name)
		}
		return names
	}
	ports, _ := plan.Ports(l.in)
	return slices.Collect(maps.Values(plan.Names(ports)))
}

// readChecks reads the key's health checks: all of them when all is to be found, else those
// of its backend services.
func (l *look) readChecks(ctx context.Context) ([]neg.HealthCheck, error) {
	var found []neg.HealthCheck
	var err error
	if l.whole {
		found, err = l.scope.Cloud.OwnedHealthChecks(ctx, neg.Token(l.scope.UID, l.key))
	} else {
		found, err = l.readNamedChecks(ctx)
	}
	own := slices.DeleteFunc(found, func(c neg.HealthCheck) bool {
		owner, err := neg.ParseOwner(text(c.Fields, "description"))
		return err != nil || !owner.Owns(l.scope.UID, l.key)
	})
	return own, err
}

// readNamedChecks reads the health checks of the backend services that are ours or should be.
func (l *look) readNamedChecks(ctx context.Context) ([]neg.HealthCheck, error) {
	var ids []neg.HealthCheckID
	for _, s := range l.services {
		if s.Managed {
			ids = append(ids, s.HealthCheck)
		}
	}
	for _, id := range l.managedIDs() {
		ids = append(ids, neg.HealthCheckID(id))
	}
	slices.SortFunc(ids, neg.HealthCheckID.Compare)
	var checks []neg.HealthCheck
	for _, id := range slices.Compact(ids) {
		check, exists, err := l.scope.Cloud.HealthCheck(ctx, id)
		if err != nil {
			return nil, err
		}
		if exists {
			checks = append(checks, check)
		}
	}
	return checks, nil
}

// setObserved puts what was read into one state.
func (l *look) setObserved(groups []neg.Group) {
	l.observed = neg.NewState(groups...).WithBackends(l.services, l.checks)
}

// readProbes asks the Pods how they are to be asked, when a backend service of ours needs
// to know.
func (l *look) readProbes(ctx context.Context) (err error) {
	if len(l.in.Managed) == 0 {
		return nil
	}
	l.in.Probes, err = l.scope.Cluster.Probes(ctx, l.in.Service)
	return err
}

// takeBackend takes the steps on backend services and health checks.
func (l *look) takeBackend(ctx context.Context, s plan.Step) error {
	cloud, notAfter := l.scope.Cloud, l.readAt.Add(evidenceAge)
	mark := neg.BackendMark(l.scope.UID, l.key)
	owner := neg.OwnerOf(l.scope.UID, l.key, 0)
	switch s.Op {
	case plan.CreateHealthCheck:
		return cloud.CreateHealthCheck(ctx, s.Check, owner, s.Fields)
	case plan.UpdateHealthCheck:
		return cloud.UpdateHealthCheck(ctx, s.Check, s.Fields)
	case plan.DeleteHealthCheck:
		return cloud.DeleteHealthCheck(ctx, s.Check, notAfter)
	case plan.CreateBackendService:
		return cloud.CreateBackendService(ctx, s.Service, owner, s.Fields, s.Check)
	case plan.UpdateBackendService:
		return cloud.UpdateBackendService(ctx, s.Service, s.Fields, s.Check)
	case plan.DeleteBackendService:
		return cloud.DeleteBackendService(ctx, s.Service, notAfter)
	case plan.AddBackend:
		return cloud.AddBackends(ctx, s.Service, mark, l.existing(s.Backends))
	case plan.UpdateBackend:
		return cloud.UpdateBackends(ctx, s.Service, mark, s.Backends)
	case plan.RemoveBackend:
		var groups []neg.GroupID
		for _, b := range s.Backends {
			groups = append(groups, b.Group)
		}
		return cloud.RemoveBackends(ctx, s.Service, mark, groups, notAfter)
	}
	return nil
}

// removeUsed takes the removals and, where a group turns out to be in use, finds out by
// whom: a Service that is gone does not say which backend services it was in, and listing
// all of them each time a Service goes would be a heavy read for nothing.
func (l *look) removeUsed(ctx context.Context, first []plan.Step) error {
	err := l.apply(ctx, l.inBoth(first, l.removals()))
	used := slices.ContainsFunc(neg.BlockedReasons(err), func(b *neg.BlockedError) bool { return b.Reason == "GroupInUse" })
	if !used || l.whole {
		return err
	}
	if err := l.observeBackends(ctx, true); err != nil {
		return err
	}
	l.setObserved(l.observed.Groups)
	if len(l.services) == 0 {
		return err // someone else's: told, and left
	}
	if err := l.confirm(ctx, true); err != nil {
		return err
	}
	return l.apply(ctx, l.removals())
}

// existing leaves out groups that could not be made: a backend service refuses the whole
// list for one of them.
func (l *look) existing(backends []neg.Backend) []neg.Backend {
	if l.scope.Foreign {
		return backends // asked for, one by one
	}
	return slices.DeleteFunc(slices.Clone(backends), func(b neg.Backend) bool {
		_, exists := l.observed.Group(b.Group)
		return !exists
	})
}
