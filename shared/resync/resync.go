// Package resync finds every key of a cluster that there may be something to do for: its
// Services that ask for groups or have some, and whatever its owned groups, backend services,
// health checks and entries are for.
//
// Both are read by pages and handed on page by page, so that a large cluster costs no more
// memory than a page and the set of its keys. Nothing is compared and nothing decided: a
// look at the key does that. Whether a key's look must search for all groups is the one
// thing told apart, since that is a heavy-weight read: only a group that its Service's
// neg-status does not name calls for it, or what is left of backend services that no Service asks for.
//
// The package must not import Kubernetes, Compute or Pub/Sub.
package resync

import (
	"context"
	"fmt"
	"slices"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Cluster lists the Services of a Kubernetes cluster.
type Cluster interface {
	// Services hands on all Services, whole or with an error.
	Services(ctx context.Context, page func([]neg.Service) error) error
}

// A Cloud lists what may be a cluster's, whole or with an error.
type Cloud interface {
	// OwnedIn hands on all groups that belong to the cluster of that UID, whole or with an
	// error.
	OwnedIn(ctx context.Context, uid string, page func([]neg.OwnedGroup) error) error
	BackendServices(ctx context.Context) ([]neg.BackendService, error)
	// OwnedHealthChecks lists those whose description holds the token.
	OwnedHealthChecks(ctx context.Context, token string) ([]neg.HealthCheck, error)
	// GroupsNaming hands on the groups, whoever's, whose description holds text.
	GroupsNaming(ctx context.Context, text string, page func([]neg.ListedGroup) error) error
}

// A Target is a cluster to resync.
type Target struct {
	Name, UID string
	Cluster   Cluster
	Cloud     Cloud
}

// A Find is a key that needs a look.
type Find struct {
	Key neg.Key
	// Thorough: only a look that searches for all of the key's groups will do.
	Thorough bool
	Why      string // for people
}

// A Count is how much was found.
type Count struct {
	Services int // that ask for groups or have some
	Groups   int // that are owned
	Keys     int // handed on
}

// Find hands each key to emit at most once as a Service's and once as that of something left, page by
// page, and stops at the first error. What was handed on until then stands.
func (t Target) Find(ctx context.Context, emit func([]Find) error) (Count, error) {
	w := &walk{target: t, statuses: map[neg.Key]*neg.Status{}, asked: map[neg.Key]bool{}, emit: emit}
	if err := t.Cluster.Services(ctx, w.services); err != nil {
		return w.count, fmt.Errorf("resync cluster %s: %w", t.Name, err)
	}
	if err := t.Cloud.OwnedIn(ctx, t.UID, w.groups); err != nil {
		return w.count, fmt.Errorf("resync cluster %s: %w", t.Name, err)
	}
	if err := w.left(ctx); err != nil {
		return w.count, fmt.Errorf("resync cluster %s: %w", t.Name, err)
	}
	return w.count, nil
}

// A walk is one Find under way.
type walk struct {
	target   Target
	statuses map[neg.Key]*neg.Status // of each Service found; nil: its key got a thorough look
	asked    map[neg.Key]bool        // keys whose Service asks for backend services, or that got a thorough look
	emit     func([]Find) error
	count    Count
}

func (w *walk) services(page []neg.Service) error {
	var found []Find
	for _, s := range page {
		if asksBackends(&s) {
			w.asked[s.Key] = true
		}
		why := wants(&s)
		if why == "" {
			continue
		}
		status, _ := neg.ParseStatus(s.Annotations[neg.AnnotationStatus])
		w.statuses[s.Key] = &status
		found = append(found, Find{Key: s.Key, Why: why})
	}
	w.count.Services += len(found)
	return w.hand(found)
}

// wants says why a Service may have something to do; empty when it cannot.
func wants(s *neg.Service) string {
	if _, ok := s.Annotations[neg.AnnotationNEG]; ok {
		return "asks for groups"
	}
	if _, ok := s.Annotations[neg.AnnotationStatus]; ok {
		return "has groups"
	}
	return ""
}

func asksBackends(s *neg.Service) bool {
	for _, name := range []string{neg.AnnotationBackendService, neg.AnnotationAutoneg, neg.AnnotationServices} {
		if _, has := s.Annotations[name]; has {
			return true
		}
	}
	return false
}

func (w *walk) groups(page []neg.OwnedGroup) error {
	var found []Find
	for _, g := range page {
		k := neg.Key{Cluster: w.target.Name, Namespace: g.Owner.Namespace, Service: g.Owner.Service}
		if !g.Owner.Owns(w.target.UID, k) {
			continue
		}
		w.count.Groups++
		status, known := w.statuses[k]
		if known && (status == nil || slices.Contains(status.Names(), g.Name) && slices.Contains(status.Zones, g.Zone)) {
			continue
		}
		w.statuses[k], w.asked[k] = nil, true
		found = append(found, Find{Key: k, Thorough: true, Why: "group " + g.GroupID.String() + " that no neg-status names"})
	}
	return w.hand(found)
}

func (w *walk) hand(found []Find) error {
	if len(found) == 0 {
		return nil
	}
	w.count.Keys += len(found)
	return w.emit(found)
}
