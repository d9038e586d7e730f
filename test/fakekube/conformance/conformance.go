// Package conformance is what negfleet relies on of a Kubernetes API server, as tests
// over the real client-go. It runs on fakekube always, and on a real kube-apiserver when
// someone has one: whatever it asserts must be true of both, and the fake is wrong
// wherever they differ.
//
// It needs the rights of an administrator, works in a namespace and on nodes of its own
// names, and removes them. It needs no controller and no kubelet, and does not mind them.
package conformance

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A suite is one run: the clients, and a namespace of its own.
type suite struct {
	kube kubernetes.Interface
	dyn  dynamic.Interface
	ns   string
}

// Run runs the suite against the server of cfg.
func Run(t *testing.T, cfg *rest.Config) {
	s := open(t, cfg)
	for _, c := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"a missing object is 404 with details", (*suite).missing},
		{"kube-system has a UID that stays", (*suite).clusterUID},
		{"slices are listed by service name", (*suite).listByLabel},
		{"pages show the state of the first one", (*suite).paging},
		{"pages with a selector are complete", (*suite).pagingWithSelector},
		{"a bad continue token is 400", (*suite).badToken},
		{"nodes are listed in pages", (*suite).nodePages},
		{"one object is listed by its name", (*suite).listByName},
		{"a list at version 0 is whole", (*suite).listAtZero},
		{"a new object gets name, UID and time", (*suite).generateName},
		{"a dry run leaves nothing behind", (*suite).dryRun},
		{"a collection is deleted by label", (*suite).deleteCollection},
		{"a merge patch of an annotation keeps the others", (*suite).mergePatch},
		{"a patch that changes nothing keeps the version", (*suite).emptyPatch},
		{"a patch of the missing is 404", (*suite).patchMissing},
		{"another UID in a patch is 422", (*suite).patchUID},
		{"a stale version in a patch is 409", (*suite).patchVersion},
		{"a JSON patch is tested before it is applied", (*suite).jsonPatch},
		{"a stale update is 409", (*suite).staleUpdate},
		{"an update of another UID is 409", (*suite).updateUID},
		{"an update without a version is unconditional", (*suite).blindUpdate},
		{"a lease is not updated without a version", (*suite).leaseUpdate},
		{"a service's status and spec are written apart", (*suite).serviceStatus},
		{"a status patch of one condition keeps the others", (*suite).podCondition},
		{"another UID in a status patch is 422", (*suite).podStatusUID},
		{"a pod's readiness gates cannot change", (*suite).podGates},
		{"a scheduled pod is deleted in two steps", (*suite).gracefulDelete},
		{"an unscheduled pod is deleted at once", (*suite).immediateDelete},
		{"a delete of another UID is 409", (*suite).deleteUID},
		{"an event of a fixed name is created once", (*suite).events},
		{"an event is in its object's namespace", (*suite).eventNamespace},
		{"without its CRD a resource is 404", (*suite).customResource},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(s, t) })
	}
}

func open(t *testing.T, cfg *rest.Config) *suite {
	t.Helper()
	kube, err := kubernetes.NewForConfig(cfg)
	must(t, err)
	dyn, err := dynamic.NewForConfig(cfg)
	must(t, err)
	s := &suite{kube: kube, dyn: dyn, ns: "conformance-" + unique()}
	_, err = kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		if err := kube.CoreV1().Namespaces().Delete(context.Background(), s.ns, metav1.DeleteOptions{}); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	s.addServiceAccount(t)
	return s
}

// addServiceAccount makes the account that admission wants for every Pod, whether or not
// a controller is there to make it. A server without service accounts needs none.
func (s *suite) addServiceAccount(t *testing.T) {
	t.Helper()
	_, err := s.kube.CoreV1().ServiceAccounts(s.ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
}

func unique() string { return uuid.NewString()[:8] }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantStatus checks the code and the reason of an error.
func wantStatus(t *testing.T, err error, code int32, reason metav1.StatusReason) metav1.Status {
	t.Helper()
	known, ok := err.(apierrors.APIStatus)
	if !ok {
		t.Fatalf("got error %v, want %d %s", err, code, reason)
	}
	if st := known.Status(); st.Code != code || st.Reason != reason {
		t.Fatalf("got %d %s (%s), want %d %s", st.Code, st.Reason, st.Message, code, reason)
	}
	return known.Status()
}

// service creates a Service with two annotations.
func (s *suite) service(t *testing.T) *corev1.Service {
	t.Helper()
	svc, err := s.kube.CoreV1().Services(s.ns).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "svc-", Annotations: map[string]string{"example.test/a": "1", "example.test/b": "2"}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	must(t, err)
	return svc
}

// slice creates an EndpointSlice that no controller claims.
func (s *suite) slice(t *testing.T, name, service string) *discoveryv1.EndpointSlice {
	t.Helper()
	slice, err := s.kube.DiscoveryV1().EndpointSlices(s.ns).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "conformance.example.test"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.2"}}},
	}, metav1.CreateOptions{})
	must(t, err)
	return slice
}

// node creates a node that nobody runs, and removes it at the end.
func (s *suite) node(t *testing.T, label string) *corev1.Node {
	t.Helper()
	name := "conformance-" + unique()
	n, err := s.kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"example.test/conformance": label}},
		Spec:       corev1.NodeSpec{ProviderID: fmt.Sprintf("gce://demo-project/us-central1-a/vm-%s", name)},
	}, metav1.CreateOptions{})
	must(t, err)
	t.Cleanup(func() {
		err := s.kube.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) { // a cloud's controller may have been there first
			t.Errorf("clean up: %v", err)
		}
	})
	return n
}

// pod creates a Pod with one readiness gate, on a node or on none. Its scheduler does
// not exist, so that nothing moves it.
func (s *suite) pod(t *testing.T, node string) *corev1.Pod {
	t.Helper()
	no := false
	pod, err := s.kube.CoreV1().Pods(s.ns).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "pod-"},
		Spec: corev1.PodSpec{
			NodeName:                     node,
			SchedulerName:                "conformance.example.test",
			AutomountServiceAccountToken: &no,
			Containers:                   []corev1.Container{{Name: "main", Image: "example.test/app:1"}},
			ReadinessGates:               []corev1.PodReadinessGate{{ConditionType: "example.test/gate"}},
		},
	}, metav1.CreateOptions{})
	must(t, err)
	return pod
}
