package fakecontainer

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// A Fault is trouble for the calls it picks. The first that picks a call is the one it meets.
type Fault struct {
	Name   string `json:"name,omitempty"`
	Method string `json:"method,omitempty"` // the end of its ID: "clusters.list"
	Path   string `json:"path,omitempty"`   // a regular expression
	Count  int    `json:"count,omitempty"`  // at most so many; 0 is for ever

	Delay        fakegce.Duration `json:"delay,omitempty"`
	Status       int              `json:"status,omitempty"`
	Message      string           `json:"message,omitempty"`
	Reset        bool             `json:"reset,omitempty"`
	MissingZones []string         `json:"missingZones,omitempty"` // that a list does not see

	Hits int `json:"hits"`
}

// AddFaults arms faults, after those already armed.
func (s *Server) AddFaults(list ...Fault) error {
	for _, f := range list {
		if _, err := regexp.Compile(f.Path); err != nil {
			return err
		}
		if f.Status != 0 && (f.Status < 400 || f.Status > 599) {
			return fmt.Errorf("status %d is no error", f.Status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range list {
		s.faults = append(s.faults, &f)
	}
	return nil
}

// Faults lists what is armed, with how often each was met.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Fault{}
	for _, f := range s.faults {
		list = append(list, *f)
	}
	return list
}

// ClearFaults disarms the named faults, or all.
func (s *Server) ClearFaults(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return len(names) == 0 || slices.Contains(names, f.Name) })
}

// pick notes the call and returns the fault that it meets.
func (s *Server) pick(method, path string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, method)
	for _, f := range s.faults {
		here := strings.HasSuffix(method, f.Method) && regexp.MustCompile(f.Path).MatchString(path)
		if here && (f.Count == 0 || f.Hits < f.Count) {
			f.Hits++
			return *f
		}
	}
	return Fault{}
}

func (f Fault) wait(ctx context.Context, clock fakegce.Clock) {
	if f.Delay <= 0 {
		return
	}
	over := make(chan struct{})
	stop := clock.AfterFunc(time.Duration(f.Delay), func() { close(over) })
	defer stop()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

var usualReason = map[int]string{
	http.StatusForbidden: "forbidden", http.StatusUnauthorized: "authError", http.StatusNotFound: "notFound",
	http.StatusTooManyRequests: "rateLimitExceeded", http.StatusBadRequest: "badRequest",
}

func (f Fault) refusal() *apiError {
	return refuse(f.Status, cmp.Or(usualReason[f.Status], "backendError"), "%s", cmp.Or(f.Message, http.StatusText(f.Status)))
}
