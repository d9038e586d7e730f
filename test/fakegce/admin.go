package fakegce

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// adminHandler serves /_emu/: each path is one method of Server.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_emu/seed", func(w http.ResponseWriter, r *http.Request) {
		var seed Seed
		adminDo(w, r, &seed, func() error { return s.Seed(seed) })
	})
	mux.HandleFunc("POST /_emu/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		writeAdmin(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("GET /_emu/state", func(w http.ResponseWriter, _ *http.Request) {
		writeAdmin(w, http.StatusOK, s.State())
	})
	mux.HandleFunc("GET /_emu/stats", func(w http.ResponseWriter, _ *http.Request) {
		writeAdmin(w, http.StatusOK, s.Stats())
	})
	mux.HandleFunc("GET /_emu/calls", s.adminCalls)
	mux.HandleFunc("DELETE /_emu/calls", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearCalls()
		writeAdmin(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("GET /_emu/timeline", s.adminTimeline)
	mux.HandleFunc("GET /_emu/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeAdmin(w, http.StatusOK, s.Faults())
	})
	mux.HandleFunc("POST /_emu/faults", func(w http.ResponseWriter, r *http.Request) {
		var list []Fault
		adminDo(w, r, &list, func() error { return s.AddFaults(list...) })
	})
	mux.HandleFunc("DELETE /_emu/faults", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFaults(r.URL.Query()["name"]...)
		writeAdmin(w, http.StatusOK, struct{}{})
	})
	mux.HandleFunc("POST /_emu/clock", s.adminClock)
	mux.HandleFunc("POST /_emu/age", func(w http.ResponseWriter, r *http.Request) {
		var a Ageing
		adminDo(w, r, &a, func() error { return s.Age(a) })
	})
	mux.HandleFunc("GET /_emu/health", func(w http.ResponseWriter, r *http.Request) {
		writeAdmin(w, http.StatusOK, s.Health(r.URL.Query().Get("group")))
	})
	mux.HandleFunc("POST /_emu/health", func(w http.ResponseWriter, r *http.Request) {
		var rule HealthRule
		adminDo(w, r, &rule, func() error { return s.ForceHealth(rule) })
	})
	mux.Handle("GET /_emu/graph", s.page)
	mux.Handle("GET /_emu/page/", s.page)
	return mux
}

func writeAdmin(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func adminError(w http.ResponseWriter, err error) {
	writeAdmin(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}

func adminDo(w http.ResponseWriter, r *http.Request, in any, do func() error) {
	d := json.NewDecoder(&nesting{r: r.Body})
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		err = do()
	}
	if err != nil {
		adminError(w, err)
		return
	}
	writeAdmin(w, http.StatusOK, struct{}{})
}

// since reads a sequence number; none is the beginning.
func since(q url.Values) (uint64, error) {
	if q.Get("since") == "" {
		return 0, nil
	}
	return strconv.ParseUint(q.Get("since"), 10, 64)
}

// adminCalls takes since as a sequence number or a time.
func (s *Server) adminCalls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	filter := CallFilter{Verb: q.Get("verb")}
	var err error
	if filter.Since, err = since(q); err != nil {
		filter.From, err = time.Parse(time.RFC3339Nano, q.Get("since"))
	}
	if err != nil {
		adminError(w, err)
		return
	}
	writeAdmin(w, http.StatusOK, s.Calls(filter))
}

// adminTimeline waits up to the parameter wait when there is nothing to list.
func (s *Server) adminTimeline(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	seq, err := since(q)
	wait := time.Duration(0)
	if err == nil && q.Get("wait") != "" {
		wait, err = time.ParseDuration(q.Get("wait"))
	}
	if err != nil {
		adminError(w, err)
		return
	}
	list := s.Timeline(seq)
	if len(list) == 0 && wait > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		if fresh := s.AwaitTimeline(ctx, seq); fresh != nil {
			list = fresh
		}
	}
	writeAdmin(w, http.StatusOK, list)
}

// adminClock moves a clock that can be moved. Probes that become due on the way
// have ended when it answers.
func (s *Server) adminClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance Duration `json:"advance"`
	}
	adminDo(w, r, &in, func() error {
		manual, ok := s.clock.(*ManualClock)
		if !ok || in.Advance < 0 {
			return errClock
		}
		manual.AdvanceSettled(time.Duration(in.Advance), s.SettleHealth)
		return nil
	})
}

var errClock = refuse(http.StatusBadRequest, "invalid", "the clock is not manual, or asked to go back")

func (e *apiError) Error() string { return e.message }
