package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	fleets "github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
	"github.com/negfleet/negfleet/test/fakekube"
)

var callerKey = strings.Repeat("5e", 32)

// A world is the function of testdata/fleet.yaml, with emulated clusters that hold
// testdata/objects.yaml. Only Pub/Sub is a function of the test.
type world struct {
	*Handler
	t    testing.TB
	kube *fakekube.Server
	logs *buffer

	mu        sync.Mutex
	now       time.Time
	published []event.Message
	publish   func(context.Context) error // nil: done at once
}

func newWorld(t testing.TB, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, kube: fakekube.New(), logs: &buffer{}, now: time.Now()}
	server := httptest.NewServer(w.kube)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	fleet, err := os.ReadFile("testdata/fleet.yaml")
	w.check(err)
	w.check(os.WriteFile(filepath.Join(dir, "fleet.yaml"), fleet, 0o600))
	for _, name := range []string{"prod", "gke", "watched", "stale", "draining"} {
		c := w.kube.AddCluster(name, fakekube.WithUID(uids[name]))
		w.fill(c)
		w.check(os.WriteFile(filepath.Join(dir, name+".kubeconfig"), c.Kubeconfig(server.URL, "negfleet-admission"), 0o600))
	}
	w.renew("stale", w.now.Add(-26*time.Minute))
	gone := httptest.NewServer(nil)
	gone.Close()
	w.check(os.WriteFile(filepath.Join(dir, "down.kubeconfig"), w.kube.Cluster("prod").Kubeconfig(gone.URL, "x"), 0o600))
	w.Handler = w.handler(filepath.Join(dir, "fleet.yaml"), change)
	return w
}

func (w *world) handler(fleetPath string, change func(*Options)) *Handler {
	w.t.Helper()
	keys, err := caller.ParseKeys(callerKey)
	w.check(err)
	log := telemetry.New(w.logs, slog.LevelDebug)
	fleet := fleetAt(fleetPath, log, w.clock)
	o := Options{Keys: keys, Policy: fleet.policy, Reads: newReads(fleet.config, w.clock), Publish: w.take, Log: log, Now: w.clock}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	w.check(err)
	return h
}

// uids are those of testdata/fleet.yaml.
var uids = map[string]types.UID{
	"prod": "87283654-ec2f-4d45-a6a2-9d879f3f4151", "gke": "87283654-ec2f-4d45-a6a2-9d879f3f4152",
	"watched": "87283654-ec2f-4d45-a6a2-9d879f3f4153", "stale": "87283654-ec2f-4d45-a6a2-9d879f3f4154",
	"draining": "87283654-ec2f-4d45-a6a2-9d879f3f4156",
}

// fill puts the objects into the namespaces, and a Lease that was renewed just now.
func (w *world) fill(c *fakekube.Cluster) {
	w.t.Helper()
	data, err := os.ReadFile("testdata/objects.yaml")
	w.check(err)
	docs := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(data)))
	for {
		doc := make([]byte, len(data))
		n, err := docs.Read(doc)
		if errors.Is(err, io.EOF) {
			break
		}
		w.check(err)
		obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(doc[:n], nil, nil)
		w.check(err)
		for _, namespace := range []string{"shop", "drain"} {
			copied := obj.DeepCopyObject()
			copied.(metav1.Object).SetNamespace(namespace)
			w.check(c.Apply(copied))
		}
	}
	w.renew(c.Name(), w.now)
}

func (w *world) renew(cluster string, at time.Time) {
	w.t.Helper()
	var lease runtime.Object = &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: neg.LeaseNamespace, Name: neg.LeaseName},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &metav1.MicroTime{Time: at}},
	}
	w.check(w.kube.Cluster(cluster).Apply(lease))
}

// clock moves on by a nanosecond at each reading, so that no two moments are one.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Nanosecond)
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) take(ctx context.Context, topic string, messages ...event.Message) error {
	w.mu.Lock()
	publish := w.publish
	w.mu.Unlock()
	if publish != nil {
		if err := publish(ctx); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if topic != event.TopicKeys {
		w.t.Errorf("published to %s", topic)
	}
	w.published = append(w.published, messages...)
	return nil
}

// hints are the keys that were published, in order.
func (w *world) hints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := []string{}
	for _, m := range w.published {
		keys = append(keys, m.Key.String())
	}
	return keys
}

func (w *world) path(cluster string) string {
	w.t.Helper()
	path, err := w.Keys.Sign(cluster)
	w.check(err)
	return path + "?timeout=3s"
}

// post sends a body as an API server does.
func (w *world) post(path string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	return recorder
}

// ask posts a review and returns the response of a valid answer to it.
func (w *world) ask(cluster string, review []byte) *admissionv1.AdmissionResponse {
	w.t.Helper()
	return w.valid(review, w.post(w.path(cluster), review))
}

// valid holds an answer to what must be true of every answer.
func (w *world) valid(review []byte, got *httptest.ResponseRecorder) *admissionv1.AdmissionResponse {
	w.t.Helper()
	var asked, answered admissionv1.AdmissionReview
	w.check(json.Unmarshal(review, &asked))
	if got.Code != http.StatusOK || got.Header().Get("Content-Type") != "application/json" {
		w.t.Fatalf("status %d, %s: %s", got.Code, got.Header().Get("Content-Type"), got.Body)
	}
	w.check(json.Unmarshal(got.Body.Bytes(), &answered))
	r := answered.Response
	if answered.Kind != "AdmissionReview" || answered.APIVersion != "admission.k8s.io/v1" || r == nil || r.UID != asked.Request.UID || !r.Allowed {
		w.t.Fatalf("answer %s", got.Body)
	}
	if (r.Patch == nil) != (r.PatchType == nil) || r.PatchType != nil && *r.PatchType != admissionv1.PatchTypeJSONPatch {
		w.t.Fatalf("patch type %v with patch %s", r.PatchType, r.Patch)
	}
	return r
}

func (w *world) review(name string) []byte {
	w.t.Helper()
	data, err := os.ReadFile("testdata/reviews/" + name + ".review.json")
	w.check(err)
	return data
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func lease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: neg.LeaseNamespace, Name: neg.LeaseName}}
}

func requestOf(review []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(review))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func fleetAt(path string, log *slog.Logger, now func() time.Time) *fleet {
	return &fleet{open: func() (*fleets.Fleet, error) { return fleets.New(path, log, now) }}
}
