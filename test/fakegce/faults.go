package fakegce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Fault is trouble for the calls it picks: those whose verb and path match, from
// those only the Nth, at most Count, and each with Probability. The first fault
// that picks a call is the one it meets.
type Fault struct {
	Name string `json:"name,omitempty"`

	Verb        string  `json:"verb,omitempty"` // exact, or a prefix that ends in "*"
	Path        string  `json:"path,omitempty"` // a regular expression
	Nth         int     `json:"nth,omitempty"`
	Count       int     `json:"count,omitempty"`
	Probability float64 `json:"probability,omitempty"`

	Delay       Duration        `json:"delay,omitempty"`       // before anything else happens
	Status      int             `json:"status,omitempty"`      // instead of the answer
	Reason      string          `json:"reason,omitempty"`      // of that error; by status if empty
	Message     string          `json:"message,omitempty"`     //
	Details     []any           `json:"details,omitempty"`     // of that error
	Reset       bool            `json:"reset,omitempty"`       // the connection, instead of an answer
	AfterCommit bool            `json:"afterCommit,omitempty"` // Status or Reset come when the work is done
	Operation   *OperationError `json:"operation,omitempty"`   // the accepted operation fails
	OpLatency   Duration        `json:"opLatency,omitempty"`   // of the operation, instead of the usual
	ListLag     Duration        `json:"listLag,omitempty"`     // lists are so far behind; no further back than the fault was added
	Unreachable string          `json:"unreachable,omitempty"` // a scope that aggregated lists miss, "zones/us-central1-a"
	WaitEarly   bool            `json:"waitEarly,omitempty"`   // operations' wait returns at once

	Seen int `json:"seen"` // calls that matched
	Hits int `json:"hits"` // calls that met it
}

type faults struct {
	mu   sync.Mutex
	list []*armed
	made int
}

type armed struct {
	Fault
	path *regexp.Regexp
}

// AddFaults arms faults, after those already armed.
func (s *Server) AddFaults(list ...Fault) error {
	for _, f := range list {
		s.reachBack(time.Duration(f.ListLag))
	}
	return s.faults.add(list)
}

// Faults lists what is armed, with how often each was met.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	list := make([]Fault, len(s.faults.list))
	for i, f := range s.faults.list {
		list[i] = f.Fault
	}
	return list
}

// ClearFaults disarms the named faults, or all.
func (s *Server) ClearFaults(names ...string) {
	if len(names) == 0 {
		s.faults.clear()
		return
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = slices.DeleteFunc(s.faults.list, func(f *armed) bool { return slices.Contains(names, f.Name) })
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

func (f *faults) add(list []Fault) error {
	var ready []*armed
	for _, fault := range list {
		path, err := regexp.Compile(fault.Path)
		if err = errors.Join(err, fault.check()); err != nil {
			return err
		}
		ready = append(ready, &armed{Fault: fault, path: path})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range ready {
		f.made++
		setDefault(&a.Name, fmt.Sprintf("fault-%d", f.made))
		f.list = append(f.list, a)
	}
	return nil
}

// check refuses what would never be met, or would do nothing: whoever arms a fault relies on it.
func (f Fault) check() error {
	switch {
	case f.Verb != "" && !slices.ContainsFunc(methods, func(m Method) bool { return matchVerb(f.Verb, m.ID) }):
		return fmt.Errorf("verb %q is that of no method", f.Verb)
	case f.Nth < 0, f.Count < 0:
		return fmt.Errorf("nth %d, count %d: calls are counted from 1", f.Nth, f.Count)
	case !(f.Probability >= 0 && f.Probability <= 1):
		return fmt.Errorf("probability %v is not from 0 to 1", f.Probability)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d is no error", f.Status)
	case f.Delay < 0, f.OpLatency < 0, f.ListLag < 0:
		return errors.New("delay, opLatency and listLag cannot be negative")
	case f.Unreachable != "" && !slices.ContainsFunc(scopesOf(zonal, region, global), func(s scope) bool { return s.String() == f.Unreachable }):
		return fmt.Errorf("unreachable %q is no scope: as in zones/us-central1-a", f.Unreachable)
	case f.Delay == 0 && f.Status == 0 && !f.Reset && f.Operation == nil && f.OpLatency == 0 && f.ListLag == 0 && f.Unreachable == "" && !f.WaitEarly:
		return errors.New("a fault that does nothing: give it a delay, status, reset, operation, opLatency, listLag, unreachable or waitEarly")
	}
	return nil
}

func (f *faults) choose(verb, path string) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.list {
		if a.picks(verb, path) {
			a.Hits++
			fault := a.Fault
			return verdict{&fault}
		}
	}
	return verdict{}
}

func (a *armed) picks(verb, path string) bool {
	if a.Verb != "" && !matchVerb(a.Verb, verb) || !a.path.MatchString(path) {
		return false
	}
	a.Seen++
	switch {
	case a.Nth > 0 && a.Seen != a.Nth:
		return false
	case a.Count > 0 && a.Hits >= a.Count:
		return false
	}
	return a.Probability == 0 || rand.Float64() < a.Probability
}

// verdict is the fault a call has met, if any.
type verdict struct{ f *Fault }

func (v verdict) name() string {
	if v.f == nil {
		return ""
	}
	return v.f.Name
}

func (v verdict) wait(ctx context.Context, clock Clock) {
	if v.f == nil || v.f.Delay <= 0 {
		return
	}
	over := make(chan struct{})
	stop := clock.AfterFunc(time.Duration(v.f.Delay), func() { close(over) })
	defer stop()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

func (v verdict) resets() bool { return v.f != nil && v.f.Reset }

func (v verdict) resetsBefore() bool { return v.resets() && !v.f.AfterCommit }

// refusal is the error instead of an answer, before or after the commit.
func (v verdict) refusal(afterCommit bool) *apiError {
	if v.f == nil || v.f.Status == 0 || v.f.AfterCommit != afterCommit {
		return nil
	}
	e := refuse(v.f.Status, v.f.Reason, "%s", v.f.Message)
	setDefault(&e.reason, usualReason[v.f.Status])
	setDefault(&e.reason, "backendError")
	setDefault(&e.message, http.StatusText(v.f.Status))
	e.details = v.f.Details
	if e.reason == "rateLimitExceeded" {
		e.domain = "usageLimits"
	}
	return e
}

var usualReason = map[int]string{
	http.StatusBadRequest:         "invalid",
	http.StatusUnauthorized:       "authError",
	http.StatusForbidden:          "forbidden",
	http.StatusNotFound:           "notFound",
	http.StatusConflict:           "alreadyExists",
	http.StatusPreconditionFailed: "conditionNotMet",
	http.StatusTooManyRequests:    "rateLimitExceeded",
}

// operationError is what fails inside the operation.
func (v verdict) operationError() *OperationError {
	if v.f == nil || v.f.Operation == nil {
		return nil
	}
	e := *v.f.Operation
	setDefault(&e.Code, "INTERNAL_ERROR")
	setDefault(&e.Message, "Internal error. Please try again or contact Google Support.")
	setDefault(&e.HTTPStatus, http.StatusInternalServerError)
	return &e
}

func (v verdict) latency(usual time.Duration) time.Duration {
	if v.f == nil || v.f.OpLatency == 0 {
		return usual
	}
	return time.Duration(v.f.OpLatency)
}

func (v verdict) hides(sc scope) bool { return v.f != nil && v.f.Unreachable == sc.String() }

func (v verdict) waitEarly() bool { return v.f != nil && v.f.WaitEarly }
