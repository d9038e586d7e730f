package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

const (
	// backWithin is how soon a controller that runs puts its finalizer on again: it is told
	// of the change that took it off.
	backWithin = 15 * time.Second
	// takenEvery keeps two controllers from taking it off and putting it on for ever.
	takenEvery = 10 * time.Minute
)

// A custody is whether autoneg still serves a Service. Its finalizer stays when it goes, and
// says nothing; that it comes back after it was taken off says that autoneg runs.
type custody struct {
	take bool      // the finalizer off, to see whether it comes back
	runs bool      // it came back
	due  time.Time // when it would have; zero: nothing is waited for
}

func (c custody) held() bool { return c.take || c.runs || !c.due.IsZero() }

func custodyOf(svc *neg.Service, now time.Time) custody {
	if svc.Deleting || svc.Annotations[neg.AnnotationAutoneg] == "" {
		return custody{}
	}
	at, err := time.Parse(time.RFC3339, svc.Annotations[neg.AnnotationReleased])
	taken := err == nil && !at.After(now.Add(time.Minute)) // what is to come nobody has done
	switch on := slices.Contains(svc.Finalizers, neg.FinalizerAutoneg); {
	case on && taken && now.Sub(at) < takenEvery:
		return custody{runs: true}
	case on:
		return custody{take: true, due: now.Add(backWithin)}
	case taken && now.Sub(at) < backWithin:
		return custody{due: at.Add(backWithin)}
	}
	return custody{}
}

// problem is why autoneg's annotation is not followed; without a reason it is for a moment.
func (c custody) problem(svc *neg.Service) *plan.Problem {
	if !c.runs {
		return &plan.Problem{}
	}
	return &plan.Problem{Reason: "AutonegRunning", Message: fmt.Sprintf(
		"service %s/%s: gke-autoneg-controller put its finalizer on again, so it runs, and two would write the same entries; scale it to zero; until then its backend services are left as they are",
		svc.Key.Namespace, svc.Key.Service)}
}

// takeFinalizer takes autoneg's finalizer off a Service that stays.
func (l *look) takeFinalizer(ctx context.Context) error {
	if !l.custody.take || l.policy != plan.Sync {
		return nil
	}
	l.log.InfoContext(ctx, "taking autoneg's finalizer off, to see whether it runs", "finalizer", neg.FinalizerAutoneg)
	now := l.r.Now().UTC()
	return l.scope.Cluster.RemoveFinalizer(ctx, l.in.Service, neg.FinalizerAutoneg, map[string]string{neg.AnnotationReleased: now.Format(time.RFC3339)})
}
