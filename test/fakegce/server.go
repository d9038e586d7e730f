package fakegce

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/test/fakegce/health"
	"github.com/negfleet/negfleet/test/fakegce/page"
)

// Server is the emulator; it serves the API, the batch endpoint, /_emu/ and the page at /.
type Server struct {
	opts  Options
	clock Clock

	mu         noticedLock // guards what is below, up to the blank line
	store      *store
	ops        map[shelf]map[string]*operation
	opOrder    []*operation
	requestIDs map[requestKey]*operation
	epoch      int // which reset this is: operations of an earlier one do nothing
	engine     *health.Engine
	targets    map[target]terms // that the engine has
	past       past

	calls    *journal
	timeline *timeline
	faults   *faults
	rates    *rates
	needed   permissionSet
	admin    http.Handler
	page     http.Handler
}

// New makes a Server with no seeds.
func New(opts Options) *Server {
	opts = opts.withDefaults()
	s := &Server{
		opts:     opts,
		clock:    opts.Clock,
		calls:    newJournal(opts.CallLog),
		timeline: newTimeline(opts.TimelineLog),
		faults:   &faults{},
		rates:    &rates{},
		mu:       noticedLock{written: make(chan struct{}, 1)},
	}
	s.rates.clear()
	s.page = page.Handler(s.graphSnapshot)
	s.admin = s.adminHandler()
	s.clear()
	return s
}

func (s *Server) clear() {
	s.store = newStore()
	s.store.used = s.rememberUsed
	s.past = past{reach: s.opts.ListLag, changes: map[shelf][]change{}}
	s.ops = map[shelf]map[string]*operation{}
	s.opOrder = nil
	s.requestIDs = map[requestKey]*operation{}
	s.epoch++
	if s.engine != nil {
		s.engine.Close()
	}
	s.engine, s.targets = s.newEngine(), map[target]terms{}
}

// Close ends the probing; everything else goes on being served.
func (s *Server) Close() {
	s.mu.RLock()
	engine := s.engine
	s.mu.RUnlock()
	engine.Close()
}

// Reset forgets resources, operations, faults, the journal and the timeline.
func (s *Server) Reset() {
	s.mu.Lock()
	s.clear()
	s.mu.Unlock()
	s.faults.clear()
	s.ClearCalls()
	s.timeline.clear()
}

// ServeHTTP answers every path there is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		s.page.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/_emu/"):
		s.admin.ServeHTTP(w, r)
	case path == "/batch" || strings.HasPrefix(path, "/batch/"):
		s.serveBatch(w, r)
	default:
		s.serveAPI(w, r, false)
	}
}

// serveAPI answers one API call and writes it into the journal.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, batched bool) {
	sent := &counted{ReadCloser: r.Body}
	r.Body = sent
	c := s.newCall(r)
	entry := Call{Time: s.clock.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Batched: batched}
	if c != nil {
		entry.Verb = c.method.ID
		c.fault = s.faults.choose(c.method.ID, r.URL.Path)
		c.fault.wait(r.Context(), s.clock)
	}
	status, body := s.answer(c)
	body = s.inWords(body)
	if c != nil {
		entry.fill(c)
	}
	entry.Size, entry.Status, entry.Reason = sent.n, status, reasonOf(body)
	entry.Latency = Duration(s.clock.Now().Sub(entry.Time))
	s.calls.add(entry)
	if c != nil && c.fault.resets() {
		panic(http.ErrAbortHandler)
	}
	writeAnswer(w, status, body)
}

// answer runs the method unless a fault stands before it, and lets a fault that
// comes after the commit replace what it answered.
func (s *Server) answer(c *call) (int, any) {
	if c == nil {
		return http.StatusNotFound, nil
	}
	if err := s.charge(c); err != nil {
		return err.status, err
	}
	if err := c.fault.refusal(false); err != nil {
		return err.status, err
	}
	body, err := s.run(c)
	if late := c.fault.refusal(true); late != nil && err == nil {
		err = late
	}
	if err != nil {
		return err.status, err
	}
	if body == nil {
		return http.StatusNoContent, nil
	}
	return http.StatusOK, body
}

func (s *Server) run(c *call) (any, *apiError) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.mayCall(c); err != nil {
		return nil, err
	}
	if c.fault.resetsBefore() {
		return doc{}, nil
	}
	s.ensureProject(c.project)
	return c.method.serve(s, c)
}

// counted counts what is read of a body.
type counted struct {
	io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n += int64(n)
	return n, err
}

func reasonOf(body any) string {
	if err, ok := body.(*apiError); ok {
		return err.reason
	}
	return ""
}

func writeAnswer(w http.ResponseWriter, status int, body any) {
	if err, ok := body.(*apiError); ok {
		body = err.body()
	}
	h := w.Header()
	h.Set("Cache-Control", "private")
	h.Set("Server", "ESF")
	h.Set("X-Content-Type-Options", "nosniff")
	h["Vary"] = []string{"Origin", "X-Origin", "Referer"}
	switch {
	case status == http.StatusNoContent:
		w.WriteHeader(status)
	case body == nil:
		h.Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		io.WriteString(w, "<!DOCTYPE html>\n<title>Error 404 (Not Found)!!1</title>\n<p>The requested URL was not found on this server.\n")
	default:
		h.Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}
}

// Duration is written as text, "1.5s".
type Duration time.Duration

// MarshalText writes it as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}
