package sweep_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	function "github.com/negfleet/negfleet/functions/sweep"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/shared/telemetry"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

const (
	alive = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	gone  = "00000000-4b9b-4c1e-8a53-0d6a2f1f8a11"
)

// A world is the function before emulated clusters and a cloud, an hour after all was made:
// c1, with the Service web and its group; a group that the Service left has left; c2, which
// is decommissioned, and a group of its own; a group that is nobody's we know.
type world struct {
	*function.Function
	t         testing.TB
	kube      *fakekube.Server
	cluster   *fakekube.Cluster
	cloud     *fakegce.Server
	gce       *gce.Client
	env       config.Env
	api       string // where the clusters answer
	logs      bytes.Buffer
	ctx       context.Context            // of requests
	calls     calls                      // to clusters and cloud
	messages  map[string][]event.Message // by topic
	clusters  []event.ClusterMessage
	publishes error
	late      bool       // messages are taken after the run's time
	mu        sync.Mutex // guards messages while runs are side by side
}

// newWorld has c2's entry say more.
func newWorld(t testing.TB, more string) *world {
	t.Helper()
	return newWorldOn(t, fakegce.Options{}, "  state: decommissioned\n"+more)
}

// newWorldOn has c2's entry say what is given, and more clusters.
func newWorldOn(t testing.TB, o fakegce.Options, c2 string) *world {
	t.Helper()
	w := &world{t: t, kube: fakekube.New(), cloud: fakegce.New(o), messages: map[string][]event.Message{}, ctx: t.Context()}
	w.cluster = w.kube.AddCluster("c1", fakekube.WithUID(alive))
	api, cloud := httptest.NewServer(w.calls.before(w.kube)), httptest.NewServer(w.calls.before(w.cloud))
	t.Cleanup(api.Close)
	t.Cleanup(cloud.Close)
	t.Cleanup(w.cloud.Close)
	w.check(w.cloud.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	env := config.Env{FleetFile: filepath.Join(t.TempDir(), "fleet.yaml"), ComputeEndpoint: fakegce.ComputeEndpoint(cloud.URL)}
	w.check(os.WriteFile(filepath.Join(filepath.Dir(env.FleetFile), "c1.kubeconfig"), w.cluster.Kubeconfig(api.URL, "negfleet-sweep"), 0o600))
	w.check(os.WriteFile(filepath.Join(filepath.Dir(env.FleetFile), "c2.kubeconfig"), w.cluster.Kubeconfig("http://127.0.0.1:1", "negfleet-sweep"), 0o600))
	w.check(os.WriteFile(env.FleetFile, fmt.Appendf(nil, `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: %s
  zones: [us-central1-a]
  connect: {kubeconfig: c1.kubeconfig}
- name: c2
  uid: %s
  connect: {kubeconfig: c2.kubeconfig}
%s`, alive, gone, c2), 0o600))
	var err error
	w.gce, err = gce.New(t.Context(), gce.Options{Project: "p1", Network: "default", Subnetwork: "default", Endpoint: env.ComputeEndpoint})
	w.check(err)
	w.env, w.api = env, api.URL
	now := func() time.Time { return time.Now().Add(time.Hour) }
	w.Function = &function.Function{Budget: sweep.Budget, Log: telemetry.New(&w.logs, slog.LevelInfo), Project: "demo", Now: now, Publish: w.publish, PublishClusters: w.publishClusters}
	w.scopes(now)
	w.fill()
	return w
}

// rewrite changes the fleet file.
func (w *world) rewrite(old, now string) {
	w.t.Helper()
	file, err := os.ReadFile(w.env.FleetFile)
	w.check(err)
	w.check(os.WriteFile(w.env.FleetFile, []byte(strings.Replace(string(file), old, now, 1)), 0o600))
	w.scopes(w.Now)
}

// scopes has the function read the fleet file anew, by that clock.
func (w *world) scopes(now func() time.Time) {
	w.t.Helper()
	var err error
	w.Scopes, err = scope.New(w.env, slog.New(slog.DiscardHandler), now)
	w.check(err)
}

func (w *world) fill() {
	w.t.Helper()
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	w.check(w.cluster.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}))
	w.service("default", "kubernetes", nil)
	w.service("shop", "web", map[string]string{
		neg.AnnotationNEG:    `{"exposed_ports":{"80":{}}}`,
		neg.AnnotationStatus: fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":["us-central1-a"]}`, neg.GroupName(alive, web, 80)),
	})
	w.group("web", alive, web)
	w.group("left", alive, neg.Key{Cluster: "c1", Namespace: "shop", Service: "left"})
	w.group("old", gone, neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"})
	w.group("stranger", "99999999-4b9b-4c1e-8a53-0d6a2f1f8a11", neg.Key{Cluster: "c1", Namespace: "shop", Service: "left"})
}

func (w *world) service(namespace, name string, annotations map[string]string) {
	w.t.Helper()
	w.check(w.cluster.Apply(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: annotations},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}))
}

// group makes one as reconcile does; stranger's bears the name of nobody.
func (w *world) group(service, uid string, k neg.Key) {
	w.t.Helper()
	name := neg.GroupName(uid, k, 80)
	if service == "stranger" {
		name = "stranger"
	}
	w.check(w.gce.CreateGroup(w.t.Context(), neg.GroupID{Zone: "us-central1-a", Name: name}, neg.OwnerOf(uid, k, 80)))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A calls is how many calls there were, and what happens from one of them on.
type calls struct {
	mu    sync.Mutex
	n, at int
	then  func()
}

// from counts anew, and has the at-th call and all after it fail, and then called; nil: none.
func (c *calls) from(at int, then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.at, c.then = 0, at, then
}

func (c *calls) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// call is what happens at one more; nil: nothing.
func (c *calls) call() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n++; c.n < c.at {
		return nil
	}
	return c.then
}

func (c *calls) before(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if then := c.call(); then != nil {
			then()
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}

func (w *world) publish(ctx context.Context, topic string, messages ...event.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.publishes != nil {
		return w.publishes
	}
	if err := ctx.Err(); err != nil && !w.late {
		return err
	}
	w.messages[topic] = append(w.messages[topic], messages...)
	return nil
}

func (w *world) publishClusters(_ context.Context, messages ...event.ClusterMessage) error {
	w.clusters = append(w.clusters, messages...)
	return w.publishes
}

// post sends a request and returns the answer.
func (w *world) post(path, body, accept string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("POST", path, strings.NewReader(body)).WithContext(w.ctx)
	req.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, req)
	return rec
}

// about is a wrapped push of a message about a cluster.
func (w *world) about(cluster string, reason event.ClusterReason) string {
	return w.message(event.ClusterMessage{Cluster: cluster, Reason: reason, Source: "audit", Observed: time.Now()})
}

func (w *world) message(m event.ClusterMessage) string {
	w.t.Helper()
	data, _, err := event.EncodeCluster(m)
	w.check(err)
	return fmt.Sprintf(`{"message":{"data":%q,"messageId":"1"},"subscription":"projects/demo/subscriptions/clusters"}`, base64.StdEncoding.EncodeToString(data))
}

// removals are the keys published because nobody wants them, sorted.
func (w *world) removals() []string {
	var keys []string
	for _, m := range w.messages[event.TopicKeys] {
		if strings.Contains(m.Reason, "orphan") {
			keys = append(keys, m.Key.String()+" "+m.Source)
		}
	}
	slices.Sort(keys)
	return keys
}

// look has reconcile look at every key published. What is blocked waits for a person.
func (w *world) look() {
	w.t.Helper()
	for _, m := range w.messages[event.TopicKeys] {
		if err := w.lookAt(m.Key, m.Source == event.SourceSweepGroups); neg.OutcomeOf(err) != neg.Blocked {
			w.check(err)
		}
	}
}

// lookAt is an instance of its own that looks at a key.
func (w *world) lookAt(k neg.Key, thorough bool) error {
	r := &reconcile.Reconciler{
		Open: w.Scopes.Open, Publish: func(context.Context, neg.Key, int) error { return nil },
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Grace: time.Millisecond,
	}
	_, err := r.Look(w.t.Context(), k, reconcile.Turn{Began: func() {}, Rereads: func() {}, Thorough: func() bool { return thorough }})
	return err
}

// groups are the names of those in the cloud, sorted, without hashes.
func (w *world) groups() []string {
	var names []string
	for _, g := range w.cloud.Groups() {
		name := g.Name
		if i := strings.Index(name, "shop-"); i >= 0 {
			name = name[i:]
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func decode(t testing.TB, rec *httptest.ResponseRecorder) (r sweep.Report) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	return r
}
