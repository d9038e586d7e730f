package fakekube_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/test/fakekube"
)

// A lab is a server with one cluster, and a client of it.
type lab struct {
	*fakekube.Server
	c    *fakekube.Cluster
	url  string
	kube *kubernetes.Clientset
}

func newLab(t testing.TB, opts ...fakekube.ClusterOption) *lab {
	t.Helper()
	s := fakekube.New()
	l := &lab{Server: s, c: s.AddCluster("a", opts...)}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	t.Cleanup(s.ClearFaults) // before Close, which waits for calls left hanging
	l.url = web.URL
	l.kube = client(t, l.c.Config(l.url, "alice"))
	return l
}

func client(t testing.TB, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	kube, err := kubernetes.NewForConfig(cfg)
	must(t, err)
	return kube
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func service(ns, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func TestClustersAreApart(t *testing.T) {
	l := newLab(t)
	b := l.AddCluster("b", fakekube.WithUID("uid-b"))
	must(t, b.Apply(service("shop", "web")))
	cfg, err := clientcmd.RESTConfigFromKubeConfig(b.Kubeconfig(l.url, "bob"))
	must(t, err)
	kubeB := client(t, cfg)
	if _, err := kubeB.CoreV1().Services("shop").Get(t.Context(), "web", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := l.kube.CoreV1().Services("shop").Get(t.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("cluster a has cluster b's service: %v", err)
	}
	ns, err := kubeB.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	must(t, err)
	if ns.UID != "uid-b" || b.UID() != "uid-b" || l.c.UID() == "" {
		t.Errorf("got UIDs %q, %q, %q", ns.UID, b.UID(), l.c.UID())
	}
	b.SetUID("uid-c")
	ns, err = kubeB.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil || ns.UID != "uid-c" {
		t.Errorf("after SetUID: %q, %v", ns.UID, err)
	}
	l.RemoveCluster("b")
	if _, err = kubeB.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after RemoveCluster: %v", err)
	}
}

func TestUnderstandsProtobuf(t *testing.T) {
	l := newLab(t)
	cfg := l.c.Config(l.url, "alice")
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	cfg.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	svc, err := client(t, cfg).CoreV1().Services("default").Create(t.Context(), service("default", "web"), metav1.CreateOptions{})
	must(t, err)
	uid := types.UID("other")
	err = client(t, cfg).CoreV1().Services("default").Delete(t.Context(), svc.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if !apierrors.IsConflict(err) {
		t.Errorf("got %v, want a conflict", err)
	}
}

func TestDiscovery(t *testing.T) {
	l := newLab(t, fakekube.WithServiceNEGs())
	lists, err := l.kube.Discovery().ServerPreferredResources()
	must(t, err)
	var got []string
	for _, list := range lists {
		got = append(got, list.GroupVersion)
	}
	want := []string{"v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "networking.k8s.io/v1", "rbac.authorization.k8s.io/v1", "networking.gke.io/v1beta1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	v, err := l.kube.Discovery().ServerVersion()
	if err != nil || v.Major != "1" {
		t.Errorf("version %v, %v", v, err)
	}
	body, err := l.kube.RESTClient().Get().AbsPath("/readyz").DoRaw(t.Context())
	if err != nil || string(body) != "ok" {
		t.Errorf("readyz: %q, %v", body, err)
	}
}

// TestServiceNEG follows a custom resource through its status subresource and finalizer.
func TestServiceNEG(t *testing.T) {
	l := newLab(t, fakekube.WithServiceNEGs())
	dyn, err := dynamic.NewForConfig(l.c.Config(l.url, "alice"))
	must(t, err)
	negs := dyn.Resource(schema.GroupVersionResource{Group: "networking.gke.io", Version: "v1beta1", Resource: "servicenetworkendpointgroups"}).Namespace("default")
	neg := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
		"metadata": map[string]any{"name": "neg-1", "finalizers": []any{"networking.gke.io/neg-finalizer"}},
		"status":   map[string]any{"lost": true},
	}}
	got, err := negs.Create(t.Context(), neg, metav1.CreateOptions{})
	must(t, err)
	if got.Object["status"] != nil {
		t.Errorf("a create kept the status: %v", got.Object["status"])
	}
	got, err = negs.Patch(t.Context(), "neg-1", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}},"status":{"conditions":[]}}`), metav1.PatchOptions{}, "status")
	must(t, err)
	if got.Object["status"] == nil || len(got.GetLabels()) != 0 {
		t.Errorf("a status patch: status %v, labels %v", got.Object["status"], got.GetLabels())
	}
	_, err = negs.Patch(t.Context(), "neg-1", types.StrategicMergePatchType, []byte(`{}`), metav1.PatchOptions{})
	if !apierrors.IsUnsupportedMediaType(err) {
		t.Errorf("a strategic patch: %v", err)
	}
	must(t, negs.Delete(t.Context(), "neg-1", metav1.DeleteOptions{}))
	got, err = negs.Get(t.Context(), "neg-1", metav1.GetOptions{})
	if err != nil || got.GetDeletionTimestamp() == nil {
		t.Errorf("with a finalizer: %v, %v", got, err)
	}
	_, err = negs.Patch(t.Context(), "neg-1", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	must(t, err)
	if _, err = negs.Get(t.Context(), "neg-1", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("without its finalizer: %v", err)
	}
}

func TestExpiredToken(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		must(t, l.c.Apply(service("shop", name)))
	}
	services := l.kube.CoreV1().Services("shop")
	first, err := services.List(t.Context(), metav1.ListOptions{Limit: 1})
	must(t, err)
	l.c.Compact()
	_, err = services.List(t.Context(), metav1.ListOptions{Limit: 1, Continue: first.Continue})
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("got %v, want expired", err)
	}
	again := err.(apierrors.APIStatus).Status().Continue
	rest, err := services.List(t.Context(), metav1.ListOptions{Continue: again})
	if err != nil || len(rest.Items) != 2 || rest.Items[0].Name != "b" {
		t.Errorf("from the new token: %v, %v", rest, err)
	}
}

func TestJournal(t *testing.T) {
	l := newLab(t)
	var seen []fakekube.Write
	l.OnWrite(func(w fakekube.Write) { w.Object, w.UserAgent = nil, ""; seen = append(seen, w) })
	services := l.kube.CoreV1().Services("default")
	_, err := services.Create(t.Context(), service("default", "web"), metav1.CreateOptions{})
	must(t, err)
	cfg := l.c.Config(l.url, "alice")
	cfg.Impersonate.UserName = "system:serviceaccount:negfleet:reconcile"
	_, err = client(t, cfg).CoreV1().Services("default").Patch(t.Context(), "web", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
	must(t, err)
	must(t, l.c.As("carol").Delete(service("default", "web")))
	_, _ = services.Get(t.Context(), "web", metav1.GetOptions{})
	base := fakekube.Write{Cluster: "a", Resource: "services", Namespace: "default", Name: "web"}
	want := []fakekube.Write{base, base, base}
	want[0].Verb, want[0].User, want[0].Changed = "create", "alice", true
	want[1].Verb, want[1].User = "patch", cfg.Impersonate.UserName
	want[2].Verb, want[2].User, want[2].Changed, want[2].InProcess = "delete", "carol", true, true
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if n := len(l.Writes()); n != 2 {
		t.Errorf("the journal has %d writes, want 2", n)
	}
	for _, c := range []struct {
		verb, resource string
		want           int
	}{{"", "", 3}, {"get", "services", 1}, {"patch", "", 1}, {"delete", "services", 0}} {
		if got := l.Calls().Count(c.verb, c.resource); got != c.want {
			t.Errorf("%q %q: %d calls, want %d\n%s", c.verb, c.resource, got, c.want, l.Calls())
		}
	}
	l.ResetCalls()
	if len(l.Calls()) != 0 || len(l.Writes()) != 0 {
		t.Error("the journal is not empty")
	}
}

func TestNoCluster(t *testing.T) {
	l := newLab(t)
	for _, path := range []string{"/", "/clusters/nobody/api/v1/pods", "/clusters/a/apis/apps/v1/deployments"} {
		resp, err := http.Get(l.url + path)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
