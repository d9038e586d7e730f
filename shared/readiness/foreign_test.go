package readiness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

// TestGKE: where GKE's own controller keeps the groups, gates go by those that neg-status
// names, and by its objects, which know of a zone that the status lacks.
func TestGKE(t *testing.T) {
	for name, c := range map[string]struct {
		objects bool
		opened  int
	}{"by neg-status alone": {false, 2}, "by the objects too": {true, 3}} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, rig.Options{Nodes: 3, ServiceNEGs: true, GCE: fakegce.Options{HealthUnreached: true}})
			w.serve("web", nil)
			w.deploy("web", 3)
			w.reconcile("web") // stands for GKE's controller
			group := neg.GroupName(string(w.fleet().UID()), web, 80)
			w.balance("web", rig.Zones...)
			w.health(nil, neg.Healthy)
			w.foreign = true
			w.serve("web", map[string]string{
				neg.AnnotationNEG:    `{"exposed_ports":{"80":{}}}`,
				neg.AnnotationStatus: fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":[%q,%q]}`, group, rig.Zones[0], rig.Zones[1]),
			})
			if c.objects {
				w.gkeSays(group, rig.Zones...)
			}
			d := w.follow(w.Follower, web)
			d.pass(3 * time.Second)
			if n := w.opened("web"); n != c.opened {
				t.Errorf("%d gates are open, want %d", n, c.opened)
			}
			if !c.objects {
				return
			}
			w.expect("web", "True", readiness.ReasonReady, "healthy in backend service global/web")
		})
	}
}

// TestGKEHasNotSpoken: a port that is to have groups, of which GKE's own controller has said
// nothing yet, is waited for, though another port of the Pod is healthy.
func TestGKEHasNotSpoken(t *testing.T) {
	for name, c := range map[string]struct{ ports, status string }{
		"of the Service":    {`{"exposed_ports":{"80":{}}}`, ""},
		"of the Ingress":    {`{"ingress":true}`, ""},
		"of one of its two": {`{"exposed_ports":{"80":{},"81":{}}}`, `{"network_endpoint_groups":{"80":"GROUP"},"zones":["` + rig.Zones[0] + `"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldOf(t, rig.Options{Nodes: 1, ServiceNEGs: true, GCE: fakegce.Options{HealthUnreached: true}})
			w.serve("web", nil)
			w.deploy("web", 1)
			w.reconcile("web") // stands for GKE's controller
			w.balance("web", rig.Zones...)
			w.health(nil, neg.Healthy)
			w.foreign = true
			group := neg.GroupName(string(w.fleet().UID()), web, 80)
			w.serve("web", map[string]string{neg.AnnotationNEG: c.ports, neg.AnnotationStatus: strings.Replace(c.status, "GROUP", group, 1)})
			w.check(fakekube.Edit(w.fleet().Cluster, "shop", "web", func(s *corev1.Service) {
				s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "admin", Port: 81, TargetPort: intstr.FromInt32(8081)})
			}))
			backend := networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}
			w.check(w.fleet().Apply(&networkingv1.Ingress{ObjectMeta: w.service("web"), Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{Service: &backend}}}))
			d := w.follow(w.Follower, web)
			d.pass(10 * time.Second)
			w.expect("web", "False", readiness.ReasonNotAttached, "has no groups yet")
		})
	}
}

// gkeSays writes the object of shop/web:80.
func (w *world) gkeSays(name string, zones ...string) {
	w.t.Helper()
	var groups []any
	for _, z := range zones {
		groups = append(groups, map[string]any{"selfLink": "projects/p/zones/" + z + "/networkEndpointGroups/" + name})
	}
	w.check(w.fleet().Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
		"metadata": map[string]any{"namespace": "shop", "name": name, "labels": map[string]any{"networking.gke.io/service-name": "web", "networking.gke.io/service-port": "80"}},
		"status":   map[string]any{"networkEndpointGroups": groups},
	}}))
}
