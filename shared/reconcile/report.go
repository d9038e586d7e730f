package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// generatedByGKE starts the names of the groups that GKE's own controller generates.
const generatedByGKE = "k8s1-"

// otherWriter refuses to write where another controller shows itself: in neg-status, or,
// looked up before the first group is made, in a ServiceNetworkEndpointGroup.
func (l *look) otherWriter(ctx context.Context, steps []plan.Step) error {
	if len(steps) == 0 || l.scope.Foreign {
		return nil
	}
	if name := l.servedByGKE(); name != "" {
		return l.blockedBy(fmt.Sprintf("annotation %s names %s", neg.AnnotationStatus, name))
	}
	if l.in.Service == nil || !slices.ContainsFunc(steps, func(s plan.Step) bool { return s.Op == plan.CreateGroup }) {
		return nil
	}
	other, err := l.scope.Cluster.OtherWriter(ctx, l.key.Namespace, l.key.Service)
	if err != nil {
		return err
	}
	if other != "" {
		return l.blockedBy("there is a " + other)
	}
	return nil
}

// servedByGKE is a group of GKE's own controller that neg-status names where groups are to be
// ours; empty: it names none.
func (l *look) servedByGKE() string {
	for _, name := range l.status.Names() {
		if strings.HasPrefix(name, generatedByGKE) && !l.scope.Foreign {
			return name
		}
	}
	return ""
}

func (l *look) blockedBy(evidence string) error {
	return neg.Block("OtherWriter", "service %s/%s: GKE's own controller serves it: %s; switch the cluster's HttpLoadBalancing add-on off, or use negs: gke in the fleet file", l.key.Namespace, l.key.Service, evidence)
}

// writeStatus writes neg-status from the groups that exist, and which backend services hold
// something of the key; where autoneg is asked, in its format too.
func (l *look) writeStatus(ctx context.Context) error {
	svc := l.in.Service
	if svc == nil || svc.Deleting || l.policy == plan.Observe {
		return nil
	}
	ports, _ := plan.Ports(l.in)
	values := map[string]string{}
	next := l.status
	if !l.scope.Foreign {
		next = l.status.With(l.observed, plan.Names(ports))
	}
	if !next.Equal(l.status) {
		values[neg.AnnotationStatus] = next.String()
	}
	set := func(name, value string) {
		if svc.Annotations[name] != value {
			values[name] = value
		}
	}
	set(neg.AnnotationServices, neg.FormatServices(servicesOf(l.observed)))
	if value, err := l.autonegStatus(next); err == nil {
		set(neg.AnnotationAutonegStatus, value)
	}
	if len(values) == 0 {
		return nil
	}
	return l.scope.Cluster.Annotate(ctx, svc, values)
}

func servicesOf(s neg.State) []neg.BackendServiceID {
	var ids []neg.BackendServiceID
	for _, b := range s.BackendServices {
		ids = append(ids, b.ID)
	}
	return ids
}

// autonegStatus is what autoneg would write: empty once nothing is asked of it. A status
// of autoneg's own on a Service that asks for nothing is not ours to remove.
func (l *look) autonegStatus(status neg.Status) (string, error) {
	now := l.in.Service.Annotations[neg.AnnotationAutonegStatus]
	if l.in.BackendsHeld != nil || len(l.in.Attached) == 0 {
		return now, nil
	}
	return neg.AutonegStatus(l.in.Attached, status.Groups, status.Zones)
}

// release takes autoneg's finalizer off a Service that is being deleted and of which nothing
// is left. Nobody can put it back on: the API server adds none to what is being deleted.
// autoneg itself, if it still runs, has nothing left to do there either: it would find its
// entries gone.
func (l *look) release(ctx context.Context) error {
	svc := l.in.Service
	if svc == nil || !svc.Deleting || l.policy != plan.Sync || !slices.Contains(svc.Finalizers, neg.FinalizerAutoneg) {
		return nil
	}
	if svc.Annotations[neg.AnnotationAutoneg] == "" || len(l.observed.Groups) > 0 || len(servicesOf(l.observed)) > 0 {
		return nil
	}
	l.log.InfoContext(ctx, "nothing is left of the Service: taking autoneg's finalizer off", "finalizer", neg.FinalizerAutoneg)
	return l.scope.Cluster.RemoveFinalizer(ctx, svc, neg.FinalizerAutoneg, nil)
}

// note makes problems and what blocks the key visible on the Service.
func (l *look) note(ctx context.Context, err error) error {
	svc := l.in.Service
	if svc == nil || l.scope.Policy == plan.Observe || svc.Annotations[neg.AnnotationPolicy] == plan.Observe.String() {
		return nil
	}
	var notes []neg.Note
	for _, p := range l.problems {
		notes = append(notes, neg.Note{Warning: true, Reason: p.Reason, Message: p.Message})
	}
	for _, b := range neg.BlockedReasons(err) {
		notes = append(notes, neg.Note{Warning: true, Reason: b.Reason, Message: b.Error()})
	}
	if len(l.rejected) > 0 {
		notes = append(notes, neg.Note{Warning: true, Reason: "EndpointRejected", Message: rejectedText(l.rejected)})
	}
	if slices.ContainsFunc(l.result.Taken, func(s plan.Step) bool { return s.Op != plan.Attach && s.Op != plan.Detach }) {
		notes = append(notes, neg.Note{Reason: "GroupsChanged", Message: countText(l.result.Taken)})
	}
	var errs []error
	for _, n := range merge(notes) {
		errs = append(errs, l.scope.Cluster.Note(ctx, svc, n))
	}
	return errors.Join(errs...)
}

// merge makes one note of those with one reason.
func merge(notes []neg.Note) []neg.Note {
	var out []neg.Note
	at := map[string]int{}
	for _, n := range notes {
		if i, ok := at[n.Reason]; ok {
			out[i].Message += "; " + n.Message
			continue
		}
		at[n.Reason] = len(out)
		out = append(out, n)
	}
	return out
}

func rejectedText(rejected []neg.Rejected) string {
	text := fmt.Sprintf("%s refused by the Compute API: %s: %s", neg.Count(len(rejected), "endpoint was", "endpoints were"), rejected[0].Endpoint, rejected[0].Why)
	if len(rejected) > 1 {
		text += fmt.Sprintf("; and %d more", len(rejected)-1)
	}
	return text
}

// countText says what a look did, in the order of the ops; empty when it did nothing.
func countText(taken []plan.Step) string {
	var parts []string
	for op := plan.CreateHealthCheck; op <= plan.DeleteHealthCheck; op++ {
		objects, endpoints, backends := 0, 0, 0
		for _, s := range taken {
			if s.Op == op {
				objects++
				endpoints += len(s.Endpoints)
				backends += len(s.Backends)
			}
		}
		switch {
		case objects == 0:
		case endpoints > 0:
			parts = append(parts, fmt.Sprintf("%s: %s in %s", op, neg.Count(endpoints, "endpoint", "endpoints"), neg.Count(objects, "group", "groups")))
		case backends > 0:
			parts = append(parts, fmt.Sprintf("%s: %s in %s", op, neg.Count(backends, "group", "groups"), neg.Count(objects, "backend service", "backend services")))
		default:
			parts = append(parts, fmt.Sprintf("%s: %s", op, neg.Count(objects, op.Object(), op.Object()+"s")))
		}
	}
	return strings.Join(parts, ", ")
}
