//go:build linux

package story

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/sandbox"
)

// detachedByHand takes an endpoint out with the Compute API, as a person with gcloud would.
func detachedByHand(ctx context.Context, t *teller) (string, error) {
	name := t.group("web", 80)
	zone, members := t.cloud.occupied(name)
	if len(members) == 0 {
		return "", fmt.Errorf("no group %s holds an endpoint", name)
	}
	address, instance, _ := strings.Cut(members[0], " ")
	at := netip.MustParseAddrPort(address)
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	body := &compute.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: []*compute.NetworkEndpoint{{Instance: instance, IpAddress: at.Addr().String(), Port: int64(at.Port())}}}
	if _, err := api.NetworkEndpointGroups.DetachNetworkEndpoints(sandbox.Project, zone, name, body).Context(ctx).Do(); err != nil {
		return "", err
	}
	if err := t.until(ctx, func() (string, error) {
		if len(t.cloud.members(name)[zone]) == len(members) {
			return "the detach is not seen", nil
		}
		return "", nil
	}); err != nil {
		return "", err
	}
	began := time.Now()
	if err := t.hint(ctx, "web"); err != nil {
		return "", err
	}
	if err := t.exact(ctx, "web", name, 8080, 3); err != nil {
		return "", err
	}
	took, err := held(began)
	return fmt.Sprintf("%s is back after %s", address, took), err
}

// vanishedInstance deletes an instance, writes slices of 400 endpoints on other instances
// of the zone and one on it, and then the Service, so that one batch has all of them.
func vanishedInstance(ctx context.Context, t *teller) (string, error) {
	zone := sandbox.Zones[0]
	var nodes []sandbox.Node
	for _, n := range t.cluster.Nodes {
		if n.Zone == zone {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) < 3 {
		return "", fmt.Errorf("zone %s has %d nodes, the step needs 3", zone, len(nodes))
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	lost := nodes[2]
	if _, err := api.Instances.Delete(sandbox.Project, zone, lost.Instance).Context(ctx).Do(); err != nil {
		return "", err
	}
	defer func() {
		_ = t.world.GCE.Seed(ctx, fakegce.Seed{Projects: []string{sandbox.Project}, Instances: []fakegce.Instance{{Zone: lost.Zone, Name: lost.Instance, IP: lost.InternalIP, AliasRanges: []string{lost.PodCIDR}}}})
	}()
	if err := t.writeSlices(ctx, nodes); err != nil {
		return "", err
	}
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	began := time.Now()
	if err := t.apply(ctx, "wide.yaml"); err != nil {
		return "", err
	}
	name := t.group("wide", 80)
	err = t.until(ctx, func() (string, error) {
		if n := len(t.cloud.members(name)[zone]); n != 400 {
			return fmt.Sprintf("%d of 400 endpoints attached", n), nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	took, err := held(began)
	if err != nil {
		return "", err
	}
	message, err := t.event(ctx, "wide", "EndpointRejected")
	return fmt.Sprintf("400 attached after %s\nEvent EndpointRejected: %s", took, message), err
}

// writeSlices writes five slices: 200 endpoints on each of the first two nodes, one on the
// third.
func (t *teller) writeSlices(ctx context.Context, nodes []sandbox.Node) error {
	var endpoints []discoveryv1.Endpoint
	for i, n := range []int{200, 200, 1} {
		ip := netip.MustParsePrefix(nodes[i].PodCIDR).Addr().Next()
		for range n {
			ip = ip.Next()
			endpoints = append(endpoints, discoveryv1.Endpoint{Addresses: []string{ip.String()}, NodeName: &nodes[i].Name})
		}
	}
	port, name, tcp := int32(8080), "http", corev1.ProtocolTCP
	for i := 0; len(endpoints) > 0; i++ {
		n := min(100, len(endpoints))
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("wide-%d", i), Labels: map[string]string{discoveryv1.LabelServiceName: "wide", discoveryv1.LabelManagedBy: "story"}},
			AddressType: discoveryv1.AddressTypeIPv4, Endpoints: endpoints[:n],
			Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
		}
		if _, err := t.client.DiscoveryV1().EndpointSlices("shop").Create(ctx, slice, metav1.CreateOptions{}); err != nil {
			return err
		}
		endpoints = endpoints[n:]
	}
	return nil
}
