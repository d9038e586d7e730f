package events

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// selectorsAge is how long a namespace's selectors are believed, from the beginning of
// their read. In a storm of Pods it makes one list of Services every two seconds. A
// Service that was annotated meanwhile is missed; its own entry has it looked at.
const selectorsAge = 2 * time.Second

// selectors are the namespaces' Services by what they select, each list read once at a
// time. A failure is kept as long: a cluster that is down must not hold up every batch.
type selectors struct {
	read    func(ctx context.Context, cluster, namespace string) (map[string]map[string]string, error)
	now     func() time.Time
	timeout time.Duration // of a read, which ends with nobody's request

	flight singleflight.Group
	mu     sync.Mutex
	kept   map[string]selection
}

type selection struct {
	services map[string]map[string]string
	err      error
	began    time.Time
}

// in returns the selectors of a namespace by Service.
func (s *selectors) in(ctx context.Context, cluster, namespace string) (map[string]map[string]string, error) {
	name := cluster + "/" + namespace
	if found, ok := s.recent(name); ok {
		return found.services, found.err
	}
	result := s.flight.DoChan(name, func() (any, error) {
		found := selection{began: s.now()}
		found.services, found.err = within(context.WithoutCancel(ctx), s.timeout, func(ctx context.Context) (map[string]map[string]string, error) {
			return s.read(ctx, cluster, namespace)
		})
		s.keep(name, found)
		return found, nil
	})
	select {
	case r := <-result:
		found := r.Val.(selection)
		return found.services, found.err
	case <-ctx.Done():
		return nil, fmt.Errorf("list services in %s: %w", name, ctx.Err())
	}
}

func (s *selectors) recent(name string) (selection, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.kept[name]
	return found, ok && s.now().Sub(found.began) < selectorsAge
}

// keep drops what has grown old, so that the map is as large as the last two seconds.
func (s *selectors) keep(name string, found selection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[string]selection{}
	}
	for other, old := range s.kept {
		if s.now().Sub(old.began) >= selectorsAge {
			delete(s.kept, other)
		}
	}
	s.kept[name] = found
}
