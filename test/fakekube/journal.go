package fakekube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
)

// A Call is what the journal counts. Resource includes the subresource: "pods/status".
type Call struct {
	Cluster, Verb, Resource string
}

// Calls says how often each call was made over HTTP, failed ones included.
type Calls map[Call]int

// Count adds up the calls of a verb on a resource in all clusters; "" matches any.
func (c Calls) Count(verb, resource string) int {
	n := 0
	for call, times := range c {
		if (verb == "" || verb == call.Verb) && (resource == "" || resource == call.Resource) {
			n += times
		}
	}
	return n
}

// String prints one line per call, sorted.
func (c Calls) String() string {
	var lines []string
	for call, n := range maps.All(c) {
		lines = append(lines, fmt.Sprintf("%s %s %s: %d", call.Cluster, call.Verb, call.Resource, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A Write is a write that succeeded.
type Write struct {
	Cluster     string
	Verb        string // create, update, patch, delete
	Group       string
	Resource    string
	Subresource string
	Namespace   string
	Name        string
	User        string // the impersonated one if there is one, else the X-Remote-User, else the bearer token
	UserAgent   string
	Object      runtime.Object // as written, for a delete as it was; nil in Writes; shared: do not change it
	Changed     bool           // false for a write that left the object as it was
	InProcess   bool           // not over HTTP
}

type journal struct {
	mu     sync.Mutex
	calls  Calls
	writes []Write
}

func (j *journal) called(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.calls == nil {
		j.calls = Calls{}
	}
	j.calls[c]++
}

func (j *journal) wrote(w Write) {
	w.Object = nil
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writes = append(j.writes, w)
}

// Calls returns the calls made over HTTP since the last ResetCalls.
func (s *Server) Calls() Calls {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return maps.Clone(s.journal.calls)
}

// Writes returns the writes made over HTTP since the last ResetCalls, without their objects.
func (s *Server) Writes() []Write {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.writes)
}

// ResetCalls empties the journal.
func (s *Server) ResetCalls() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.calls, s.journal.writes = nil, nil
}
