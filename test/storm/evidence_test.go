package storm

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// evidence is who read what when, and who sent which removal.
type evidence struct {
	mu      sync.Mutex
	reads   map[reader][]time.Time // starts of reads of a Service
	senders map[string]int         // request id → instance
}

// A reader is an instance at one key. Its looks never overlap.
type reader struct {
	instance int
	key      neg.Key
}

func newEvidence() *evidence {
	return &evidence{reads: map[reader][]time.Time{}, senders: map[string]int{}}
}

// watch stands between an instance and what it calls.
func (e *evidence) watch(instance int, gce, kube http.Handler) (http.Handler, http.Handler) {
	sees := func(note func(int, *http.Request), next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			note(instance, r)
			next.ServeHTTP(w, r)
		})
	}
	return sees(e.noteCall, gce), sees(e.noteRead, kube)
}

func (e *evidence) noteCall(instance int, r *http.Request) {
	if id := r.URL.Query().Get("requestId"); id != "" {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.senders[id] = instance
	}
}

// noteRead knows /clusters/C/api/v1/namespaces/NS/services/NAME.
func (e *evidence) noteRead(instance int, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if r.Method != http.MethodGet || len(parts) != 9 || parts[7] != "services" {
		return
	}
	at := reader{instance, neg.Key{Cluster: parts[2], Namespace: parts[6], Service: parts[8]}}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads[at] = append(e.reads[at], time.Now())
}

// justifies is the start of the last read of the Service before a removal was sent, by
// the instance that sent it.
func (e *evidence) justifies(requestID string, k neg.Key, sent time.Time) (last time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	instance, ok := e.senders[requestID]
	if !ok {
		return last, false
	}
	for _, at := range e.reads[reader{instance, k}] {
		if at.Before(sent) && at.After(last) {
			last = at
		}
	}
	return last, !last.IsZero()
}

// accepted are the calls that began operations, by operation; of repeated ones the first.
func (s *storm) accepted() map[string]fakegce.Call {
	calls := map[string]fakegce.Call{}
	for _, c := range s.GCE.Calls(fakegce.CallFilter{}) {
		if old, seen := calls[c.Operation]; c.Operation != "" && (!seen || c.Time.Before(old.Time)) {
			calls[c.Operation] = c
		}
	}
	return calls
}
