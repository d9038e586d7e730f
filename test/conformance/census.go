package conformance

import (
	"context"
	"strings"

	"google.golang.org/api/compute/v1"
)

func (c *census) forwardingRules(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.GlobalForwardingRules.List(project).Filter(filter).Pages(ctx, func(page *compute.ForwardingRuleList) error {
		for _, item := range page.Items {
			c.add("global/forwardingRules/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
				return svc.GlobalForwardingRules.Delete(project, item.Name).Context(ctx).Do()
			})
		}
		return nil
	})
}

func (c *census) proxies(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.TargetHttpProxies.List(project).Filter(filter).Pages(ctx, func(page *compute.TargetHttpProxyList) error {
		for _, item := range page.Items {
			c.add("global/targetHttpProxies/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
				return svc.TargetHttpProxies.Delete(project, item.Name).Context(ctx).Do()
			})
		}
		return nil
	})
}

func (c *census) urlMaps(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.UrlMaps.List(project).Filter(filter).Pages(ctx, func(page *compute.UrlMapList) error {
		for _, item := range page.Items {
			c.add("global/urlMaps/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
				return svc.UrlMaps.Delete(project, item.Name).Context(ctx).Do()
			})
		}
		return nil
	})
}

func (c *census) services(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.BackendServices.AggregatedList(project).Filter(filter).Pages(ctx, func(page *compute.BackendServiceAggregatedList) error {
		for scope, list := range page.Items {
			for _, item := range list.BackendServices {
				c.add(scope+"/backendServices/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
					if region, ok := strings.CutPrefix(scope, "regions/"); ok {
						return svc.RegionBackendServices.Delete(project, region, item.Name).Context(ctx).Do()
					}
					return svc.BackendServices.Delete(project, item.Name).Context(ctx).Do()
				})
			}
		}
		return nil
	})
}

func (c *census) healthChecks(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.HealthChecks.AggregatedList(project).Filter(filter).Pages(ctx, func(page *compute.HealthChecksAggregatedList) error {
		for scope, list := range page.Items {
			for _, item := range list.HealthChecks {
				c.add(scope+"/healthChecks/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
					if region, ok := strings.CutPrefix(scope, "regions/"); ok {
						return svc.RegionHealthChecks.Delete(project, region, item.Name).Context(ctx).Do()
					}
					return svc.HealthChecks.Delete(project, item.Name).Context(ctx).Do()
				})
			}
		}
		return nil
	})
}

func (c *census) groups(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.NetworkEndpointGroups.AggregatedList(project).Filter(filter).Pages(ctx, func(page *compute.NetworkEndpointGroupAggregatedList) error {
		for scope, list := range page.Items {
			for _, item := range list.NetworkEndpointGroups {
				c.add(scope+"/networkEndpointGroups/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
					return svc.NetworkEndpointGroups.Delete(project, strings.TrimPrefix(scope, "zones/"), item.Name).Context(ctx).Do()
				})
			}
		}
		return nil
	})
}

func (c *census) addresses(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.GlobalAddresses.List(project).Filter(filter).Pages(ctx, func(page *compute.AddressList) error {
		for _, item := range page.Items {
			c.add("global/addresses/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
				return svc.GlobalAddresses.Delete(project, item.Name).Context(ctx).Do()
			})
		}
		return nil
	})
}

func (c *census) firewalls(ctx context.Context, svc *compute.Service, project, filter string) error {
	return svc.Firewalls.List(project).Filter(filter).Pages(ctx, func(page *compute.FirewallList) error {
		for _, item := range page.Items {
			c.add("global/firewalls/"+item.Name, item.CreationTimestamp, func() (*compute.Operation, error) {
				return svc.Firewalls.Delete(project, item.Name).Context(ctx).Do()
			})
		}
		return nil
	})
}
