package fakegce

import (
	"context"
	"sync"
	"time"
)

// Transition is one change of a group, of its membership or of an endpoint's
// health, in commit order.
type Transition struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Project  string    `json:"project"`
	Zone     string    `json:"zone"` // or region, or empty for a global group
	Group    string    `json:"group"`
	Event    string    `json:"event"`              // created, attached, detached, deleted or health
	Endpoint string    `json:"endpoint,omitempty"` // ip:port
	Instance string    `json:"instance,omitempty"` // its name
	Cause

	// Of a change of health: who sees it, and why it changed.
	BackendService string `json:"backendService,omitempty"` // its path, from "projects/"
	From           string `json:"from,omitempty"`
	To             string `json:"to,omitempty"`
	Reason         string `json:"reason,omitempty"`
}

// Cause is the call a transition comes from; a deleted instance takes its
// endpoints along, with the verb instances.delete.
type Cause struct {
	Verb      string `json:"verb,omitempty"`
	Operation string `json:"operation,omitempty"`
}

// timeline is filled under the server's lock and read without it.
type timeline struct {
	mu    sync.Mutex
	ring  ring[Transition]
	fresh chan struct{} // closed when something is added
}

func newTimeline(max int) *timeline {
	return &timeline{ring: ring[Transition]{max: max}, fresh: make(chan struct{})}
}

func (t *timeline) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring = ring[Transition]{max: t.ring.max, seq: t.ring.seq}
}

func (t *timeline) add(tr Transition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring.seq++
	tr.Seq = t.ring.seq
	t.ring.add(tr)
	close(t.fresh)
	t.fresh = make(chan struct{})
}

// Timeline lists the transitions after a sequence number, oldest first.
func (s *Server) Timeline(since uint64) []Transition {
	s.timeline.mu.Lock()
	defer s.timeline.mu.Unlock()
	return s.timeline.ring.since(since)
}

// AwaitTimeline is Timeline, but waits until there is something to list or the
// context ends.
func (s *Server) AwaitTimeline(ctx context.Context, since uint64) []Transition {
	for {
		s.timeline.mu.Lock()
		list, fresh := s.timeline.ring.since(since), s.timeline.fresh
		s.timeline.mu.Unlock()
		if len(list) > 0 {
			return list
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return nil
		}
	}
}
