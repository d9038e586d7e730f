package kube_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

func TestUID(t *testing.T) {
	w := newWorld(t, fakekube.WithUID("7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"))
	if uid, err := w.UID(t.Context()); uid != "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11" || err != nil {
		t.Errorf("got %q, %v", uid, err)
	}
}

func TestService(t *testing.T) {
	annotations := map[string]string{"cloud.google.com/neg": `{"exposed_ports":{"80":{}}}`}
	tcp80 := []neg.ServicePort{{Port: 80, Protocol: "TCP", Target: "80"}}
	for name, c := range map[string]struct {
		change func(*corev1.Service)
		want   *neg.Service
	}{
		"plain": {func(*corev1.Service) {}, &neg.Service{Type: "ClusterIP", HasSelector: true, Selector: map[string]string{"app": "web"}, Ports: tcp80}},
		"annotated, two ports": {
			func(s *corev1.Service) {
				s.Annotations = annotations
				s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("web")}, {Name: "dns", Port: 53, Protocol: "UDP"}}
			},
			&neg.Service{Type: "ClusterIP", HasSelector: true, Selector: map[string]string{"app": "web"}, Annotations: annotations, Ports: []neg.ServicePort{{Name: "http", Port: 80, Protocol: "TCP", Target: "web"}, {Name: "dns", Port: 53, Protocol: "UDP", Target: "53"}}},
		},
		"headless":      {func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }, &neg.Service{Type: "ClusterIP", HasSelector: true, Selector: map[string]string{"app": "web"}, Ports: tcp80}},
		"no selector":   {func(s *corev1.Service) { s.Spec.Selector = nil }, &neg.Service{Type: "ClusterIP", Ports: tcp80}},
		"external name": {func(s *corev1.Service) { s.Spec = corev1.ServiceSpec{Type: "ExternalName", ExternalName: "x.test"} }, &neg.Service{Type: "ExternalName"}},
		"being deleted": {
			func(s *corev1.Service) {
				s.DeletionTimestamp, s.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"example.test/x"}
			},
			&neg.Service{Type: "ClusterIP", HasSelector: true, Selector: map[string]string{"app": "web"}, Deleting: true, Finalizers: []string{"example.test/x"}, Ports: tcp80},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := service(nil)
			c.change(s)
			w.apply(s)
			stored, _ := fakekube.Get[*corev1.Service](w.fake, "shop", "web")
			c.want.Key, c.want.UID, c.want.ResourceVersion = web, string(stored.UID), stored.ResourceVersion
			if d := cmp.Diff(c.want, w.read()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if s := newWorld(t).read(); s != nil {
			t.Errorf("got %+v", s)
		}
	})
}

func ptr[T any](v T) *T { return &v }

// slice is one EndpointSlice of shop/web.
func slice(name string, family discoveryv1.AddressType, ports []discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: meta(name), AddressType: family, Ports: ports, Endpoints: endpoints}
	s.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
	return s
}

// TestSlices: every field that Kubernetes lets be absent may be absent.
func TestSlices(t *testing.T) {
	http80 := []discoveryv1.EndpointPort{{Name: ptr("http"), Port: ptr(int32(8080)), Protocol: ptr(corev1.ProtocolTCP)}}
	want80 := []neg.SlicePort{{Name: "http", Port: ptr(int32(8080)), Protocol: "TCP"}}
	full := discoveryv1.Endpoint{
		Addresses: []string{"10.1.0.2"}, NodeName: ptr("node-0"), TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: "web-1"},
		Conditions: discoveryv1.EndpointConditions{Ready: ptr(true), Terminating: ptr(false)},
	}
	wantFull := neg.SliceEndpoint{Addresses: []string{"10.1.0.2"}, Node: "node-0", Pod: "web-1", Serving: true}
	for name, c := range map[string]struct {
		in   []*discoveryv1.EndpointSlice
		want []neg.Slice
	}{
		"none": {nil, nil},
		"full": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", http80, full)},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{wantFull}}},
		},
		"nothing but an address": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", http80, discoveryv1.Endpoint{Addresses: []string{"10.1.0.3"}})},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{{Addresses: []string{"10.1.0.3"}}}}},
		},
		"no port, no name, no protocol": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", []discoveryv1.EndpointPort{{Name: ptr("")}})},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: []neg.SlicePort{{Protocol: "TCP"}}}},
		},
		"terminating": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", http80, discoveryv1.Endpoint{Addresses: []string{"10.1.0.4"}, Conditions: discoveryv1.EndpointConditions{Terminating: ptr(true)}})},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{{Addresses: []string{"10.1.0.4"}, Terminating: true}}}},
		},
		"terminating, and serving": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", http80, discoveryv1.Endpoint{Addresses: []string{"10.1.0.4"}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(false), Serving: ptr(true), Terminating: ptr(true)}})},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{{Addresses: []string{"10.1.0.4"}, Terminating: true, Serving: true, Unready: true}}}},
		},
		"no Pod behind it": {
			[]*discoveryv1.EndpointSlice{slice("a", "IPv4", http80, discoveryv1.Endpoint{Addresses: []string{"10.1.0.5"}, TargetRef: &corev1.ObjectReference{Kind: "Node", Name: "node-0"}})},
			[]neg.Slice{{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{{Addresses: []string{"10.1.0.5"}}}}},
		},
		"both families, the same endpoint twice": {
			[]*discoveryv1.EndpointSlice{
				slice("a", "IPv4", http80, full), slice("b", "IPv4", http80, full),
				slice("c", "IPv6", http80, discoveryv1.Endpoint{Addresses: []string{"2001:db8::1"}}),
			},
			[]neg.Slice{
				{Name: "a", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{wantFull}},
				{Name: "b", AddressType: "IPv4", Ports: want80, Endpoints: []neg.SliceEndpoint{wantFull}},
				{Name: "c", AddressType: "IPv6", Ports: want80, Endpoints: []neg.SliceEndpoint{{Addresses: []string{"2001:db8::1"}}}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			other := slice("other", "IPv4", http80, full)
			other.Labels[discoveryv1.LabelServiceName] = "api"
			w.apply(other)
			for _, s := range c.in {
				w.apply(s)
			}
			got, err := w.Slices(t.Context(), web)
			w.check(err)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestPages: lists of more than a page are whole or an error, for every kind that is
// listed.
func TestPages(t *testing.T) {
	const many = 501
	for resource, c := range map[string]struct {
		fill func(w *world, i int)
		list func(ctx context.Context, w *world) (int, error)
	}{
		"endpointslices": {
			func(w *world, i int) { w.apply(slice(fmt.Sprintf("web-%03d", i), "IPv4", nil)) },
			func(ctx context.Context, w *world) (int, error) {
				s, err := w.Slices(ctx, web)
				return len(s), err
			},
		},
		"nodes": {
			func(w *world, i int) { w.apply(node(fmt.Sprintf("node-%03d", i))) },
			func(ctx context.Context, w *world) (int, error) {
				n, err := w.Nodes(ctx, true)
				return len(n), err
			},
		},
		"ingresses": {
			func(w *world, i int) { w.apply(ingress(fmt.Sprintf("ing-%03d", i), nil, "web")) },
			func(ctx context.Context, w *world) (int, error) {
				p, err := w.IngressPorts(ctx, "shop")
				return len(p), err
			},
		},
		"services": {
			func(w *world, i int) {
				s := service(map[string]string{neg.AnnotationNEG: "{}"})
				s.Name = fmt.Sprintf("web-%03d", i)
				w.apply(s)
			},
			func(ctx context.Context, w *world) (int, error) {
				names, err := w.AnnotatedServices(ctx, "shop", false)
				return len(names), err
			},
		},
	} {
		t.Run(resource, func(t *testing.T) {
			w := newWorld(t)
			for i := range many {
				c.fill(w, i)
			}
			for _, fault := range []fakekube.Fault{{Status: 500}, {Status: 410}, {Status: 403}} {
				fault.Resource, fault.Continued = resource, true
				injected := w.server.Inject(fault)
				if n, err := c.list(t.Context(), w); err == nil || n != 0 {
					t.Errorf("with %+v on the second page: %d items, %v", fault, n, err)
				}
				injected.Lift()
			}
			w.server.ResetCalls()
			if n, err := c.list(t.Context(), w); n != many || err != nil {
				t.Errorf("%d items, %v", n, err)
			}
			if calls := w.server.Calls().Count("list", resource); calls != 2 {
				t.Errorf("%d pages", calls)
			}
		})
	}
}

func ingress(name string, class *string, services ...string) *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: meta(name), Spec: networkingv1.IngressSpec{IngressClassName: class}}
	var paths []networkingv1.HTTPIngressPath
	for i, s := range services {
		paths = append(paths, networkingv1.HTTPIngressPath{Path: fmt.Sprint("/", i), Backend: backend(s, int32(80+i), "")})
	}
	ing.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: paths}}}}
	return ing
}

func backend(service string, number int32, name string) networkingv1.IngressBackend {
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: number, Name: name}}}
}

func TestIngressPorts(t *testing.T) {
	annotated := func(class string, ing *networkingv1.Ingress) *networkingv1.Ingress {
		ing.Annotations = map[string]string{"kubernetes.io/ingress.class": class}
		return ing
	}
	served := []neg.IngressPort{{Service: "web", Number: 80}}
	for name, c := range map[string]struct {
		in   *networkingv1.Ingress
		want []neg.IngressPort
	}{
		"no class":              {ingress("a", nil, "web"), served},
		"annotation gce":        {annotated("gce", ingress("a", nil, "web")), served},
		"annotation internal":   {annotated("gce-internal", ingress("a", nil, "web")), served},
		"annotation nginx":      {annotated("nginx", ingress("a", nil, "web")), nil},
		"field regional":        {ingress("a", ptr("gce-regional-external"), "web"), served},
		"field nginx":           {ingress("a", ptr("nginx"), "web"), nil},
		"field over annotation": {annotated("gce", ingress("a", ptr("nginx"), "web")), nil},
		"default, by name": {
			&networkingv1.Ingress{ObjectMeta: meta("a"), Spec: networkingv1.IngressSpec{DefaultBackend: ptr(backend("web", 0, "https"))}},
			[]neg.IngressPort{{Service: "web", Name: "https"}},
		},
		"several, one twice": {ingress("a", nil, "web", "api"), []neg.IngressPort{{Service: "web", Number: 80}, {Service: "api", Number: 81}}},
		"a rule without paths, a backend without Service": {
			&networkingv1.Ingress{ObjectMeta: meta("a"), Spec: networkingv1.IngressSpec{
				DefaultBackend: &networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket", Name: "x"}},
				Rules:          []networkingv1.IngressRule{{Host: "x.test"}},
			}}, nil,
		},
		"being deleted": {func() *networkingv1.Ingress {
			ing := ingress("a", nil, "web")
			ing.DeletionTimestamp, ing.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"example.test/x"}
			return ing
		}(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(c.in)
			got, err := w.IngressPorts(t.Context(), "shop")
			w.check(err)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestAnnotatedServices(t *testing.T) {
	w := newWorld(t)
	for name, annotations := range map[string]map[string]string{
		"plain": nil, "standalone": {neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}, "ingress": {neg.AnnotationNEG: `{"ingress":true}`},
	} {
		s := service(annotations)
		s.Name = name
		w.apply(s)
	}
	for ingressOnly, want := range map[bool][]string{false: {"ingress", "standalone"}, true: {"ingress"}} {
		got, err := w.AnnotatedServices(t.Context(), "shop", ingressOnly)
		w.check(err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ingress only %v (-want +got):\n%s", ingressOnly, d)
		}
	}
}

// TestSelectors: of those Services alone that ask for groups and select Pods.
func TestSelectors(t *testing.T) {
	w := newWorld(t)
	for name, selector := range map[string]map[string]string{"web": {"app": "web", "tier": "front"}, "by-hand": nil} {
		s := service(map[string]string{neg.AnnotationNEG: "{}"})
		s.Name, s.Spec.Selector = name, selector
		w.apply(s)
	}
	plain := service(nil)
	plain.Name = "plain"
	w.apply(plain)
	got, err := w.Selectors(t.Context(), "shop")
	w.check(err)
	if d := cmp.Diff(map[string]map[string]string{"web": {"app": "web", "tier": "front"}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	w.server.Inject(fakekube.Fault{Resource: "services", Status: 500})
	if got, err := w.Selectors(t.Context(), "shop"); err == nil || got != nil {
		t.Errorf("a failed list is no empty one: %v, %v", got, err)
	}
}

func TestServiceOfSlice(t *testing.T) {
	w := newWorld(t)
	unowned := slice("unowned", "IPv4", nil)
	unowned.Labels = nil
	w.apply(slice("web-x", "IPv4", nil), unowned)
	for name, want := range map[string]string{"web-x": "web", "unowned": "", "none": ""} {
		got, exists, err := w.ServiceOfSlice(t.Context(), "shop", name)
		if got != want || exists != (want != "") || err != nil {
			t.Errorf("%s: got %q, %v, %v; want %q", name, got, exists, err, want)
		}
	}
}

// TestOtherWriter: the object that GKE's controller keeps, where there is such a kind.
func TestOtherWriter(t *testing.T) {
	mark := func(name, service string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
			"metadata": map[string]any{"namespace": "shop", "name": name, "labels": map[string]any{"networking.gke.io/service-name": service}},
		}}
	}
	for name, c := range map[string]struct {
		crd  bool
		objs []*unstructured.Unstructured
		want string
	}{
		"no such kind":        {false, nil, ""},
		"none":                {true, nil, ""},
		"of another Service":  {true, []*unstructured.Unstructured{mark("k8s1-api", "api")}, ""},
		"of it":               {true, []*unstructured.Unstructured{mark("k8s1-web", "web")}, "ServiceNetworkEndpointGroup k8s1-web"},
		"of it, in two zones": {true, []*unstructured.Unstructured{mark("k8s1-a", "web"), mark("k8s1-b", "web")}, "ServiceNetworkEndpointGroup k8s1-a"},
	} {
		t.Run(name, func(t *testing.T) {
			var o []fakekube.ClusterOption
			if c.crd {
				o = append(o, fakekube.WithServiceNEGs())
			}
			w := newWorld(t, o...)
			for _, obj := range c.objs {
				w.apply(obj)
			}
			if got, err := w.OtherWriter(t.Context(), "shop", "web"); got != c.want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
	w := newWorld(t, fakekube.WithServiceNEGs())
	w.server.Inject(fakekube.Fault{Resource: "servicenetworkendpointgroups", Status: 403})
	if _, err := w.OtherWriter(t.Context(), "shop", "web"); reasonOf(err) != "ClusterPermissionDenied" {
		t.Errorf("forbidden: %v", err)
	}
}

// TestGKEGroups: what GKE's own controller says of its groups, and nothing where it says it
// in another form.
func TestGKEGroups(t *testing.T) {
	const link = "https://www.googleapis.com/compute/beta/projects/p1/zones/us-central1-a/networkEndpointGroups/k8s1-web"
	object := func(port string, groups ...any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
			"metadata": map[string]any{"namespace": "shop", "name": "k8s1-web", "labels": map[string]any{
				"networking.gke.io/service-name": "web", "networking.gke.io/service-port": port,
			}},
			"status": map[string]any{"networkEndpointGroups": groups},
		}}
	}
	id := neg.GroupID{Zone: "us-central1-a", Name: "k8s1-web"}
	for name, c := range map[string]struct {
		object *unstructured.Unstructured
		want   []neg.GKEGroup
	}{
		"one":               {object("80", map[string]any{"selfLink": link}), []neg.GKEGroup{{Name: "k8s1-web", Port: 80, Groups: []neg.GroupID{id}}}},
		"about to go":       {object("80", map[string]any{"selfLink": link, "state": "TO_BE_DELETED"}), []neg.GKEGroup{{Name: "k8s1-web", Port: 80, Groups: []neg.GroupID{id}, Leaving: []neg.GroupID{id}}}},
		"inactive":          {object("80", map[string]any{"selfLink": link, "state": "INACTIVE"}), []neg.GKEGroup{{Name: "k8s1-web", Port: 80, Groups: []neg.GroupID{id}}}},
		"none made yet":     {object("80"), []neg.GKEGroup{{Name: "k8s1-web", Port: 80}}},
		"links of no group": {object("80", "x", map[string]any{"selfLink": "regions/r/networkEndpointGroups/x"}), []neg.GKEGroup{{Name: "k8s1-web", Port: 80}}},
		"of no port":        {object("http"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakekube.WithServiceNEGs())
			w.apply(c.object)
			got, err := w.GKEGroups(t.Context(), "shop", "web")
			w.check(err)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got, err := w.GKEGroups(t.Context(), "shop", "api"); err != nil || len(got) != 0 {
				t.Errorf("of another Service: %v, %v", got, err)
			}
		})
	}
	w := newWorld(t)
	if got, err := w.GKEGroups(t.Context(), "shop", "web"); err != nil || len(got) != 0 {
		t.Errorf("without such a kind: %v, %v", got, err)
	}
	w = newWorld(t, fakekube.WithServiceNEGs())
	w.server.Inject(fakekube.Fault{Resource: "servicenetworkendpointgroups", Status: 403})
	if _, err := w.GKEGroups(t.Context(), "shop", "web"); reasonOf(err) != "ClusterPermissionDenied" {
		t.Errorf("forbidden: %v", err)
	}
}

// TestErrorClasses: what each failure of a read comes to. The error names cluster, action
// and object.
func TestErrorClasses(t *testing.T) {
	for name, c := range map[string]struct {
		fault   fakekube.Fault
		outcome neg.Outcome
		reason  string
	}{
		"400":         {fakekube.Fault{Status: 400, Reason: metav1.StatusReasonBadRequest}, neg.Blocked, "ClusterRefused"},
		"401":         {fakekube.Fault{Status: 401}, neg.Blocked, "ClusterPermissionDenied"},
		"403":         {fakekube.Fault{Status: 403}, neg.Blocked, "ClusterPermissionDenied"},
		"405":         {fakekube.Fault{Status: 405}, neg.Blocked, "ClusterRefused"},
		"409":         {fakekube.Fault{Status: 409}, neg.Again, ""},
		"410":         {fakekube.Fault{Status: 410}, neg.Again, ""},
		"422":         {fakekube.Fault{Status: 422}, neg.Blocked, "ClusterRefused"},
		"429":         {fakekube.Fault{Status: 429}, neg.Again, ""},
		"500":         {fakekube.Fault{Status: 500}, neg.Again, ""},
		"503":         {fakekube.Fault{Status: 503}, neg.Again, ""},
		"504":         {fakekube.Fault{Status: 504}, neg.Again, ""},
		"404 of list": {fakekube.Fault{Resource: "endpointslices", Status: 404}, neg.Again, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Inject(c.fault)
			_, err := w.Slices(t.Context(), web)
			if neg.OutcomeOf(err) != c.outcome || reasonOf(err) != c.reason {
				t.Errorf("outcome %v %s, want %v %s: %v", neg.OutcomeOf(err), reasonOf(err), c.outcome, c.reason, err)
			}
			if want := "cluster c1: list endpointslices of service shop/web: "; err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %v, want it to begin with %s", err, want)
			}
		})
	}
}

// TestUnreachable: where nobody listens the key is blocked at once.
func TestUnreachable(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(w.server)
	server.Close()
	var err error
	w.Cluster, err = kube.New("c1", w.fake.Config(server.URL, "negfleet"), w.clock)
	w.check(err)
	if _, err := w.Service(t.Context(), web); reasonOf(err) != "ClusterUnreachable" {
		t.Errorf("got %v", err)
	}
}

// TestNotFoundByAStranger: a 404 that no API server wrote, as a load balancer writes it
// whose control plane is gone, is no word on any object.
func TestNotFoundByAStranger(t *testing.T) {
	w := newWorld(t)
	w.apply(service(nil))
	s := w.read()
	w.server.RemoveCluster("c1")
	for name, call := range map[string]func() error{
		"uid":     func() error { _, err := w.UID(t.Context()); return err },
		"service": func() error { _, err := w.Service(t.Context(), web); return err },
		"slices":  func() error { _, err := w.Slices(t.Context(), web); return err },
		"nodes":   func() error { _, err := w.Nodes(t.Context(), true); return err },
		"slice":   func() error { _, _, err := w.ServiceOfSlice(t.Context(), "shop", "web-x"); return err },
		"status":  func() error { return w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: "{}"}) },
		"note":    func() error { return w.Note(t.Context(), s, neg.Note{Reason: "Test", Message: "x"}) },
	} {
		if err := call(); reasonOf(err) != "ClusterUnreachable" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCancelled: that our own time is over says nothing about the cluster: the message
// comes back.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.apply(service(nil))
	s := w.read()
	for name, call := range map[string]func(context.Context) error{
		"uid":     func(ctx context.Context) error { _, err := w.UID(ctx); return err },
		"service": func(ctx context.Context) error { _, err := w.Service(ctx, web); return err },
		"slices":  func(ctx context.Context) error { _, err := w.Slices(ctx, web); return err },
		"nodes":   func(ctx context.Context) error { _, err := w.Nodes(ctx, true); return err },
		"status": func(ctx context.Context) error {
			return w.Annotate(ctx, s, map[string]string{neg.AnnotationStatus: "{}"})
		},
		"note": func(ctx context.Context) error { return w.Note(ctx, s, neg.Note{Reason: "Test", Message: "x"}) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx); neg.OutcomeOf(err) != neg.Again {
				t.Errorf("cancelled before: %v", err)
			}
			ctx, cancel = context.WithCancel(t.Context())
			defer cancel()
			entered, over := make(chan struct{}), make(chan struct{})
			defer close(over)
			arrived := sync.OnceFunc(func() { close(entered) })
			w.connect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				arrived()
				<-over
			}))
			go func() { <-entered; cancel() }()
			if err := call(ctx); neg.OutcomeOf(err) != neg.Again {
				t.Errorf("cancelled meanwhile: %v", err)
			}
		})
	}
}
