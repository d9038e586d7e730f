package rig_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

var web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}

// A world is a fleet whose control plane logs Services and Pods, and no EndpointSlice.
type world struct {
	*rig.Rig
	t    *testing.T
	c    *rig.Cluster
	lost bool // nothing that is logged arrives
}

func newWorld(t *testing.T) *world {
	r := rig.Start(t, rig.Options{
		Project: "pod-entries", Clusters: []string{"c1"}, Nodes: 3,
		Env:  map[string]string{"NEGFLEET_DELETION_GRACE": "1ms"},
		Push: pubsub.Subscription{AckDeadline: time.Minute},
	})
	w := &world{Rig: r, t: t, c: r.Clusters[0]}
	r.Kube.OnWrite(w.logged)
	return w
}

// logged publishes what entries of Services and of Pods' creation and deletion lead to.
func (w *world) logged(wr fakekube.Write) {
	m := event.Message{Key: web, Reason: wr.Resource + " " + wr.Verb, Source: "audit", Observed: time.Now()}
	switch {
	case wr.User == rig.User || !wr.Changed || w.lost:
		return
	case wr.Resource == "services":
	case wr.Resource == "pods" && wr.Subresource == "" && wr.Verb == "create":
		m.PodsCreated = []string{wr.Name}
	case wr.Resource == "pods" && wr.Subresource == "" && wr.Verb == "delete":
		m.PodsDeleted = []string{wr.Name}
	default:
		return
	}
	if err := w.PublishMessage(w.t.Context(), m); err != nil {
		w.t.Error(err)
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// wantLiving asserts that, at rest, the groups hold exactly the Pods that live.
func (w *world) wantLiving(when string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	w.check(w.PubSub.Drained(ctx))
	var want, got []string
	for _, p := range fakekube.List[*corev1.Pod](w.c.Cluster, "shop", nil) {
		if _, served := fakekube.Get[*corev1.Service](w.c.Cluster, "shop", "web"); served && p.DeletionTimestamp == nil {
			want = append(want, fmt.Sprintf("%s:80", p.Status.PodIP))
		}
	}
	for _, g := range w.GCE.Groups() {
		for _, e := range g.Endpoints {
			got = append(got, e.Address)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		w.t.Errorf("%s: attached (-want +got):\n%s", when, d)
	}
}

// resync publishes what "negfleet resync" would.
func (w *world) resync() {
	w.t.Helper()
	env, err := config.ReadEnv(func(name string) string { return w.Instances[0].Env[name] })
	w.check(err)
	scopes, err := scope.New(env, slog.New(slog.DiscardHandler), time.Now)
	w.check(err)
	target, _, err := scopes.Target(w.t.Context(), "c1")
	w.check(err)
	_, err = target.Find(w.t.Context(), func(found []resync.Find) error {
		for _, f := range found {
			w.check(w.PublishMessage(w.t.Context(), event.ResyncMessage(f.Key, f.Thorough, f.Why, time.Now())))
		}
		return nil
	})
	w.check(err)
}

// TestPodEntries: without any entry of an EndpointSlice the groups follow the entries of
// Services and Pods; what those miss, or what got lost, a resync puts right.
func TestPodEntries(t *testing.T) {
	w := newWorld(t)
	w.check(w.c.World.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 3}))
	w.check(w.c.World.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(80)}}},
	}))
	w.wantLiving("a new Service")
	w.check(w.c.World.Scale("shop", "web", 6))
	w.wantLiving("more Pods")
	w.check(w.c.World.Roll("shop", "web"))
	w.wantLiving("a rollout")
	w.check(w.c.World.Scale("shop", "web", 2))
	w.c.World.Reap("shop")
	w.wantLiving("fewer Pods")

	w.lost = true
	w.check(w.c.World.Scale("shop", "web", 4))
	w.resync()
	w.wantLiving("a resync after entries got lost")
	w.check(w.c.World.RemoveService("shop", "web"))
	w.resync()
	w.wantLiving("a resync after the Service's deletion got lost")
	if groups := w.GCE.Groups(); len(groups) != 0 {
		t.Errorf("groups of a deleted Service: %v", groups)
	}
}
