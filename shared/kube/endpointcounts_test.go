package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// TestEndpointCounts: what terminates and what is not IPv4 does not count; an empty slice is
// a count of none, no slice is no count.
func TestEndpointCounts(t *testing.T) {
	w := newWorld(t)
	at := func(address string, c discoveryv1.EndpointConditions) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{address}, Conditions: c}
	}
	http80 := []discoveryv1.EndpointPort{{Name: ptr("http"), Port: ptr(int32(80))}}
	none := slice("c", "IPv4", http80)
	none.Labels = map[string]string{discoveryv1.LabelServiceName: "empty"}
	for _, s := range []*discoveryv1.EndpointSlice{
		slice("a", "IPv4", http80, at("10.1.0.1", discoveryv1.EndpointConditions{}), at("10.1.0.2", discoveryv1.EndpointConditions{Terminating: ptr(true)})),
		slice("b", "IPv4", http80, at("10.1.0.3", discoveryv1.EndpointConditions{Ready: ptr(false)})),
		slice("v6", "IPv6", http80, at("2001:db8::1", discoveryv1.EndpointConditions{})),
		none,
	} {
		w.check(w.fake.Apply(s))
	}
	got, err := w.EndpointCounts(t.Context())
	w.check(err)
	if d := cmp.Diff(map[neg.Key]int{web: 2, {Cluster: "c1", Namespace: "shop", Service: "empty"}: 0}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
