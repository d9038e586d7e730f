package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// observeForeign reads the backend services of a Service whose groups GKE's own controller
// keeps. A Service that is gone says nothing of them: all are listed.
//
//	Service that asks for no backend service and is in none    one GET
//	normal look          one GET for each backend service and health check, one LIST of GKE's objects
//	a group that is not in one yet    one GET each
func (l *look) observeForeign(ctx context.Context, whole bool) error {
	svc := l.in.Service
	l.result.Skipped = true // of its groups nothing is known here that would say whether Pods wait
	l.result.Ended = svc == nil
	whole = whole || svc == nil
	if !whole && len(l.backendIDs()) == 0 {
		return nil
	}
	if err := l.observeBackends(ctx, whole); err != nil {
		return err
	}
	l.setObserved(nil)
	return l.readCluster(ctx)
}

// readForeign reads what GKE's own controller says of the groups.
func (l *look) readForeign(ctx context.Context) (err error) {
	l.in.Status = l.status
	if l.in.Service.Deleting || len(l.backendIDs()) == 0 {
		return nil
	}
	l.in.GKE, err = l.scope.Cluster.GKEGroups(ctx, l.key.Namespace, l.key.Service)
	return err
}

// checkForeign asks for the groups that are in no backend service yet: one that does not exist
// would have the whole list refused, and neg-status is an annotation that anyone may write who
// may change the Service.
func (l *look) checkForeign(ctx context.Context) error {
	svc := l.in.Service
	if svc == nil || svc.Deleting {
		return nil
	}
	if err := l.readProbes(ctx); err != nil {
		return err
	}
	if l.absent == nil {
		l.absent = map[neg.GroupID]bool{}
	}
	for _, g := range plan.Given(l.in) {
		_, known := l.absent[g.GroupID]
		if known || l.holds(g.GroupID) {
			continue
		}
		description, exists, err := l.scope.Cloud.Description(ctx, g.GroupID)
		if err != nil {
			return err
		}
		problem := l.notOurs(g.GroupID, description)
		if problem != nil {
			l.strange = append(l.strange, *problem)
		}
		l.absent[g.GroupID] = !exists || problem != nil
	}
	l.in.Absent, l.in.Mistakes = l.absent, append(l.in.Mistakes, l.strange...)
	return nil
}

// holds tells whether a backend service that was read has an entry of the group.
func (l *look) holds(id neg.GroupID) bool {
	return slices.ContainsFunc(l.services, func(s neg.BackendService) bool { _, ok := s.Backend(id); return ok })
}

// notOurs says of a group that it is another Service's. GKE's controller takes a description
// that says nothing for its own, too.
func (l *look) notOurs(id neg.GroupID, description string) *plan.Problem {
	theirs := func(namespace, service string) *plan.Problem {
		return &plan.Problem{Reason: "GroupOfOther", Message: fmt.Sprintf(
			"group %s belongs to Service %s/%s, says its description; it is put into no backend service: correct %s, or have GKE's controller write it anew", id, namespace, service, neg.AnnotationStatus)}
	}
	if o, ok := neg.ParseGKEOwner(description); ok && (o.UID != l.scope.UID || o.Namespace != l.key.Namespace || o.Service != l.key.Service) {
		return theirs(o.Namespace, o.Service)
	}
	if o, err := neg.ParseOwner(description); err == nil && !o.Owns(l.scope.UID, l.key) {
		return theirs(o.Namespace, o.Service)
	}
	return nil
}

const (
	// missingAgain is how soon a group is asked for again that GKE's controller names and
	// that is not there: it names them before it makes them, and nothing tells when it has.
	missingAgain = 5 * time.Second
	// missingFor is how long: its zones may well have none.
	missingFor = 2 * time.Minute
)

// due is when the key must be looked at again though nothing tells of it.
func (l *look) due() time.Time {
	if l.policy != plan.Sync {
		return time.Time{}
	}
	if l.scope.Foreign {
		return earlier(l.custody.due, l.dueMissing())
	}
	return earlier(l.custody.due, plan.Due(l.in, l.observed))
}

// earlier is the first of two times; a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (l *look) dueMissing() time.Time {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if !slices.Contains(slices.Collect(maps.Values(l.in.Absent)), true) {
		delete(l.r.missing, l.key)
		return time.Time{}
	}
	if l.r.missing == nil || len(l.r.missing) > 10000 {
		l.r.missing = map[neg.Key]time.Time{}
	}
	now := l.r.Now()
	since, known := l.r.missing[l.key]
	if !known {
		since = now
		l.r.missing[l.key] = since
	}
	if now.Sub(since) >= missingFor {
		return time.Time{}
	}
	return now.Add(missingAgain)
}
