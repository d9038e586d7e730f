package mutate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// TestGatingAgreesWithThePlan: the webhook may not know plans, but a gate must be added
// exactly where a plan makes a group.
func TestGatingAgreesWithThePlan(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	gating := 0
	for range 20000 {
		s, ingress := randomService(r)
		read := mutate.ReadService("c1", "shop", s)
		got := len(mutate.Namespace{Services: []mutate.Service{read}, Ingress: ingress}.Gating(s.Spec.Selector)) > 0
		want := planned(read, ingress)
		if got != want {
			t.Fatalf("gating %t, a group is planned %t: %q %v %v", got, want, s.Annotations[neg.AnnotationNEG], s.Spec, ingress)
		}
		if got {
			gating++
		}
	}
	if gating < 1000 {
		t.Errorf("only %d Services of 20000 gate anything", gating)
	}
}

// planned tells whether the first look at a Service makes a group for it.
func planned(s mutate.Service, ingress []neg.IngressPort) bool {
	if s.Invalid != nil {
		return false // the look stops there
	}
	state, _ := plan.Desired(plan.Input{
		UID: "u", Zones: []neg.Zone{"us-central1-a"}, Service: s.Service, Exposure: s.Exposure, Ingress: ingress,
	}, neg.State{})
	return len(state.Groups) > 0
}

func randomService(r *rand.Rand) (*corev1.Service, []neg.IngressPort) {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	var ports []corev1.ServicePort
	for range 1 + r.IntN(3) {
		ports = append(ports, corev1.ServicePort{
			Name: one("http", "https", "", "dns"), Port: int32(80 + r.IntN(3)), Protocol: corev1.Protocol(one("TCP", "TCP", "UDP", "SCTP", "")),
		})
	}
	value := fmt.Sprintf(one(`{"exposed_ports":{"%d":{}}}`, `{"ingress":true,"exposed_ports":{"%d":{"name":"x"}}}`, `{"ingress":true,"x":%d}`, `{"exposed_ports":{%d:{}}}`, `{"x":%d}`), 80+r.IntN(4))
	s := service(negs(value), ports...)
	s.Spec.Type = corev1.ServiceType(one("ClusterIP", "ClusterIP", "LoadBalancer", "ExternalName"))
	var ingress []neg.IngressPort
	for range r.IntN(3) {
		ref := neg.IngressPort{Service: one("web", "web", "other")}
		if r.IntN(2) == 0 {
			ref.Number = int32(80 + r.IntN(4))
		} else {
			ref.Name = one("http", "https", "dns")
		}
		ingress = append(ingress, ref)
	}
	return s, ingress
}
