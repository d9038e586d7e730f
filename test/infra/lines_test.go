package infra

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/admission"
	"github.com/negfleet/negfleet/functions/events"
	"github.com/negfleet/negfleet/functions/readiness"
	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/functions/sweep"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/infra/logfilter"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

var callerKey = strings.Repeat("5e", 32)

// A fleet is every function before an emulated cluster and cloud, each made from the environment
// as a deployed one is, and the lines that they write.
type fleet struct {
	*rig.Rig
	t     *testing.T
	env   map[string]string
	lines map[string]*lines // by function
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	r := rig.Start(t, rig.Options{
		Project: "counted", Clusters: []string{"c1"}, Nodes: 3,
		GCE:  fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 3}}, // for one Service
		Env:  map[string]string{"NEGFLEET_DELETION_GRACE": "1ms", "NEGFLEET_LOOK_INTERVAL": "1ms", "NEGFLEET_CALLER_KEYS": callerKey},
		Push: pubsub.Subscription{AckDeadline: time.Minute},
	})
	return &fleet{Rig: r, t: t, env: r.Instances[0].Env, lines: map[string]*lines{}}
}

func (f *fleet) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) getenv(name string) string { return f.env[name] }

// log is what a function writes to.
func (f *fleet) log(name string) *slog.Logger {
	if f.lines[name] == nil {
		f.lines[name] = &lines{}
	}
	return telemetry.New(f.lines[name], slog.LevelInfo)
}

// post sends a function a request and returns its answer.
func (f *fleet) post(h http.Handler, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// push is a message about a Service, as Pub/Sub pushes it.
func (f *fleet) push(service string) string {
	f.t.Helper()
	data, attributes, err := event.Encode(event.Message{
		Key: neg.Key{Cluster: "c1", Namespace: "shop", Service: service}, Reason: "services update " + service, Source: "audit", Observed: time.Now().Add(-time.Second),
	})
	f.check(err)
	body, err := json.Marshal(map[string]any{"message": map[string]any{"data": data, "attributes": attributes, "messageId": "1"}, "subscription": "projects/counted/subscriptions/s"})
	f.check(err)
	return string(body)
}

func (f *fleet) service(name string) {
	f.t.Helper()
	w := f.Clusters[0].World
	f.check(w.Deploy(fakekube.Deployment{Namespace: "shop", Name: name, Replicas: 2}))
	f.check(w.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(80)}}},
	}))
}

// run has every function do what alerts count, and what they do not.
func (f *fleet) run() {
	f.t.Helper()
	f.reconcile()
	f.readiness()
	f.admission() // nobody has renewed the Lease yet
	f.sweep()
	f.events()
}

func (f *fleet) reconcile() {
	f.t.Helper()
	h, err := reconcile.FromEnv(f.getenv, f.log("reconcile"))
	f.check(err)
	f.service("web")
	f.post(h, "/", f.push("web"))
	f.service("more") // than the quota has room for
	f.post(h, "/", f.push("more"))
	f.post(h, "/", "no message")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	h.ServeHTTP(httptest.NewRecorder(), r)
}

func (f *fleet) readiness() {
	f.t.Helper()
	h, err := readiness.FromEnv(f.getenv, f.log("readiness"))
	f.check(err)
	f.post(h, "/", f.push("web"))
}

func (f *fleet) sweep() {
	f.t.Helper()
	h, err := sweep.FromEnv(f.getenv, f.log("sweep"))
	f.check(err)
	// Whose Pods should have a gate, and were made without.
	f.check(f.Clusters[0].Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{neg.Inject: neg.InjectEnabled}}}))
	f.post(h, "/", "") // the Lease's namespace is not there
	f.check(f.Clusters[0].Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}))
	f.post(h, "/", "")
	f.check(f.GCE.AddFaults(fakegce.Fault{Name: "lists", Verb: "networkEndpointGroups.aggregatedList", Status: http.StatusForbidden}))
	f.post(h, "/", "")
	f.GCE.ClearFaults()
	publish := h.Publish
	h.Publish = func(context.Context, string, ...event.Message) error { return fmt.Errorf("unavailable") }
	f.post(h, "/", "")
	h.Publish = publish
	data, _, err := event.EncodeCluster(event.ClusterMessage{Cluster: "c1", Reason: event.ClusterDeleted, Source: "audit", Observed: time.Now()})
	f.check(err)
	body, err := json.Marshal(map[string]any{"message": map[string]any{"data": data, "messageId": "1"}})
	f.check(err)
	f.post(h, "/clusters", string(body)) // of one cluster alone
}

func (f *fleet) admission() {
	f.t.Helper()
	h, err := admission.FromEnv(f.getenv, f.log("admission"))
	f.check(err)
	pod, err := json.Marshal(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", GenerateName: "web-", Labels: map[string]string{"app": "web"}},
	})
	f.check(err)
	for _, resource := range []string{"pods", "configmaps"} { // the latter is none of its business
		review, err := json.Marshal(admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
			Request: &admissionv1.AdmissionRequest{
				UID: "1", Namespace: "shop", Operation: admissionv1.Create, Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
				Resource: metav1.GroupVersionResource{Version: "v1", Resource: resource}, Object: runtime.RawExtension{Raw: pod},
			},
		})
		f.check(err)
		f.post(h, f.path("c1"), string(review))
	}
}

// path is the secret one of a cluster.
func (f *fleet) path(cluster string) string {
	f.t.Helper()
	keys, err := caller.ParseKeys(callerKey)
	f.check(err)
	path, err := keys.Sign(cluster)
	f.check(err)
	return path
}

// events are given what a real API server has logged. What is around the function is of the
// test, since it is made from the process's own environment.
func (f *fleet) events() {
	f.t.Helper()
	keys, err := caller.ParseKeys(callerKey)
	f.check(err)
	h, err := events.New(events.Options{
		Accept: events.Accept{Audit: true}, Keys: keys, Fleet: around{}, Services: around{}, Publisher: around{}, Log: f.log("audit"), Project: "counted",
	})
	f.check(err)
	for _, name := range []string{"missed", "service-create"} {
		archive, err := txtar.ParseFile("../../shared/audit/testdata/list/" + name + ".txtar")
		f.check(err)
		f.post(h, f.path("prod-eu"), string(archive.Files[0].Data))
	}
}

// around is a fleet of one cluster, which has nothing, and where all can be published.
type around struct{}

func (around) ClusterOf(string, string, string) (string, bool) { return "", false }
func (around) Known(cluster string) bool                       { return cluster == "prod-eu" }
func (around) Identities() []string                            { return nil }
func (around) IngressServices(context.Context, string, string) ([]string, error) {
	return nil, nil
}
func (around) ServicesIn(context.Context, string, string) ([]string, error) { return nil, nil }
func (around) Selectors(context.Context, string, string) (map[string]map[string]string, error) {
	return nil, nil
}
func (around) ServiceOfSlice(context.Context, string, string, string) (string, bool, error) {
	return "", false, nil
}
func (around) Publish(context.Context, string, ...event.Message) error { return nil }
func (around) PublishClusters(context.Context, ...event.ClusterMessage) error {
	return nil
}

// entries are the lines of all functions as Cloud Logging keeps them: what has a place of its own
// in an entry leaves the payload.
func (f *fleet) entries() (all []logfilter.Entry) {
	f.t.Helper()
	for name, log := range f.lines {
		for line := range strings.Lines(log.text.String()) {
			var payload map[string]any
			if err := json.Unmarshal([]byte(line), &payload); err != nil {
				f.t.Fatalf("%s: %v: %s", name, err, line)
			}
			severity := payload["severity"]
			for _, field := range []string{"severity", "time", "logging.googleapis.com/trace"} {
				delete(payload, field)
			}
			all = append(all, logfilter.Entry{
				"severity":    severity,
				"resource":    map[string]any{"type": "cloud_run_revision", "labels": map[string]any{"service_name": "negfleet-" + name}},
				"jsonPayload": payload,
			})
		}
	}
	return all
}
