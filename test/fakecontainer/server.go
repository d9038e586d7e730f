package fakecontainer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// Options are the switches of a Server.
type Options struct {
	Clock     fakegce.Clock // the wall clock if nil
	OpLatency time.Duration // from acceptance to DONE
}

// Server is the emulator: the API and /_emu/.
type Server struct {
	opts Options
	mux  *http.ServeMux

	mu       sync.Mutex // guards all below
	clusters map[key]*cluster
	ops      map[key]*operation
	missing  map[string][]string // locations by project
	faults   []*Fault
	calls    []string
	made     int // operations and clusters, for names and ids
	epoch    int // which reset this is: operations of an earlier one do nothing
}

// A key names a cluster or an operation.
type key struct{ project, location, name string }

func (k key) String() string {
	return "projects/" + k.project + "/locations/" + k.location + "/clusters/" + k.name
}

// New makes a Server without clusters.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	s := &Server{opts: o, mux: http.NewServeMux()}
	s.clear()
	s.routes()
	s.admin()
	return s
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}

func (s *Server) clear() {
	s.clusters, s.ops, s.missing = map[key]*cluster{}, map[key]*operation{}, map[string][]string{}
	s.faults, s.calls = nil, []string{}
	s.epoch++
}

// Reset makes the emulator as new.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// Calls are the methods called since the last reset, by their names in the discovery document.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// A Method is one method that is served.
type Method struct {
	ID   string // as in the discovery document
	HTTP string
	Path string // the flat one

	serve func(*Server, *call) (any, *apiError)
}

// Methods lists what is served.
func Methods() []Method { return slices.Clone(methods) }

const (
	inLocation = "v1/projects/{projectsId}/locations/{locationsId}/"
	oneCluster = inLocation + "clusters/{clustersId}"
)

var methods = []Method{
	{"container.projects.locations.clusters.list", "GET", inLocation + "clusters", (*Server).listClusters},
	{"container.projects.locations.clusters.get", "GET", oneCluster, (*Server).getCluster},
	{"container.projects.locations.clusters.delete", "DELETE", oneCluster, (*Server).deleteCluster},
	{"container.projects.locations.clusters.update", "PUT", oneCluster, (*Server).updateCluster},
	{"container.projects.locations.clusters.setAddons", "POST", oneCluster + ":setAddons", (*Server).setAddons},
	{"container.projects.locations.operations.list", "GET", inLocation + "operations", (*Server).listOperations},
	{"container.projects.locations.operations.get", "GET", inLocation + "operations/{operationsId}", (*Server).getOperation},
}

// A call is one request to a method.
type call struct {
	*http.Request
	key    key
	action string // what follows the name after a colon
	fault  Fault  // that it has met, if any
}

func (s *Server) routes() {
	for _, m := range methods {
		path, action, _ := strings.Cut(m.Path, ":")
		s.mux.HandleFunc(m.HTTP+" /"+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, m, action) })
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, refuse(http.StatusNotFound, "notFound", "Method not found."))
	})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, m Method, action string) {
	c := &call{Request: r, key: key{r.PathValue("projectsId"), r.PathValue("locationsId"), r.PathValue("clustersId") + r.PathValue("operationsId")}}
	c.key.name, c.action, _ = strings.Cut(c.key.name, ":")
	if c.action != action {
		answer(w, nil, refuse(http.StatusNotFound, "notFound", "Method not found."))
		return
	}
	c.fault = s.pick(m.ID, r.URL.Path)
	c.fault.wait(r.Context(), s.opts.Clock)
	switch {
	case c.fault.Reset:
		panic(http.ErrAbortHandler)
	case c.fault.Status != 0:
		answer(w, nil, c.fault.refusal())
		return
	}
	s.mu.Lock()
	body, err := m.serve(s, c)
	var text []byte
	if err == nil {
		text, _ = json.Marshal(body) // documents came from JSON
	}
	s.mu.Unlock()
	answer(w, text, err)
}

func answer(w http.ResponseWriter, body []byte, err *apiError) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if err != nil {
		body, _ = json.Marshal(err.body()) // texts and a number
		w.WriteHeader(err.status)
	}
	_, _ = w.Write(body) // the client may be gone
}
