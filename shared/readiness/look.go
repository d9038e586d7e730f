package readiness

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
)

// A look is one reading of a key's Pods and of what the load balancers say of them, and
// the gates set by it.
type look struct {
	f     *Follower
	key   neg.Key
	scope Scope
	log   *slog.Logger
}

// seen is what a look leaves.
type seen struct {
	waiting int                 // gates that were not open when it began
	changed time.Time           // when one of their Pods last changed
	gates   map[gateID]neg.Gate // what it decided
	strays  []neg.Key           // Services with a live endpoint in no group
	cloud   error               // what the Compute API did not answer, and which gates were refused
}

type gateID struct{ uid, gate string }

func (l *look) run(ctx context.Context) (seen, error) {
	if l.scope.Open != "" {
		return l.openAll(ctx)
	}
	pods, services, err := l.readPods(ctx)
	s := seen{waiting: len(pods), gates: map[gateID]neg.Gate{}}
	if err != nil || len(pods) == 0 {
		return s, err
	}
	readings, cloud, err := l.read(ctx, services, pods)
	if err != nil {
		return s, err
	}
	s.cloud = cloud
	pods = l.withoutInstance(ctx, pods, readings)
	now, rules := l.f.Now(), l.rules()
	var changes []change
	for _, p := range pods {
		if p.Changed.After(s.changed) {
			s.changed = p.Changed
		}
		ports, doubt := portsOf(p, readings)
		p.Attached = l.attachedSince(p, ports)
		verdict := Decide(p, ports, now, rules)
		if !doubt.lets(verdict) {
			verdict = p.Gate
		}
		s.gates[gateID{p.UID, p.Type}] = verdict
		if verdict != p.Gate {
			changes = append(changes, change{p, verdict})
		}
	}
	refused, err := l.set(ctx, changes)
	if err != nil && (refused == len(pods) || neg.OutcomeOf(err) != neg.Blocked) {
		return s, err
	}
	s.cloud = errors.Join(s.cloud, err)
	s.strays, err = l.findStrays(ctx, readings, pods)
	return s, err
}

// attachedSince is when a look of this instance first found the Pod in groups of all ports.
func (l *look) attachedSince(p neg.GatedPod, ports []Port) time.Time {
	if len(ports) == 0 || outside(p, ports) {
		return time.Time{}
	}
	since, _ := l.f.attached.get(l.f.Now, patience, p.UID, func() (time.Time, error) { return l.f.Now(), nil })
	return since
}

func (l *look) rules() Rules {
	if l.scope.Rules == nil {
		return l.f.Rules
	}
	return l.scope.Rules(l.key.Namespace)
}

// openAll opens every gate of the key's namespace: no load balancer is to lead there any
// more, and nobody must wait for one.
func (l *look) openAll(ctx context.Context) (seen, error) {
	pods, err := l.gatedPods(ctx, nil)
	s := seen{waiting: len(pods), gates: map[gateID]neg.Gate{}}
	var changes []change
	for _, p := range pods {
		changes = append(changes, change{p, neg.Gate{Open: true, Reason: ReasonDraining, Message: l.scope.Open}})
	}
	_, refused := l.set(ctx, changes)
	return s, errors.Join(err, refused)
}

// portsOf are the ports of all Services that select a Pod, and the worst doubt of them.
func portsOf(p neg.GatedPod, readings []reading) (ports []Port, worst doubt) {
	for _, r := range readings {
		if r.service.Selects(p.Labels) {
			ports = append(ports, r.about(p)...)
			worst = max(worst, r.doubt)
		}
	}
	return ports, worst
}

// A change is a gate to be written.
type change struct {
	pod  neg.GatedPod
	gate neg.Gate
}

// othersAtOnce is how many conditions that do not open a gate are written in one look: what
// a thousand Pods wait for may change with the health of one, and nobody waits for the text.
const othersAtOnce = 100

// inTurn is what is written in this look: what opens, then some of the rest.
func inTurn(changes []change) []change {
	opens := func(c change) bool { return c.gate.Open }
	shut := slices.DeleteFunc(slices.Clone(changes), opens)
	open := slices.DeleteFunc(changes, func(c change) bool { return !opens(c) })
	return append(open, shut[:min(len(shut), othersAtOnce)]...)
}

// set writes gates and tells how many of them it could not.
func (l *look) set(ctx context.Context, changes []change) (failed int, err error) {
	changes = inTurn(changes)
	errs := make([]error, len(changes))
	var g errgroup.Group
	g.SetLimit(width)
	for i, c := range changes {
		g.Go(func() error {
			errs[i] = l.scope.Cluster.SetGate(ctx, c.pod, c.gate)
			if errs[i] == nil && c.gate.Open {
				l.log.InfoContext(ctx, "gate opened", "pod", c.pod.String(), "gate", c.pod.Type, "reason", c.gate.Reason, "why", c.gate.Message)
			}
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	return failed, errors.Join(errs...)
}

// findStrays re-reads the slices of Services that a waiting Pod is in no group of.
func (l *look) findStrays(ctx context.Context, readings []reading, pods []neg.GatedPod) (keys []neg.Key, err error) {
	for _, r := range readings {
		if r.doubt == ofGroups || l.scope.Foreign || r.observed() {
			continue
		}
		var lost []neg.GatedPod
		for _, p := range pods {
			if r.service.Selects(p.Labels) && outside(p, r.ports) {
				lost = append(lost, p)
			}
		}
		if len(lost) == 0 {
			continue
		}
		endpoints, err := l.scope.Cluster.Slices(ctx, r.service.Key)
		if err != nil {
			return nil, err
		}
		if strays(lost, r.ports, endpoints) {
			keys = append(keys, r.service.Key)
		}
	}
	return keys, nil
}
