package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

const (
	namespace = "shop"
	cluster   = "c1"
	// patience bounds every wait.
	patience = 5 * time.Minute
)

// A world is one cluster before one instance of the function.
type world struct {
	*rig.Rig
	*fakekube.World
	t *testing.T
	c *rig.Cluster
}

func newWorld(t *testing.T, nodes int, env map[string]string) *world {
	r := rig.Start(t, rig.Options{
		Project: "bench-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")), Clusters: []string{cluster}, Nodes: nodes, Env: env,
		GCE:  fakegce.Options{CallLog: 200},
		Push: pubsub.Subscription{AckDeadline: patience, MaxOutstanding: 200},
	})
	return &world{Rig: r, World: r.Clusters[0].World, t: t, c: r.Clusters[0]}
}

// events publishes the key of every write to a Service or its slices at once.
func (w *world) events() {
	w.Kube.OnWrite(func(wr fakekube.Write) {
		name := wr.Name
		switch o := wr.Object.(type) {
		case *corev1.Service:
		case *discoveryv1.EndpointSlice:
			name = o.Labels[discoveryv1.LabelServiceName]
		default:
			return
		}
		if wr.User == rig.User || !wr.Changed {
			return
		}
		if err := w.Publish(w.t.Context(), key(name), "audit"); err != nil {
			w.t.Error(err)
		}
	})
}

func key(service string) neg.Key {
	return neg.Key{Cluster: cluster, Namespace: namespace, Service: service}
}

// deploy makes n Pods for a Service that does not exist yet.
func (w *world) deploy(name string, n int) {
	w.t.Helper()
	w.check(w.Deploy(fakekube.Deployment{Namespace: namespace, Name: name, Replicas: n}))
}

func (w *world) serve(name string) {
	w.t.Helper()
	w.check(w.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}))
}

func (w *world) group(service string) string {
	return neg.GroupName(string(w.c.UID()), key(service), 80)
}

// look makes the instance look at a Service, as a delivery does.
func (w *world) look(service string) time.Duration {
	w.t.Helper()
	started := time.Now()
	_, err := w.Instances[0].Function.Look(w.t.Context(), key(service), reconcile.Turn{Began: func() {}, Rereads: func() {}})
	w.check(err)
	return time.Since(started)
}

func (w *world) drained() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.check(w.PubSub.Drained(ctx))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// compute prints the calls to the cloud since the last reset.
func (w *world) compute() map[string]int {
	calls := map[string]int{}
	for verb, n := range w.GCE.Stats().Verbs {
		calls[verb] = int(n)
	}
	return calls
}

func (w *world) reset() {
	w.GCE.ClearCalls()
	w.Kube.ResetCalls()
}

// attached counts the endpoints of every group, by name and zone.
func (w *world) attached() map[string]map[string]int {
	sizes := map[string]map[string]int{}
	for _, g := range w.GCE.Groups() {
		if sizes[g.Name] == nil {
			sizes[g.Name] = map[string]int{}
		}
		sizes[g.Name][g.Zone] = len(g.Endpoints)
	}
	return sizes
}

func service(i int) string { return fmt.Sprintf("service-%04d", i) }
