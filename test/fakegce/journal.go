package fakegce

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Call is one API request as the journal remembers it.
type Call struct {
	Seq       uint64    `json:"seq"`
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Query     string    `json:"query,omitempty"`
	Verb      string    `json:"verb"` // as in "networkEndpointGroups.attachNetworkEndpoints"; empty if no method has the path
	Project   string    `json:"project,omitempty"`
	Size      int64     `json:"size,omitempty"` // of the request's body, as far as it was read
	Status    int       `json:"status"`
	Reason    string    `json:"reason,omitempty"` // of an error
	Latency   Duration  `json:"latency"`
	Endpoints int       `json:"endpoints,omitempty"` // in the request, or in a listing
	Operation string    `json:"operation,omitempty"`
	RequestID string    `json:"requestId,omitempty"`
	Fault     string    `json:"fault,omitempty"`   // that was injected
	Batched   bool      `json:"batched,omitempty"` // came as a part of a batch
}

func (e *Call) fill(c *call) {
	e.Project, e.Endpoints, e.Operation = c.project, c.endpoints, c.operation
	e.RequestID, e.Fault = c.query.Get("requestId"), c.fault.name()
}

// CallFilter picks calls. A zero field picks all.
type CallFilter struct {
	Verb  string // exact, or a prefix that ends in "*"
	Since uint64 // only those after this sequence number
	From  time.Time
}

func (f CallFilter) match(c Call) bool {
	return c.Seq > f.Since && !c.Time.Before(f.From) && (f.Verb == "" || matchVerb(f.Verb, c.Verb))
}

func matchVerb(pattern, verb string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(verb, prefix)
	}
	return pattern == verb
}

// Stats counts every call since the last clear, also those the ring has lost.
type Stats struct {
	Calls     uint64                 `json:"calls"`
	Verbs     map[string]uint64      `json:"verbs"`
	Statuses  map[string]map[int]int `json:"statuses"`  // by verb, by HTTP status
	Endpoints map[string]uint64      `json:"endpoints"` // by verb: the sum over its calls that succeeded
	Rates     map[string]RateUse     `json:"rates"`     // by group of Method.RateGroup
}

// ring keeps the newest of what is added, numbered from 1. Its owner locks.
type ring[T any] struct {
	max   int
	items []T
	next  int // where the oldest is, once full
	seq   uint64
}

func (r *ring[T]) add(item T) {
	if len(r.items) < r.max {
		r.items = append(r.items, item)
		return
	}
	r.items[r.next] = item
	r.next = (r.next + 1) % r.max
}

// since lists what was added after seq, oldest first.
func (r *ring[T]) since(seq uint64) []T {
	fresh := 0
	if r.seq > seq {
		fresh = int(min(r.seq-seq, uint64(len(r.items))))
	}
	out := make([]T, 0, fresh)
	for i := len(r.items) - fresh; i < len(r.items); i++ {
		out = append(out, r.items[(r.next+i)%len(r.items)])
	}
	return out
}

type journal struct {
	mu    sync.Mutex
	ring  ring[Call]
	stats Stats
}

func newJournal(max int) *journal {
	j := &journal{ring: ring[Call]{max: max}}
	j.clear()
	return j
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ring = ring[Call]{max: j.ring.max, seq: j.ring.seq}
	j.stats = Stats{Verbs: map[string]uint64{}, Statuses: map[string]map[int]int{}, Endpoints: map[string]uint64{}}
}

func (j *journal) add(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ring.seq++
	c.Seq = j.ring.seq
	j.ring.add(c)
	j.stats.Calls++
	j.stats.Verbs[c.Verb]++
	if j.stats.Statuses[c.Verb] == nil {
		j.stats.Statuses[c.Verb] = map[int]int{}
	}
	j.stats.Statuses[c.Verb][c.Status]++
	if c.Status < 300 && c.Endpoints > 0 {
		j.stats.Endpoints[c.Verb] += uint64(c.Endpoints)
	}
}

// Calls lists the journal, oldest first.
func (s *Server) Calls(f CallFilter) []Call {
	s.calls.mu.Lock()
	calls := s.calls.ring.since(f.Since)
	s.calls.mu.Unlock()
	return slices.DeleteFunc(calls, func(c Call) bool { return !f.match(c) })
}

// ClearCalls empties the journal and its counts, the rate quotas' minute too;
// sequence numbers go on.
func (s *Server) ClearCalls() {
	s.calls.clear()
	s.rates.clear()
}

// Stats is a copy of the counts.
func (s *Server) Stats() Stats {
	s.calls.mu.Lock()
	stats := s.calls.stats.clone()
	s.calls.mu.Unlock()
	stats.Rates = s.rates.clone()
	return stats
}

func (s Stats) clone() Stats {
	c := Stats{Calls: s.Calls, Verbs: maps.Clone(s.Verbs), Statuses: map[string]map[int]int{}, Endpoints: maps.Clone(s.Endpoints)}
	for verb, statuses := range s.Statuses {
		c.Statuses[verb] = maps.Clone(statuses)
	}
	return c
}
