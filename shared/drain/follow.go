package drain

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
)

// A Cloud lists what may be a cluster's in one project. Each list is whole or an error.
type Cloud interface {
	// GroupsNaming hands on the groups, whoever's and of whatever type, whose description
	// holds text.
	GroupsNaming(ctx context.Context, text string, page func([]neg.ListedGroup) error) error
	BackendServices(ctx context.Context) ([]neg.BackendService, error)
	// OwnedHealthChecks lists those whose description holds the token.
	OwnedHealthChecks(ctx context.Context, token string) ([]neg.HealthCheck, error)
}

// A Drain is one cluster on its way out. It keeps nothing that another run would need: one
// that was interrupted is begun again, and goes on.
type Drain struct {
	Cluster Cluster
	// Project holds the cluster's groups, says the fleet file; Clouds are those of all
	// projects of the fleet, for what was left in another one.
	Project string
	Clouds  map[string]Cloud
	// Find hands on the keys that the cluster itself tells of; nil: it is not asked.
	Find func(ctx context.Context, emit func([]resync.Find) error) error
	// Publish has keys looked at; nil: they are left alone.
	Publish func(ctx context.Context, found []resync.Find) error
	// Tell is told of every look.
	Tell func(Look)
	// Patience is how long nothing of a key may move before it is published again. It is
	// longer than the deletion grace, which a new message begins anew.
	Patience time.Duration
	Now      func() time.Time
	Sleep    func(ctx context.Context, d time.Duration) error

	turns turns
	look  Look
}

// A Look is what one look at the cloud found.
type Look struct {
	Held      []Held
	First     Count // held at the first look
	Published int   // messages until now
	Failed    error // why this look found nothing out; Held is then of an earlier one
}

// The pause between two looks grows while nothing moves: each is a heavy-weight read.
const (
	minPause = time.Second
	maxPause = 10 * time.Second
)

// Begin looks once, and publishes every key of the cluster, each once: those that the
// cluster tells of, and those of whatever it holds. silent is why the cluster told of none,
// or not of all; the cloud tells of those that matter most.
func (d *Drain) Begin(ctx context.Context) (l Look, silent, err error) {
	held, err := d.held(ctx, d.Project)
	if err != nil {
		return d.look, nil, err
	}
	d.look = Look{Held: held, First: CountOf(held)}
	d.turns = turns{}
	if silent, err = d.publishFound(ctx); err == nil {
		err = d.publishDue(ctx)
	}
	return d.look, silent, err
}

// publishFound publishes what the cluster tells of. That it does not answer is told apart
// from a failure to publish.
func (d *Drain) publishFound(ctx context.Context) (silent, err error) {
	if d.Find == nil {
		return nil, nil
	}
	holds := holdings(d.look.Held)
	silent = d.Find(ctx, func(found []resync.Find) error {
		found = slices.Clone(found)
		for i := range found {
			if what := holds[found[i].Key]; what != "" {
				found[i].Thorough = true
			}
			found[i].Why = "draining: " + found[i].Why
		}
		// A group that neg-status does not name is told of once more, after its Service.
		found = slices.DeleteFunc(found, func(f resync.Find) bool { _, known := d.turns[f.Key]; return known })
		if err = d.publish(ctx, found); err == nil {
			d.turns.published(found, d.look.Held, d.Now())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return silent, nil
}

func (d *Drain) publishDue(ctx context.Context) error {
	found, next := d.turns.due(d.look.Held, d.Now(), d.Patience)
	d.turns = next
	return d.publish(ctx, found)
}

func (d *Drain) publish(ctx context.Context, found []resync.Find) error {
	if d.Publish == nil || len(found) == 0 {
		return nil
	}
	if err := d.Publish(ctx, found); err != nil {
		return err
	}
	d.look.Published += len(found)
	return nil
}

// Follow looks until the cluster holds nothing, which two looks in a row must find, the
// second one in all projects of the fleet: lists lag behind what is made. It ends before
// with what is left and why.
func (d *Drain) Follow(ctx context.Context) (Look, error) {
	pause, empty := minPause, false
	for {
		if err := d.Sleep(ctx, pause); err != nil {
			return d.look, err
		}
		before := CountOf(d.look.Held)
		held, err := d.held(ctx, d.projects(empty)...)
		if d.look.Failed = err; err != nil {
			if ctx.Err() != nil || neg.OutcomeOf(err) == neg.Blocked {
				return d.look, err
			}
		} else {
			d.look.Held = held
			if err := d.publishDue(ctx); err != nil {
				return d.look, err
			}
		}
		d.Tell(d.look)
		done := err == nil && empty && (len(held) == 0 || !d.here())
		if done {
			return d.look, nil
		}
		empty = err == nil && len(held) == 0
		if pause = min(2*pause, maxPause); empty || CountOf(d.look.Held) != before {
			pause = minPause
		}
	}
}

// here tells whether any of it is where keys reach.
func (d *Drain) here() bool {
	return slices.ContainsFunc(d.look.Held, func(h Held) bool { return h.Project == d.Project })
}

// Everywhere looks in all projects of the fleet.
func (d *Drain) Everywhere(ctx context.Context) (Look, error) {
	held, err := d.held(ctx, d.projects(true)...)
	if err == nil {
		d.look.Held = held
	}
	return d.look, err
}

func (d *Drain) projects(all bool) []string {
	if all {
		return slices.Sorted(maps.Keys(d.Clouds))
	}
	return []string{d.Project}
}

func (d *Drain) held(ctx context.Context, projects ...string) (all []Held, err error) {
	for _, p := range projects {
		l, err := list(ctx, d.Clouds[p], p, d.Cluster.UID)
		if err != nil {
			return nil, fmt.Errorf("what cluster %s holds in project %s is not known: %w", d.Cluster.Name, p, err)
		}
		all = append(all, d.Cluster.Held(l)...)
	}
	return sorted(all), nil
}

// list reads backend services before groups: what refers to a group that is there was read
// before it.
func list(ctx context.Context, cloud Cloud, project, uid string) (l Listing, err error) {
	l.Project = project
	if l.Services, err = cloud.BackendServices(ctx); err != nil {
		return l, err
	}
	if l.Checks, err = cloud.OwnedHealthChecks(ctx, neg.ClusterToken(uid)+"-"); err != nil {
		return l, err
	}
	err = cloud.GroupsNaming(ctx, uid, func(page []neg.ListedGroup) error {
		l.Groups = append(l.Groups, page...)
		return nil
	})
	return l, err
}
