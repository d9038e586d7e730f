package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

var zones = []neg.Zone{"us-central1-a", "us-central1-b", "us-central1-c"}

var web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}

// A world is the real adapters before an emulated cloud and a fake cluster.
type world struct {
	*fakekube.World
	t         testing.TB
	gce       *fakegce.Server
	kube      *fakekube.Server
	cluster   *fakekube.Cluster
	computeAt string // the API's base URL
	config    *rest.Config
	scope     reconcile.Scope
	r         *reconcile.Reconciler
	mu        sync.Mutex
	published []int // chains
}

func newWorld(t testing.TB, o fakegce.Options) *world { return newWorldWith(t, o) }

func newWorldWith(t testing.TB, o fakegce.Options, c ...fakekube.ClusterOption) *world {
	t.Helper()
	w := &world{t: t, gce: fakegce.New(o), kube: fakekube.New()}
	w.cluster = w.kube.AddCluster("c1", c...)
	var err error
	if w.World, err = w.cluster.NewWorld(fakekube.Layout{Project: "p1", Nodes: 6}); err != nil {
		t.Fatal(err)
	}
	w.seedInstances()
	server := httptest.NewServer(w.kube)
	t.Cleanup(server.Close)
	w.scope = reconcile.Scope{UID: string(w.cluster.UID()), Project: "p1", Zones: zones, Policy: plan.Sync}
	w.config = w.cluster.Config(server.URL, "negfleet")
	if w.scope.Cluster, err = kube.New("c1", w.config, time.Now); err != nil {
		t.Fatal(err)
	}
	w.computeAt = fakegce.ComputeEndpoint(fakegce.Start(t, w.gce))
	w.scope.Cloud = w.cloud()
	w.r = &reconcile.Reconciler{
		Open: func(context.Context, string) (reconcile.Scope, error) { return w.scope, nil },
		Publish: func(_ context.Context, _ neg.Key, chain int) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.published = append(w.published, chain)
			return nil
		},
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Grace: time.Millisecond,
	}
	return w
}

// cloud is a Compute client that does not really pause between attempts.
func (w *world) cloud() *gce.Client {
	c, err := gce.New(w.t.Context(), gce.Options{
		Project: "p1", Network: "default", Subnetwork: "default", Endpoint: w.computeAt,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) seedInstances() {
	w.t.Helper()
	seed := fakegce.Seed{Projects: []string{"p1"}}
	for i, n := range fakekube.List[*corev1.Node](w.cluster, "", nil) {
		node, err := neg.ParseProviderID(n.Spec.ProviderID)
		if err != nil {
			w.t.Fatal(err)
		}
		seed.Instances = append(seed.Instances, fakegce.Instance{Zone: string(node.Zone), Name: node.Instance, IP: fmt.Sprintf("10.128.0.%d", i+2), AliasRanges: []string{n.Spec.PodCIDR}})
	}
	if err := w.gce.Seed(seed); err != nil {
		w.t.Fatal(err)
	}
}

func service(annotations map[string]string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: annotations},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "https", Port: 443}}},
	}
}

func exposed(value string) map[string]string { return map[string]string{neg.AnnotationNEG: value} }

const port80 = `{"exposed_ports":{"80":{}}}`

// start makes n Pods and the Service.
func (w *world) start(n int, annotations map[string]string) {
	w.t.Helper()
	ports := []corev1.ContainerPort{{Name: "http", ContainerPort: 80}, {Name: "https", ContainerPort: 443}}
	w.check(w.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: n, Ports: ports}))
	w.check(w.AddService(service(annotations)))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) look() (reconcile.Result, error) { return w.lookAt(web, 0) }

func (w *world) lookAt(k neg.Key, chain int) (reconcile.Result, error) {
	return w.r.Look(w.t.Context(), k, reconcile.Turn{Chain: chain, Began: func() {}, Rereads: func() {}})
}

func (w *world) mustLook() reconcile.Result {
	w.t.Helper()
	result, err := w.look()
	w.check(err)
	return result
}

// groups prints the cloud: a line for each group, then its members.
func (w *world) groups() []string {
	var lines []string
	for _, g := range w.gce.Groups() {
		var members []string
		for _, e := range g.Endpoints {
			members = append(members, e.Address+"@"+e.Instance)
		}
		lines = append(lines, fmt.Sprintf("%s/%s: %s", g.Zone, g.Name, strings.Join(members, " ")))
	}
	return lines
}

// wantExact asserts that the groups of name hold exactly the Pods that live, each in its
// zone with its instance.
func (w *world) wantExact(name string, port int) {
	w.t.Helper()
	want := map[string][]string{}
	for _, z := range zones {
		want[string(z)] = nil
	}
	for _, p := range fakekube.List[*corev1.Pod](w.cluster, "shop", map[string]string{"app": "web"}) {
		if p.DeletionTimestamp != nil {
			continue
		}
		n, _ := fakekube.Get[*corev1.Node](w.cluster, "", p.Spec.NodeName)
		node, err := neg.ParseProviderID(n.Spec.ProviderID)
		w.check(err)
		want[string(node.Zone)] = append(want[string(node.Zone)], fmt.Sprintf("%s:%d@%s", p.Status.PodIP, port, node.Instance))
	}
	var lines, got []string
	for z, members := range want {
		slices.Sort(members)
		lines = append(lines, fmt.Sprintf("%s/%s: %s", z, name, strings.Join(members, " ")))
	}
	for _, g := range w.gce.Groups() {
		if g.Name != name {
			continue
		}
		var members []string
		for _, e := range g.Endpoints {
			members = append(members, e.Address+"@"+e.Instance)
		}
		slices.Sort(members)
		got = append(got, fmt.Sprintf("%s/%s: %s", g.Zone, g.Name, strings.Join(members, " ")))
	}
	slices.Sort(lines)
	slices.Sort(got)
	if d := cmp.Diff(lines, got); d != "" {
		w.t.Fatalf("groups of %s (-want +got):\n%s", name, d)
	}
}

func (w *world) generated(port int32) string { return neg.GroupName(w.scope.UID, web, port) }

// computeWrites counts the calls that change the cloud.
func (w *world) computeWrites() int {
	n := 0
	for verb, calls := range w.gce.Stats().Verbs {
		for _, write := range []string{".insert", ".delete", ".attachNetworkEndpoints", ".detachNetworkEndpoints"} {
			if strings.HasSuffix(verb, write) {
				n += int(calls)
			}
		}
	}
	return n
}

func (w *world) reset() {
	w.gce.ClearCalls()
	w.kube.ResetCalls()
}

// event finds the Event of that reason on the Service.
func (w *world) event(reason string) *corev1.Event {
	for _, e := range fakekube.List[*corev1.Event](w.cluster, "shop", nil) {
		if e.Reason == reason {
			return e
		}
	}
	return nil
}

func (w *world) status() string {
	svc, ok := fakekube.Get[*corev1.Service](w.cluster, "shop", "web")
	if !ok {
		return ""
	}
	return svc.Annotations[neg.AnnotationStatus]
}
