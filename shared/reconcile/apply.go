package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

func additions(steps []plan.Step) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return s.Op.Removes() })
}

// A phase is steps that may run beside each other, as far as they change different objects.
// Phases follow each other: what refers to an object waits for it.
var phases = [][]plan.Op{
	{plan.CreateHealthCheck, plan.UpdateHealthCheck, plan.CreateGroup, plan.Attach},
	{plan.CreateBackendService, plan.UpdateBackendService, plan.AddBackend, plan.UpdateBackend},
	{plan.Detach},
	{plan.RemoveBackend},
	{plan.DeleteGroup, plan.DeleteBackendService},
	{plan.DeleteHealthCheck},
}

// apply takes steps, phase by phase. Trouble in one phase stops no later one but what
// removes: what is still in use must not be tried.
func (l *look) apply(ctx context.Context, steps []plan.Step) error {
	var errs []error
	for _, ops := range phases {
		now := slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return !slices.Contains(ops, s.Op) })
		if len(now) == 0 {
			continue
		}
		if ops[0].Removes() && errors.Join(errs...) != nil {
			break
		}
		errs = append(errs, l.applyPhase(ctx, now))
	}
	return errors.Join(errs...)
}

// applyPhase takes steps: those of one object in order, objects beside each other. What
// fails in one object does not stop another. The observed state follows what was done. What
// is reported is in the order of the steps: the same trouble must read the same every time.
func (l *look) applyPhase(ctx context.Context, steps []plan.Step) error {
	byTarget := map[string][]plan.Step{}
	var order []string
	for _, s := range steps {
		target := s.Op.Object() + s.Target()
		if byTarget[target] == nil {
			order = append(order, target)
		}
		byTarget[target] = append(byTarget[target], s)
	}
	taken := make([][]plan.Step, len(order))
	rejected := make([][]neg.Rejected, len(order))
	errs := make([]error, len(order))
	var g errgroup.Group
	g.SetLimit(width)
	for i, target := range order {
		g.Go(func() error {
			taken[i], rejected[i], errs[i] = l.applyInOrder(ctx, byTarget[target])
			return nil
		})
	}
	_ = g.Wait() // errors are joined in errs
	all := slices.Concat(taken...)
	l.observed = plan.Apply(l.observed, all)
	l.result.Taken = append(l.result.Taken, all...)
	l.rejected = slices.Concat(append([][]neg.Rejected{l.rejected}, rejected...)...)
	return errors.Join(errs...)
}

func (l *look) applyInOrder(ctx context.Context, steps []plan.Step) (done []plan.Step, rejected []neg.Rejected, err error) {
	for _, s := range steps {
		refused, err := l.take(ctx, s)
		rejected = append(rejected, refused...)
		if err != nil {
			return done, rejected, err
		}
		s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e neg.Endpoint) bool {
			return slices.ContainsFunc(refused, func(r neg.Rejected) bool { return r.Endpoint == e })
		})
		if s.Op == plan.AddBackend {
			s.Backends = l.existing(s.Backends)
		}
		done = append(done, s)
	}
	return done, rejected, nil
}

// take is the one place where the cloud is changed.
func (l *look) take(ctx context.Context, s plan.Step) ([]neg.Rejected, error) {
	notAfter := l.readAt.Add(evidenceAge)
	switch s.Op {
	case plan.CreateGroup:
		return nil, l.scope.Cloud.CreateGroup(ctx, s.Group, neg.OwnerOf(l.scope.UID, l.key, s.Port))
	case plan.Attach:
		return l.scope.Cloud.Attach(ctx, s.Group, s.Endpoints)
	case plan.Detach:
		return nil, l.scope.Cloud.Detach(ctx, s.Group, s.Endpoints, notAfter)
	case plan.DeleteGroup:
		return nil, l.scope.Cloud.DeleteGroup(ctx, s.Group, notAfter)
	}
	return nil, l.takeBackend(ctx, s)
}

// remove takes the removals, each on evidence read for it. First goes what is no longer
// live in the groups that stay. Whole groups, and backends with all their endpoints, go
// after the grace, and only when all that should replace them could be made.
func (l *look) remove(ctx context.Context, wholeAdded bool) error {
	var errs []error
	if len(l.inWantedGroups(l.removals())) > 0 {
		err := l.confirm(ctx, false)
		if err == nil {
			err = l.apply(ctx, l.inWantedGroups(l.removals()))
		}
		errs = append(errs, err)
	}
	if first := l.notInWantedGroups(l.removals()); len(first) > 0 && wholeAdded {
		err := l.waitGrace(ctx)
		if err == nil {
			err = l.confirm(ctx, true)
		}
		if err == nil {
			err = l.removeUsed(ctx, first)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l *look) removals() []plan.Step {
	steps := l.policy.Filter(plan.Diff(l.desired, l.observed))
	return slices.DeleteFunc(steps, func(s plan.Step) bool { return !s.Op.Removes() })
}

// inBoth are the removals of a plan that the one before the grace had as well. What came to
// it meanwhile waits for a look and a grace of its own: more than was meant must not go
// with it.
func (l *look) inBoth(first, now []plan.Step) []plan.Step {
	var both []plan.Step
	for _, s := range now {
		i := slices.IndexFunc(first, func(f plan.Step) bool { return f.Op == s.Op && f.Target() == s.Target() })
		if i < 0 && !l.inWantedGroup(s) {
			continue
		}
		if s.Op == plan.RemoveBackend {
			s.Backends = slices.DeleteFunc(slices.Clone(s.Backends), func(b neg.Backend) bool {
				return !slices.ContainsFunc(first[i].Backends, func(f neg.Backend) bool { return f.Group == b.Group })
			})
			if len(s.Backends) == 0 {
				continue
			}
		}
		both = append(both, s)
	}
	return both
}

// inWantedGroups leaves out the removals that lead to the deletion of a group, and those of
// backends: they need the grace.
func (l *look) inWantedGroups(steps []plan.Step) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return !l.inWantedGroup(s) })
}

func (l *look) notInWantedGroups(steps []plan.Step) []plan.Step {
	return slices.DeleteFunc(slices.Clone(steps), l.inWantedGroup)
}

func (l *look) inWantedGroup(s plan.Step) bool {
	_, wanted := l.desired.Group(s.Group)
	return wanted && s.Op == plan.Detach
}

// waitGrace lets the deletion grace pass, unless news of the key comes first.
func (l *look) waitGrace(ctx context.Context) error {
	l.log.InfoContext(ctx, "groups or backends are to go: waiting out the grace", "grace", l.r.Grace.String())
	timer := time.NewTimer(l.r.Grace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-l.turn.Newer:
		return ErrSuperseded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// confirm reads the cluster again and plans anew. Before a group is deleted the cluster
// must also prove that it is still the one we mean.
func (l *look) confirm(ctx context.Context, deleting bool) error {
	if deleting {
		uid, err := l.scope.Cluster.UID(ctx)
		if err != nil {
			return err
		}
		if uid != l.scope.UID {
			return neg.Block("ClusterReplaced", "cluster %s: answers with kube-system UID %s, the fleet file says %s; nothing is deleted", l.key.Cluster, uid, l.scope.UID)
		}
		if err := l.proveLeft(ctx); err != nil {
			return err
		}
	}
	if err := l.readService(ctx); err != nil {
		return err
	}
	return l.readCluster(ctx)
}

// followUp reads the cluster once more after a run that changed the cloud. What it wants
// by now that this run did not do is for another look.
func (l *look) followUp(ctx context.Context) error {
	if len(l.result.Taken) == 0 {
		return nil
	}
	if l.turn.Chain < maxChain {
		l.turn.Rereads()
	}
	if err := l.confirm(ctx, false); err != nil {
		return err
	}
	left := l.withoutRejected(l.policy.Filter(plan.Diff(l.desired, l.observed)))
	if len(left) == 0 {
		return nil
	}
	if l.turn.Chain >= maxChain {
		l.log.WarnContext(ctx, "the key keeps changing; left to the sweep", "reason", "FightingWriter", "step", left[0].Headline())
		l.problems = append(l.problems, plan.Problem{Reason: "FightingWriter", Message: fmt.Sprintf("after %d looks there is still this to do: %s; something else may be changing the same objects", maxChain, left[0].Headline())})
		return nil
	}
	return l.r.Publish(ctx, l.key, l.turn.Chain+1)
}

// withoutRejected leaves out what the API refused a moment ago.
func (l *look) withoutRejected(steps []plan.Step) []plan.Step {
	var left []plan.Step
	for _, s := range steps {
		if s.Op == plan.Attach {
			s.Endpoints = slices.DeleteFunc(slices.Clone(s.Endpoints), func(e neg.Endpoint) bool {
				return slices.ContainsFunc(l.rejected, func(r neg.Rejected) bool { return r.Endpoint == e })
			})
			if len(s.Endpoints) == 0 {
				continue
			}
		}
		left = append(left, s)
	}
	return left
}
