package reconcile_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/negfleet/negfleet/test/fakekube"
)

func mustAddr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func httptestRecorder(h http.Handler, method, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec
}

func sliceObjects(w *world) []runtime.Object {
	var objs []runtime.Object
	for _, s := range fakekube.List[*discoveryv1.EndpointSlice](w.cluster, "shop", nil) {
		objs = append(objs, s.DeepCopy())
	}
	return objs
}

// emptySlices takes all endpoints out of the slices.
func emptySlices(w *world) error {
	for _, o := range sliceObjects(w) {
		s := o.(*discoveryv1.EndpointSlice)
		s.Endpoints = nil
		if err := w.cluster.Apply(s); err != nil {
			return err
		}
	}
	return nil
}

// ingress sends traffic to the https port of the Service, by name.
func ingress(class string) *networkingv1.Ingress {
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "front", Annotations: map[string]string{"kubernetes.io/ingress.class": class}},
		Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Name: "https"}},
		}},
	}
}
