package fakegce

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Server is the emulator; it serves the API, the batch endpoint and /_emu/.
type Server struct {
	opts  Options
	clock Clock

	mu         sync.RWMutex // guards the five below
	store      *store
	ops        map[shelf]map[string]*operation
	opOrder    []*operation
	requestIDs map[requestKey]*operation
	epoch      int // which reset this is: operations of an earlier one do nothing

	calls    *journal
	timeline *timeline
	faults   *faults
	admin    http.Handler
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
	}
	s.admin = s.adminHandler()
	s.clear()
	return s
}

func (s *Server) clear() {
	s.store = newStore()
	s.ops = map[shelf]map[string]*operation{}
	s.opOrder = nil
	s.requestIDs = map[requestKey]*operation{}
	s.epoch++
}

// Reset forgets resources, operations, faults, the journal and the timeline.
func (s *Server) Reset() {
	s.mu.Lock()
	s.clear()
	s.mu.Unlock()
	s.faults.clear()
	s.calls.clear()
	s.timeline.clear()
}

// ServeHTTP answers every path there is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
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
	c := s.newCall(r)
	entry := Call{Time: s.clock.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Batched: batched}
	if c != nil {
		entry.Verb = c.method.ID
		c.fault = s.faults.choose(c.method.ID, r.URL.Path)
		c.fault.wait(r.Context(), s.clock)
	}
	status, body := s.answer(c)
	if c != nil {
		entry.fill(c)
	}
	entry.Status, entry.Reason = status, reasonOf(body)
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
	if c.fault.resetsBefore() {
		return doc{}, nil
	}
	s.ensureProject(c.project)
	return c.method.serve(s, c)
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

// call is one request to one method.
type call struct {
	req     *http.Request
	method  *Method
	path    string // below /compute/v1/
	query   url.Values
	params  map[string]string
	project string
	scope   scope
	name    string // of the resource; empty for collections
	fault   verdict

	// What the journal wants to know.
	endpoints int
	operation string
}

// newCall finds the method a request is for, or nil.
func (s *Server) newCall(r *http.Request) *call {
	path, ok := apiPath(r.URL.EscapedPath())
	if !ok {
		return nil
	}
	method, params := router.match(r.Method, path)
	if method == nil {
		return nil
	}
	c := &call{req: r, method: method, path: path, query: r.URL.Query(), params: params}
	c.project, c.scope = params["project"], scope{kind: global}
	if zone, ok := params["zone"]; ok {
		c.scope = scope{kind: zonal, name: zone}
	} else if name, ok := params["region"]; ok {
		c.scope = scope{kind: region, name: name}
	}
	c.name = params[method.resource]
	return c
}

// apiPath strips the prefix of any served version, and trailing slashes: a
// resource with an empty name is its collection.
func apiPath(path string) (string, bool) {
	for _, version := range []string{"v1", "beta", "alpha"} {
		if rest, ok := strings.CutPrefix(path, "/compute/"+version+"/"); ok {
			return strings.TrimRight(rest, "/"), true
		}
	}
	return "", false
}

func (c *call) shelf(collection string) shelf {
	sc := c.scope
	if collection == "zones" || collection == "regions" {
		sc = scope{kind: global}
	}
	return shelf{c.project, sc, collection}
}

func (c *call) ref(collection string) ref { return ref{c.shelf(collection), c.name} }

// check refuses places that do not exist.
func (c *call) check() *apiError {
	if !projectID.MatchString(c.project) {
		return errInvalid("project", c.project, "Invalid project id.")
	}
	if strings.HasPrefix(c.method.ID, "zones.") || strings.HasPrefix(c.method.ID, "regions.") {
		return nil
	}
	if c.scope.kind == zonal && zoneRegion[c.scope.name] == "" {
		return errInvalid("zone", c.scope.name, "Unknown zone.")
	}
	if c.scope.kind == region && placeOf[c.scope.name].region == "" {
		return errInvalid("region", c.scope.name, "Unknown region.")
	}
	return nil
}

// maxBody bounds a request; 500 endpoints with annotations stay far below.
const maxBody = 16 << 20

// decode reads the request's JSON into v, refusing fields v does not have. No
// body at all is an empty object.
func (c *call) decode(v any) *apiError {
	d := json.NewDecoder(io.LimitReader(c.req.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil && d.More() {
		return refuse(http.StatusBadRequest, "parseError", "Parse Error")
	}
	if err == nil || err == io.EOF {
		return nil
	}
	return refuse(http.StatusBadRequest, "badRequest", "Invalid JSON payload received. %s", strings.TrimPrefix(err.Error(), "json: "))
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
