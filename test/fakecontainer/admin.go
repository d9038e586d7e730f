package fakecontainer

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// A Seed adds clusters and says what cannot be seen.
type Seed struct {
	Clusters []Cluster `json:"clusters,omitempty"`
	// MissingZones are, by project, the locations that lists over all of them miss. A seed
	// that names a project replaces its.
	MissingZones map[string][]string `json:"missingZones,omitempty"`
}

// A Cluster is one cluster of a seed or of the state.
type Cluster struct {
	Project  string         `json:"project"`
	Location string         `json:"location"`
	Name     string         `json:"name"`
	Cluster  map[string]any `json:"cluster,omitempty"` // fields as the API has them; the others get usual values
}

// Seed adds clusters; one that is there is replaced, and gets a new id.
func (s *Server) Seed(seed Seed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range seed.Clusters {
		if c.Project == "" || c.Location == "" || c.Name == "" {
			return fmt.Errorf("cluster %+v: want project, location and name", c)
		}
	}
	for _, c := range seed.Clusters {
		k := key{c.Project, c.Location, c.Name}
		s.clusters[k] = &cluster{doc: s.seeded(k, c.Cluster)}
	}
	maps.Copy(s.missing, seed.MissingZones)
	return nil
}

// Remove takes a cluster away at once, as when it was deleted long ago.
func (s *Server) Remove(project, location, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clusters, key{project, location, name})
}

// State is what there is.
type State struct {
	Clusters     []Cluster           `json:"clusters"`
	MissingZones map[string][]string `json:"missingZones"`
}

// State takes a snapshot.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := State{Clusters: []Cluster{}, MissingZones: maps.Clone(s.missing)}
	for k, c := range s.clusters {
		state.Clusters = append(state.Clusters, Cluster{k.project, k.location, k.name, c.doc})
	}
	slices.SortFunc(state.Clusters, func(a, b Cluster) int {
		return slices.Compare([]string{a.Project, a.Location, a.Name}, []string{b.Project, b.Location, b.Name})
	})
	return state
}

// Start serves s on a free local port until the test ends and returns its URL: the value
// of NEGFLEET_CONTAINER_ENDPOINT.
func Start(t testing.TB, s *Server) string {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// admin serves /_emu/: each path is one method of Server.
func (s *Server) admin() {
	s.mux.HandleFunc("POST /_emu/seed", func(w http.ResponseWriter, r *http.Request) {
		var seed Seed
		do(w, r, &seed, func() error { return s.Seed(seed) })
	})
	s.mux.HandleFunc("POST /_emu/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		write(w, http.StatusOK, doc{})
	})
	s.mux.HandleFunc("GET /_emu/state", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.State()) })
	s.mux.HandleFunc("GET /_emu/calls", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.Calls()) })
	s.mux.HandleFunc("GET /_emu/faults", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, s.Faults()) })
	s.mux.HandleFunc("POST /_emu/faults", func(w http.ResponseWriter, r *http.Request) {
		var list []Fault
		do(w, r, &list, func() error { return s.AddFaults(list...) })
	})
	s.mux.HandleFunc("DELETE /_emu/faults", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFaults(r.URL.Query()["name"]...)
		write(w, http.StatusOK, doc{})
	})
	s.mux.HandleFunc("POST /_emu/clock", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Advance fakegce.Duration `json:"advance"`
		}
		do(w, r, &in, func() error {
			manual, ok := s.opts.Clock.(*fakegce.ManualClock)
			if !ok || in.Advance < 0 {
				return fmt.Errorf("the clock is not manual, or asked to go back")
			}
			manual.Advance(time.Duration(in.Advance))
			return nil
		})
	})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func do(w http.ResponseWriter, r *http.Request, in any, act func() error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		err = act()
	}
	if err != nil {
		write(w, http.StatusBadRequest, doc{"error": err.Error()})
		return
	}
	write(w, http.StatusOK, doc{})
}
