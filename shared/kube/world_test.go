package kube_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

var web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}

// A world is the real client before a fake API server, with a clock that stands still.
type world struct {
	*kube.Cluster
	t      testing.TB
	server *fakekube.Server
	fake   *fakekube.Cluster

	mu  sync.Mutex
	now time.Time
}

func newWorld(t testing.TB, o ...fakekube.ClusterOption) *world {
	t.Helper()
	w := &world{t: t, server: fakekube.New(), now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	w.fake = w.server.AddCluster("c1", o...)
	w.connect(w.server)
	return w
}

// connect makes the client talk to h.
func (w *world) connect(h http.Handler) {
	w.t.Helper()
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	var err error
	w.Cluster, err = kube.New("c1", w.fake.Config(server.URL, "negfleet"), w.clock)
	w.check(err)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) apply(objs ...runtime.Object) { w.t.Helper(); w.check(w.fake.Apply(objs...)) }

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }

// service is shop/web with the annotations.
func service(annotations map[string]string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: meta("web"), Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}}
	s.Annotations = annotations
	return s
}

// read reads shop/web.
func (w *world) read() *neg.Service {
	w.t.Helper()
	s, err := w.Service(w.t.Context(), web)
	w.check(err)
	return s
}

func (w *world) annotations() map[string]string {
	s, _ := fakekube.Get[*corev1.Service](w.fake, "shop", "web")
	return s.Annotations
}

func reasonOf(err error) string {
	for _, b := range neg.BlockedReasons(err) {
		return b.Reason
	}
	return ""
}
