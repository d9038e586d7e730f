package fakekube_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/test/fakekube"
)

func newWorld(t testing.TB, l *lab, layout fakekube.Layout) *fakekube.World {
	t.Helper()
	w, err := l.c.NewWorld(layout)
	must(t, err)
	return w
}

// endpoints prints a service's endpoints: address, zone, conditions (r, s, t) and ports.
func endpoints(l *lab, ns, svc string) []string {
	out := []string{}
	for _, s := range fakekube.List[*discoveryv1.EndpointSlice](l.c, ns, map[string]string{discoveryv1.LabelServiceName: svc}) {
		var ports []string
		for _, p := range s.Ports {
			ports = append(ports, fmt.Sprintf("%s=%d", *p.Name, *p.Port))
		}
		for _, e := range s.Endpoints {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s%s", e.Addresses[0], *e.NodeName, *e.Zone, flags(e.Conditions), strings.Join(ports, ","))))
		}
	}
	return out
}

func flags(c discoveryv1.EndpointConditions) string {
	s := ""
	for _, f := range []struct {
		on   bool
		name string
	}{{*c.Ready, "ready "}, {*c.Serving, "serving "}, {*c.Terminating, "terminating "}} {
		if f.on {
			s += f.name
		}
	}
	return s
}

func wantEndpoints(t *testing.T, l *lab, svc string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), endpoints(l, "shop", svc)); diff != "" {
		t.Error(diff)
	}
}

func TestWorldFollowsPods(t *testing.T) {
	l := newLab(t)
	w := newWorld(t, l, fakekube.Layout{Nodes: 2})
	svc := service("shop", "web")
	svc.Spec.Ports[0].TargetPort = intstr.FromString("http")
	must(t, w.AddService(svc))
	wantEndpoints(t, l, "web")
	if n := len(fakekube.List[*discoveryv1.EndpointSlice](l.c, "shop", nil)); n != 1 {
		t.Errorf("a service without pods has %d slices, want an empty one", n)
	}
	must(t, w.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 2}))
	wantEndpoints(t, l, "web", "10.1.0.2 node-0 us-central1-a ready serving http=8080", "10.1.1.2 node-1 us-central1-b ready serving http=8080")
	must(t, w.Roll("shop", "web"))
	wantEndpoints(t, l, "web", "10.1.0.2 node-0 us-central1-a serving terminating http=8080",
		"10.1.1.2 node-1 us-central1-b ready serving http=8080", "10.1.0.3 node-0 us-central1-a ready serving http=8080")
	w.Reap("shop")
	must(t, w.Scale("shop", "web", 1))
	must(t, w.SetContainersReady("shop", "web-000002", false))
	wantEndpoints(t, l, "web", "10.1.1.2 node-1 us-central1-b http=8080", "10.1.0.3 node-0 us-central1-a serving terminating http=8080")
	must(t, w.Recreate("shop", "web-000002"))
	w.Reap("")
	wantEndpoints(t, l, "web", "10.1.1.3 node-1 us-central1-b ready serving http=8080")
	must(t, w.RemoveService("shop", "web"))
	wantEndpoints(t, l, "web")
}

// TestWorldPlaysKubelet opens a gate over HTTP; the Pod is ready when the call returns.
func TestWorldPlaysKubelet(t *testing.T) {
	l := newLab(t)
	w := newWorld(t, l, fakekube.Layout{Nodes: 1})
	must(t, w.AddService(service("shop", "web")))
	must(t, w.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 1, Gates: []string{"example.test/gate"}}))
	wantEndpoints(t, l, "web", "10.1.0.2 node-0 us-central1-a http=80")
	patch := `{"status":{"conditions":[{"type":"example.test/gate","status":"True"}]}}`
	_, err := l.kube.CoreV1().Pods("shop").Patch(t.Context(), "web-000001", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	must(t, err)
	wantEndpoints(t, l, "web", "10.1.0.2 node-0 us-central1-a ready serving http=80")
	_, err = l.kube.CoreV1().Services("shop").Patch(t.Context(), "web", types.MergePatchType, []byte(`{"spec":{"selector":{"app":"other"}}}`), metav1.PatchOptions{})
	must(t, err)
	wantEndpoints(t, l, "web")
	must(t, l.kube.CoreV1().Pods("shop").Delete(t.Context(), "web-000001", metav1.DeleteOptions{}))
	if pod, ok := fakekube.Get[*corev1.Pod](l.c, "shop", "web-000001"); !ok || pod.DeletionTimestamp == nil {
		t.Error("the pod was not deleted gracefully")
	}
}

func TestNodesAreNotTheirInstances(t *testing.T) {
	l := newLab(t)
	newWorld(t, l, fakekube.Layout{Nodes: 4, Project: "p"})
	var got []string
	for _, n := range fakekube.List[*corev1.Node](l.c, "", nil) {
		got = append(got, n.Name+" "+n.Spec.ProviderID+" "+n.Spec.PodCIDR)
	}
	want := []string{
		"node-0 gce://p/us-central1-a/vm-a-0000 10.1.0.0/24", "node-1 gce://p/us-central1-b/vm-a-0001 10.1.1.0/24",
		"node-2 gce://p/us-central1-c/vm-a-0002 10.1.2.0/24", "node-3 gce://p/us-central1-a/vm-a-0003 10.1.3.0/24",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSlicesHoldAHundred(t *testing.T) {
	l := newLab(t)
	w := newWorld(t, l, fakekube.Layout{})
	must(t, w.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 250}))
	must(t, w.AddService(service("shop", "web")))
	var sizes []int
	seen := map[string]bool{}
	for _, s := range fakekube.List[*discoveryv1.EndpointSlice](l.c, "shop", nil) {
		sizes = append(sizes, len(s.Endpoints))
		for _, e := range s.Endpoints {
			seen[e.Addresses[0]] = true
		}
	}
	if len(sizes) != 3 || len(seen) != 250 {
		t.Errorf("slices of %v, %d addresses", sizes, len(seen))
	}
	must(t, w.Scale("shop", "web", 3*253))
	if err := w.Scale("shop", "web", 3*253+1); err == nil {
		t.Error("three nodes have room for more than 253 pods each")
	}
}

// TestNamedPortsSplitSlices rolls a named port from one number to another.
func TestNamedPortsSplitSlices(t *testing.T) {
	l := newLab(t)
	w := newWorld(t, l, fakekube.Layout{Nodes: 1})
	svc := service("shop", "web")
	svc.Spec.Ports[0].TargetPort = intstr.FromString("http")
	must(t, w.AddService(svc))
	for i, port := range []int32{8080, 9090} {
		must(t, w.Deploy(fakekube.Deployment{Namespace: "shop", Name: fmt.Sprintf("v%d", i+1), Replicas: 1, Labels: map[string]string{"app": "web"},
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: port}}}))
	}
	got := map[string]bool{}
	for _, e := range endpoints(l, "shop", "web") {
		got[e] = true
	}
	want := map[string]bool{"10.1.0.2 node-0 us-central1-a ready serving http=8080": true, "10.1.0.3 node-0 us-central1-a ready serving http=9090": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStorm has clients patch, read and list a large world while it rolls. Every patch
// must be there in the end: none may overwrite another.
func TestStorm(t *testing.T) {
	l := newLab(t)
	w := newWorld(t, l, fakekube.Layout{Nodes: 12})
	start := time.Now()
	for i := range 300 {
		name := fmt.Sprintf("web-%d", i)
		must(t, w.Deploy(fakekube.Deployment{Namespace: "shop", Name: name, Replicas: 3}))
		must(t, w.AddService(service("shop", name)))
	}
	t.Logf("300 services, 900 pods: %v", time.Since(start))
	start = time.Now()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { l.patchAll(t, i) })
	}
	for i := range 300 {
		must(t, w.Roll("shop", fmt.Sprintf("web-%d", i)))
	}
	wg.Wait()
	t.Logf("%d calls and 300 rolls: %v", l.Calls().Count("", ""), time.Since(start))
	for i := range 50 {
		svc, _ := fakekube.Get[*corev1.Service](l.c, "shop", fmt.Sprintf("web-%d", i))
		if len(svc.Annotations) != 8 {
			t.Errorf("%s has %d annotations, want 8", svc.Name, len(svc.Annotations))
		}
	}
}

func (l *lab) patchAll(t *testing.T, worker int) {
	for i := range 50 {
		name := fmt.Sprintf("web-%d", i)
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.test/%d":"x"}}}`, worker)
		if _, err := l.kube.CoreV1().Services("shop").Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			t.Error(err)
		}
		list, err := l.kube.DiscoveryV1().EndpointSlices("shop").List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name, Limit: 500})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%s: %v slices, %v", name, list, err)
		}
	}
}
