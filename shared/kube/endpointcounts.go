package kube

import (
	"context"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// EndpointCounts counts, over the whole cluster, the IPv4 endpoints of each Service that do
// not terminate. A Service that has no slice is not in it. Each page is reduced before the
// next one is read.
func (c *Cluster) EndpointCounts(ctx context.Context) (map[neg.Key]int, error) {
	counts := map[neg.Key]int{}
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.DiscoveryV1().EndpointSlices("").List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			s := &list.Items[i]
			service := s.Labels[discoveryv1.LabelServiceName]
			if service == "" || s.AddressType != discoveryv1.AddressTypeIPv4 {
				continue
			}
			k := neg.Key{Cluster: c.name, Namespace: s.Namespace, Service: service}
			counts[k] += live(s.Endpoints)
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list endpointslices", err)
	}
	return counts, nil
}

func live(endpoints []discoveryv1.Endpoint) (n int) {
	for _, e := range endpoints {
		if e.Conditions.Terminating == nil || !*e.Conditions.Terminating {
			n++
		}
	}
	return n
}
