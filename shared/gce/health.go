package gce

import (
	"context"
	"strings"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// Health lists a group's endpoints, one call for each 500, with what every backend service
// that looks at them says; those that have been detached and still drain too. The group is
// not there when exists is false.
func (c *Client) Health(ctx context.Context, id neg.GroupID) (all []neg.EndpointHealth, exists bool, err error) {
	exists, err = c.listEndpoints(ctx, id, "SHOW", func(e neg.Endpoint, healths []*compute.HealthStatusForNetworkEndpoint) {
		all = append(all, neg.EndpointHealth{Endpoint: e, Seen: seen(healths)})
	})
	if err != nil || !exists {
		return nil, false, err
	}
	return all, true, nil
}

func seen(healths []*compute.HealthStatusForNetworkEndpoint) []neg.Health {
	var list []neg.Health
	for _, h := range healths {
		if h.BackendService == nil {
			continue
		}
		list = append(list, neg.Health{Service: serviceID(h.BackendService.BackendService), State: h.HealthState})
	}
	return list
}

// serviceID reads a link to a backend service.
func serviceID(link string) neg.BackendServiceID {
	id := neg.BackendServiceID{Name: lastOf(link)}
	if _, rest, regional := strings.Cut(link, "/regions/"); regional {
		id.Region, _, _ = strings.Cut(rest, "/")
	}
	return id
}
