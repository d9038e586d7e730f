// Package rig runs a fleet in one process, for tests that need speed or trouble more
// than a real control plane: emulated clusters and cloud behind real HTTP, the Pub/Sub
// stand-in with a push subscription, and any number of instances of the reconcile
// function, each made from its own environment, fleet file and kubeconfigs as a deployed
// one is. A balancer hands each delivery to one of them, as Cloud Run does.
//
// It wires and decides nothing about what is right; that is for the tests.
package rig

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// Zones are where every cluster's nodes are.
var Zones = []string{"us-central1-a", "us-central1-b", "us-central1-c"}

// Options say what a rig is made of.
type Options struct {
	Project   string // one for each rig of a process
	Clusters  []string
	Nodes     int // of each cluster, over the zones in turn
	Instances int // of the reconcile function; 1 when zero
	GCE       fakegce.Options
	Env       map[string]string   // of the functions, beside what leads them here
	Push      pubsub.Subscription // limits of the keys' subscription; no endpoint: no deliveries
	Log       *slog.Logger        // of the functions; none when nil

	ServiceNEGs bool // the clusters have GKE's kind of that name

	Room int // addresses of each node that Pods get; many when zero

	// Pick chooses the instance for a delivery; in turn when nil.
	Pick func() int
	// Twice has a delivery go to all instances at once; never when nil.
	Twice func() bool
	// Adjust may change a function that was made, before it serves.
	Adjust func(*reconcile.Function)
	// Watch may put something between an instance and what it calls. An instance that takes
	// the place of another has a number of its own.
	Watch func(instance int, gce, kube http.Handler) (http.Handler, http.Handler)
}

// A Rig is a running fleet.
type Rig struct {
	GCE       *fakegce.Server
	Kube      *fakekube.Server
	PubSub    *pubsub.Server
	Clusters  []*Cluster
	Instances []*Instance
	VMs       []fakegce.Instance // one for each node
	ComputeAt string             // base URL of the cloud for whoever is no instance
	KubeAt    string             // and of the clusters

	options Options
	turn    atomic.Uint64
	mu      sync.Mutex
	made    int // instances, those that died included
}

// A Cluster is one cluster with the world that plays its controllers.
type Cluster struct {
	*fakekube.Cluster
	World *fakekube.World
}

// Start runs a rig until the test ends.
func Start(t testing.TB, o Options) *Rig {
	t.Helper()
	o.Instances = max(o.Instances, 1)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Rig{GCE: fakegce.New(o.GCE), Kube: fakekube.New(), options: o}
	for i, name := range o.Clusters {
		if err := r.addCluster(name, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.GCE.Seed(fakegce.Seed{Projects: []string{o.Project}, Instances: r.VMs}); err != nil {
		t.Fatal(err)
	}
	r.KubeAt = r.serve(t, r.Kube)
	r.ComputeAt = fakegce.ComputeEndpoint(fakegce.Start(t, r.GCE))
	for i := range o.Instances {
		in, err := r.newInstance(t, i)
		if err != nil {
			t.Fatal(err)
		}
		r.made++
		r.Instances = append(r.Instances, in)
	}
	r.startPubSub(t)
	return r
}

func (r *Rig) addCluster(name string, i int) error {
	var kinds []fakekube.ClusterOption
	if r.options.ServiceNEGs {
		kinds = append(kinds, fakekube.WithServiceNEGs())
	}
	c := r.Kube.AddCluster(name, kinds...)
	pods := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 0}), 16)
	w, err := c.NewWorld(fakekube.Layout{Project: r.options.Project, Zones: Zones, Nodes: r.options.Nodes, PodRange: pods, Room: r.options.Room})
	if err != nil {
		return err
	}
	r.Clusters = append(r.Clusters, &Cluster{c, w})
	for _, n := range fakekube.List[*corev1.Node](c, "", nil) {
		node, err := neg.ParseProviderID(n.Spec.ProviderID)
		if err != nil {
			return err
		}
		k := len(r.VMs)
		r.VMs = append(r.VMs, fakegce.Instance{
			Zone: string(node.Zone), Name: node.Instance, AliasRanges: []string{n.Spec.PodCIDR},
			IP: fmt.Sprintf("10.128.%d.%d", k/200, k%200+2),
		})
	}
	return nil
}

// Kill lets the i-th instance die after that many more calls to cloud and clusters: its
// next one gets no answer and reaches nobody, and neither do its deliveries. Another takes
// its place at once, which knows nothing.
func (r *Rig) Kill(t testing.TB, i, calls int) {
	t.Helper()
	r.mu.Lock()
	old, number := r.Instances[i], r.made
	r.made++
	r.mu.Unlock()
	in, err := r.newInstance(t, number)
	if err != nil {
		t.Fatal(err)
	}
	old.life.onEnd(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.Instances[i] = in
	})
	old.life.limit(calls)
}

// Spare lets the instances live that Kill has not ended yet.
func (r *Rig) Spare() {
	for i := range r.Instances {
		r.instance(i).life.limit(-1)
	}
}

func (r *Rig) instance(i int) *Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Instances[i]
}

// deliver is the balancer.
func (r *Rig) deliver(w http.ResponseWriter, req *http.Request) {
	i := int(r.turn.Add(1)) % len(r.Instances)
	if r.options.Pick != nil {
		i = r.options.Pick()
	}
	if r.options.Twice == nil || !r.options.Twice() {
		r.instance(i).serve(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	again := func() *http.Request {
		copied := req.Clone(req.Context())
		copied.Body = io.NopCloser(bytes.NewReader(body))
		return copied
	}
	var others sync.WaitGroup
	for other := range r.Instances {
		if other == i {
			continue
		}
		others.Go(func() {
			defer func() { _ = recover() }() // it died
			r.instance(other).serve(httptest.NewRecorder(), again())
		})
	}
	defer others.Wait()
	r.instance(i).serve(w, again())
}

func (r *Rig) serve(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
