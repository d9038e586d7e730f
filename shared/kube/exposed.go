package kube

import (
	"context"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// LeaseRenewed reads when the Lease that lets gates be added was renewed; zero when there
// is none.
func (c *Cluster) LeaseRenewed(ctx context.Context) (time.Time, error) {
	lease, err := c.client.CoordinationV1().Leases(neg.LeaseNamespace).Get(ctx, neg.LeaseName, metav1.GetOptions{})
	switch {
	case gone(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, c.fail(ctx, "get lease "+neg.LeaseNamespace+"/"+neg.LeaseName, err)
	case lease.Spec.RenewTime == nil:
		return time.Time{}, nil
	}
	return lease.Spec.RenewTime.Time, nil
}

// ExposedSlices reads the EndpointSlices of the Services that ask for groups, over the whole
// cluster.
func (c *Cluster) ExposedSlices(ctx context.Context) (map[neg.Key][]neg.Slice, error) {
	services, err := c.Exposed(ctx, "")
	if err != nil {
		return nil, err
	}
	wanted := map[neg.Key][]neg.Slice{}
	for _, s := range services {
		wanted[s.Key] = nil
	}
	err = pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.DiscoveryV1().EndpointSlices("").List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			s := &list.Items[i]
			k := neg.Key{Cluster: c.name, Namespace: s.Namespace, Service: s.Labels[discoveryv1.LabelServiceName]}
			if _, ok := wanted[k]; ok && s.AddressType == discoveryv1.AddressTypeIPv4 {
				wanted[k] = append(wanted[k], slice(s))
			}
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, c.fail(ctx, "list endpointslices", err)
	}
	return wanted, nil
}
