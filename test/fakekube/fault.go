package fakekube

import (
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Fault makes matching calls over HTTP go wrong. The zero value of a matching field
// matches everything; without an effect a Fault only delays, by Delay.
type Fault struct {
	Cluster   string
	Verb      string // get, list, create, update, patch, delete, deletecollection
	Resource  string // "pods" with its subresources, or "pods/status" alone
	Namespace string
	Name      string
	User      string
	Continued bool // only lists that carry a continue token: the second page and on

	Nth         int     // let the first Nth-1 matching calls pass
	Times       int     // then hit so many; 0 is for ever
	Probability float64 // hit at random; 0 is always

	Status      int                 // the HTTP status to answer
	Reason      metav1.StatusReason // "" is the usual one for Status
	Message     string              // "" is the server's usual one
	RetryAfter  int                 // seconds; client-go itself retries an answer that has it
	Delay       time.Duration       // before anything else
	Reset       bool                // reset the connection
	Unreachable bool                // never answer, until the caller gives up or the fault is lifted
	Committed   bool                // do the work first, then lose the answer to Status or Reset
}

// An Injected is a fault in force.
type Injected struct {
	Fault
	owner  *faults
	seen   int
	hits   int
	lifted chan struct{}
	once   sync.Once
}

// Lift ends the fault; calls it left hanging are reset.
func (i *Injected) Lift() { i.once.Do(func() { close(i.lifted) }) }

// Hits says how many calls it hit.
func (i *Injected) Hits() int {
	i.owner.mu.Lock()
	defer i.owner.mu.Unlock()
	return i.hits
}

type faults struct {
	mu   sync.Mutex
	rand *rand.Rand
	list []*Injected
}

func (f *faults) seed(n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rand = rand.New(rand.NewPCG(n, n))
}

// Seed starts the random numbers behind Fault.Probability anew.
func (s *Server) Seed(n uint64) { s.faults.seed(n) }

// Inject puts a fault in force. If several match a call, the first injected one hits.
func (s *Server) Inject(f Fault) *Injected {
	i := &Injected{Fault: f, owner: &s.faults, lifted: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, i)
	return i
}

// ClearFaults lifts all faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, i := range s.faults.list {
		i.Lift()
	}
	s.faults.list = nil
}

// pick returns the fault that hits a call, or nil.
func (f *faults) pick(cluster string, rq *request) *Injected {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.list {
		if i.matches(cluster, rq) && i.due(f.rand) {
			i.hits++
			return i
		}
	}
	return nil
}

func (i *Injected) matches(cluster string, rq *request) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	select {
	case <-i.lifted:
		return false
	default:
	}
	return is(i.Cluster, cluster) && is(i.Verb, rq.verb) && (is(i.Resource, rq.resource()) || i.Resource == rq.called()) &&
		is(i.Namespace, rq.namespace) && is(i.Name, rq.name) && is(i.User, rq.user) && (!i.Continued || rq.query.Get("continue") != "")
}

func (i *Injected) due(r *rand.Rand) bool {
	i.seen++
	if i.seen < i.Nth || (i.Times > 0 && i.hits >= i.Times) {
		return false
	}
	return i.Probability == 0 || r.Float64() < i.Probability
}

// before runs the part of a fault that comes before the work; it reports whether
// the call is over.
func (i *Injected) before(w http.ResponseWriter, r *http.Request, rq *request) bool {
	if i.Delay > 0 {
		t := time.NewTimer(i.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-i.lifted:
		case <-r.Context().Done():
			return true
		}
	}
	if i.Unreachable {
		select {
		case <-i.lifted:
		case <-r.Context().Done():
		}
		reset(w)
		return true
	}
	return !i.Committed && i.answer(w, rq)
}

// answer sends the fault's answer, if it has one.
func (i *Injected) answer(w http.ResponseWriter, rq *request) bool {
	switch {
	case i.Reset:
		reset(w)
	case i.Status != 0:
		if i.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(i.RetryAfter))
		}
		writeError(w, faultError(i.Fault, rq))
	default:
		return false
	}
	return true
}

// reset drops the connection without an answer; SO_LINGER 0 makes it a RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
