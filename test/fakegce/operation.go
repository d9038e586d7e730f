package fakegce

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operation is a mutation that has been accepted. The server's lock guards it;
// done is closed when it is finished.
type operation struct {
	ref       ref
	id        uint64
	kind      string // as in operationType
	target    ref
	targetID  uint64
	user      string
	requestID string
	latency   time.Duration
	inserted  time.Time
	ended     time.Time // zero until finished
	err       *OperationError
	done      chan struct{}
	request   string    // its identity, to tell the reuse of a request id
	verb      string    // of the method
	pending   *mutation // nil once finished
}

// begin accepts a mutation; the lock is held. What it returns is the answer to
// the call, which never says DONE.
func (s *Server) begin(c *call, m mutation) doc {
	op := s.newOperation(c, m)
	c.operation = op.ref.name
	if injected := c.fault.operationError(); injected != nil {
		op.pending.settle(injected)
	} else if s.opts.CommitAt == "accept" {
		op.pending.settle(s.commit(m, op.cause()))
	}
	m.target.inFlight++
	if op.latency <= 0 {
		s.finish(op)
		return op.doc("RUNNING")
	}
	s.finishAfter(op, op.latency)
	return op.doc(op.status(s.clock.Now()))
}

func (op *operation) cause() Cause { return Cause{Verb: op.verb, Operation: op.ref.name} }

// finishAfter finishes an operation when its time has come, unless all is
// forgotten until then.
func (s *Server) finishAfter(op *operation, d time.Duration) {
	epoch := s.epoch
	s.clock.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.epoch == epoch {
			s.finish(op)
		}
	})
}

func (s *Server) finish(op *operation) {
	m := op.pending
	m.target.inFlight--
	if !m.settled {
		m.settle(s.commit(*m, op.cause()))
	}
	if op.err = m.outcome; op.err != nil {
		s.rollback(*m)
	}
	op.ended = s.clock.Now()
	op.pending = nil
	close(op.done)
}

func (s *Server) newOperation(c *call, m mutation) *operation {
	now := s.clock.Now()
	op := &operation{
		id:        s.store.nextID(),
		kind:      m.kind,
		target:    m.target.ref,
		targetID:  m.target.id,
		user:      s.opts.User,
		requestID: c.query.Get("requestId"),
		latency:   c.fault.latency(s.opts.OpLatency + jitter(s.opts.OpJitter)),
		inserted:  now,
		done:      make(chan struct{}),
		request:   c.identity(),
		verb:      c.method.ID,
		pending:   &m,
	}
	name := fmt.Sprintf("operation-%013d-%013x-%08x-%08x", now.UnixMilli(), now.UnixMicro()&(1<<52-1), rand.Uint32(), uint32(op.id))
	op.ref = ref{shelf{c.project, c.scope, "operations"}, name}
	s.keepOperation(op)
	s.expire(now)
	return op
}

func (s *Server) keepOperation(op *operation) {
	if s.ops[op.ref.shelf] == nil {
		s.ops[op.ref.shelf] = map[string]*operation{}
	}
	s.ops[op.ref.shelf][op.ref.name] = op
	s.opOrder = append(s.opOrder, op)
	s.rememberRequest(op)
}

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return time.Duration(rand.Int64N(int64(most)))
}

// expire drops finished operations from the front: those past retention, and
// the oldest when there are too many.
func (s *Server) expire(now time.Time) {
	for len(s.opOrder) > 0 {
		op := s.opOrder[0]
		old := now.Sub(op.ended) > s.opts.Retention
		if op.ended.IsZero() || !old && len(s.opOrder) <= s.opts.MaxOperations {
			return
		}
		s.forget(op)
		s.opOrder[0] = nil
		s.opOrder = s.opOrder[1:]
	}
}

func (s *Server) forget(op *operation) {
	delete(s.ops[op.ref.shelf], op.ref.name)
	if key := op.requestKey(); s.requestIDs[key] == op {
		delete(s.requestIDs, key)
	}
}

// status is PENDING for the first fifth of an operation's life.
func (op *operation) status(now time.Time) string {
	switch {
	case !op.ended.IsZero():
		return "DONE"
	case now.Sub(op.inserted) < op.latency/5:
		return "PENDING"
	}
	return "RUNNING"
}

func (op *operation) doc(status string) doc {
	d := doc{
		"kind":          "compute#operation",
		"id":            strconv.FormatUint(op.id, 10),
		"name":          op.ref.name,
		"operationType": op.kind,
		"status":        status,
		"progress":      0,
		"insertTime":    stamp(op.inserted),
		"targetLink":    op.target.link(),
		"targetId":      strconv.FormatUint(op.targetID, 10),
		"user":          op.user,
		"selfLink":      op.ref.link(),
	}
	if sc := op.ref.scope; sc.kind != global {
		d[strings.TrimSuffix(string(sc.kind), "s")] = scopeLink(op.ref.project, sc)
	}
	if op.requestID != "" {
		d["clientOperationId"] = op.requestID
	}
	if status != "PENDING" {
		d["startTime"] = stamp(op.inserted.Add(op.latency / 5))
	}
	if status == "DONE" {
		d["progress"] = 100
		d["endTime"] = stamp(op.ended)
		op.err.describe(d)
	}
	return d
}

func (e *OperationError) describe(d doc) {
	if e == nil {
		return
	}
	item := doc{"code": e.Code, "message": e.Message}
	if len(e.Details) > 0 {
		item["errorDetails"] = e.Details
	}
	d["error"] = doc{"errors": []doc{item}}
	d["httpErrorStatusCode"] = e.HTTPStatus
	d["httpErrorMessage"] = strings.ToUpper(http.StatusText(e.HTTPStatus))
}

// operationDocs are the operations of one scope as they are now.
func (s *Server) operationDocs(sh shelf) []doc {
	now := s.clock.Now()
	docs := make([]doc, 0, len(s.ops[sh]))
	for _, op := range s.ops[sh] {
		if op.ended.IsZero() || now.Sub(op.ended) <= s.opts.Retention {
			docs = append(docs, op.doc(op.status(now)))
		}
	}
	return docs
}

// findOperation is the operation a call names, unless it has expired.
func (s *Server) findOperation(c *call) (*operation, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.operationLocked(c)
}

func (s *Server) operationLocked(c *call) (*operation, *apiError) {
	op := s.ops[c.shelf("operations")][c.name]
	if op == nil || !op.ended.IsZero() && s.clock.Now().Sub(op.ended) > s.opts.Retention {
		return nil, errNotFound(c.ref("operations").path())
	}
	return op, nil
}

func (s *Server) getOperation(c *call) (any, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	op, err := s.operationLocked(c)
	if err != nil {
		return nil, err
	}
	return op.doc(op.status(s.clock.Now())), nil
}

// maxWait is how long wait holds a call for an operation that goes on.
const maxWait = 2 * time.Minute

func (s *Server) waitOperation(c *call) (any, *apiError) {
	op, err := s.findOperation(c)
	if err != nil {
		return nil, err
	}
	if !c.fault.waitEarly() {
		late := make(chan struct{})
		stop := s.clock.AfterFunc(maxWait, func() { close(late) })
		select {
		case <-op.done:
		case <-late:
		case <-c.req.Context().Done():
		}
		stop()
	}
	return s.getOperation(c)
}

func (s *Server) deleteOperation(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op, err := s.operationLocked(c)
	if err != nil {
		return nil, err
	}
	if op.ended.IsZero() {
		return nil, errNotReady(op.ref.path())
	}
	s.forget(op)
	s.opOrder = slices.DeleteFunc(s.opOrder, func(other *operation) bool { return other == op })
	return nil, nil
}
