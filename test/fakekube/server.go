// Package fakekube is a small Kubernetes API over real HTTP, for tests that need
// many clusters, large ones, or broken ones: storms, sweeps and demos.
//
// One Server holds any number of clusters, each below /clusters/NAME/, so that a
// kubeconfig with that path works with client-go and kubectl. It answers as
// kube-apiserver does, down to the reason and the details of an error, in what
// negfleet relies on:
//
//	read     get, list: label and field selectors, limit, continue on a snapshot, 410
//	write    create, update, merge, strategic and JSON patch, delete, deletecollection
//	guards   resourceVersion (409), a UID in a PUT or in DeleteOptions (409), a UID in
//	         a patch (422: the UID is immutable), dry run
//	pods     graceful deletion, the status subresource, finalizers
//
// What it lacks on purpose: watch, admission, RBAC, server-side apply, managedFields,
// and the validation of most specs. The conformance suite in this directory runs on
// it and on a real kube-apiserver, and asserts only what is true of both.
//
// Stored objects are never changed in place: a write replaces the entry, and a reader
// keeps whatever it holds. A patch is computed outside the lock and committed only if
// its base is still current, as the real one does it.
//
// Inject makes calls fail, OnWrite shows every write to whoever plays the audit log,
// Calls and Writes are the journal. A World builds nodes, Pods and Services in process
// and plays kubelet and endpointslice-controller.
package fakekube

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"
)

// A Server is the http.Handler of all its clusters.
type Server struct {
	now     func() time.Time
	journal journal
	faults  faults

	mu       sync.RWMutex
	clusters map[string]*Cluster
	hooks    []func(Write)
}

// New returns a server without clusters.
func New() *Server {
	s := &Server{now: time.Now, clusters: map[string]*Cluster{}}
	s.faults.seed(1)
	return s
}

// A ClusterOption changes what AddCluster makes.
type ClusterOption func(*store)

// WithUID sets the UID of the kube-system namespace, the cluster's identity.
func WithUID(uid types.UID) ClusterOption {
	return func(st *store) { st.uid = uid }
}

// WithServiceNEGs installs the ServiceNetworkEndpointGroup CRD; without it those
// paths answer 404, as a server without the CRD does.
func WithServiceNEGs() ClusterOption {
	return func(st *store) { st.crds = true }
}

// AddCluster adds a cluster with the namespaces of a fresh one. It panics if the
// name is taken, since that is a mistake in the test.
func (s *Server) AddCluster(name string, opts ...ClusterOption) *Cluster {
	st := newStore(name, s)
	for _, o := range opts {
		o(st)
	}
	if st.uid == "" {
		st.uid = types.UID(uuid.NewString())
	}
	c := &Cluster{store: st, user: "system:admin"}
	c.addNamespaces()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clusters[name] != nil {
		panic(fmt.Sprintf("fakekube: cluster %q exists", name))
	}
	s.clusters[name] = c
	return c
}

// RemoveCluster makes a cluster's paths answer 404, as behind a load balancer whose
// control plane is gone.
func (s *Server) RemoveCluster(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clusters, name)
}

// Cluster returns the named cluster, or nil.
func (s *Server) Cluster(name string) *Cluster {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clusters[name]
}

// Clusters returns the names of all clusters, sorted.
func (s *Server) Clusters() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.clusters))
}

// OnWrite has f called after every successful write, over HTTP or in process, before
// its caller gets the answer and without any lock held. f must not change Object.
func (s *Server) OnWrite(f func(Write)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, f)
}

func (s *Server) wrote(w Write) {
	s.mu.RLock()
	hooks := slices.Clip(s.hooks)
	s.mu.RUnlock()
	for _, f := range hooks {
		f(w)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/clusters/")
	name, path, _ := strings.Cut(rest, "/")
	c := s.Cluster(name)
	if !ok || c == nil {
		http.NotFound(w, r)
		return
	}
	c.serve(w, r, path)
}
