package gce

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// pageSize is the most the API returns at once.
const pageSize = 500

// groupType is the type of the groups that hold Pods.
const groupType = "GCE_VM_IP_PORT"

func newRequestID() string { return uuid.NewString() }

// Owned lists the groups of the project whose description holds token and parses as
// ours, in any zone, under any name. A scope that could not be read makes the whole
// answer an error: unknown is not empty. It is a heavy-weight read.
func (c *Client) Owned(ctx context.Context, token string) ([]neg.OwnedGroup, error) {
	var groups []neg.OwnedGroup
	err := c.described(ctx, token, func(page []neg.OwnedGroup) error {
		for _, g := range page {
			if g.Owner.Token == token {
				groups = append(groups, g)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return groups, nil
}

// OwnedIn hands on, page by page, the groups of the project that belong to any Service of
// the cluster with that kube-system UID; otherwise it is as Owned.
func (c *Client) OwnedIn(ctx context.Context, uid string, page func([]neg.OwnedGroup) error) error {
	return c.described(ctx, neg.ClusterToken(uid)+"-", func(groups []neg.OwnedGroup) error {
		return page(slices.DeleteFunc(groups, func(g neg.OwnedGroup) bool { return g.Owner.UID != uid }))
	})
}

// LeftByGKE lists, otherwise as Owned, the groups that GKE's own controller of the cluster
// with that kube-system UID made for a Service: name and description say so, and agree.
func (c *Client) LeftByGKE(ctx context.Context, uid, namespace, service string) (groups []neg.ListedGroup, err error) {
	err = c.listDescribed(ctx, uid, func(list *compute.NetworkEndpointGroupAggregatedList) error {
		for _, g := range listed(list) {
			o, ok := neg.ParseGKEOwner(g.Description)
			if ok && o.UID == uid && o.Namespace == namespace && o.Service == service && o.Named(g.Name) {
				groups = append(groups, g)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return groups, nil
}

// described lists the groups whose description holds text and parses as ours.
func (c *Client) described(ctx context.Context, text string, found func([]neg.OwnedGroup) error) error {
	return c.listDescribed(ctx, text, func(list *compute.NetworkEndpointGroupAggregatedList) error { return found(ownedIn(list)) })
}

// listDescribed lists those whose description holds text, whole or with an error.
func (c *Client) listDescribed(ctx context.Context, text string, each func(*compute.NetworkEndpointGroupAggregatedList) error) error {
	what := fmt.Sprintf("list groups of %s in project %s", text, c.opts.Project)
	page := ""
	for {
		var list *compute.NetworkEndpointGroupAggregatedList
		err := c.call(ctx, what, func() (err error) {
			list, err = c.api.NetworkEndpointGroups.AggregatedList(c.opts.Project).
				Filter(fmt.Sprintf("description eq %q", ".*"+text+".*")).
				MaxResults(pageSize).PageToken(page).Context(ctx).Do()
			return err
		})
		if err != nil {
			return err
		}
		if err := complete(list); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := each(list); err != nil {
			return err
		}
		if page = list.NextPageToken; page == "" {
			return nil
		}
	}
}

// complete refuses a list that misses a scope.
func complete(list *compute.NetworkEndpointGroupAggregatedList) error {
	if len(list.Unreachables) > 0 {
		return fmt.Errorf("unreachable: %s", strings.Join(list.Unreachables, ", "))
	}
	if list.Warning != nil && list.Warning.Code != "NO_RESULTS_ON_PAGE" {
		return fmt.Errorf("incomplete: %s: %s", list.Warning.Code, list.Warning.Message)
	}
	for scope, items := range list.Items {
		if w := items.Warning; w != nil && w.Code != "NO_RESULTS_ON_PAGE" {
			return fmt.Errorf("incomplete in %s: %s: %s", scope, w.Code, w.Message)
		}
	}
	return nil
}

func ownedIn(list *compute.NetworkEndpointGroupAggregatedList) []neg.OwnedGroup {
	var groups []neg.OwnedGroup
	for _, scope := range slices.Sorted(maps.Keys(list.Items)) {
		zone, zonal := strings.CutPrefix(scope, "zones/")
		if !zonal {
			continue
		}
		for _, g := range list.Items[scope].NetworkEndpointGroups {
			owner, err := neg.ParseOwner(g.Description)
			if err != nil || g.NetworkEndpointType != groupType {
				continue
			}
			groups = append(groups, neg.OwnedGroup{GroupID: neg.GroupID{Zone: neg.Zone(zone), Name: g.Name}, Owner: owner, Size: int(g.Size)})
		}
	}
	return groups
}

// Description reads whose a group is. It is not found when exists is false.
func (c *Client) Description(ctx context.Context, id neg.GroupID) (description string, exists bool, err error) {
	var g *compute.NetworkEndpointGroup
	err = c.call(ctx, "get group "+id.String(), func() (err error) {
		g, err = c.api.NetworkEndpointGroups.Get(c.opts.Project, string(id.Zone), id.Name).Context(ctx).Do()
		return err
	})
	if kindOf(err) == missing {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return g.Description, true, nil
}

// Endpoints lists what is attached to a group. It is not there when exists is false.
func (c *Client) Endpoints(ctx context.Context, id neg.GroupID) (endpoints []neg.Endpoint, exists bool, err error) {
	exists, err = c.listEndpoints(ctx, id, "SKIP", func(e neg.Endpoint, _ []*compute.HealthStatusForNetworkEndpoint) {
		endpoints = append(endpoints, e)
	})
	if err != nil || !exists {
		return nil, false, err
	}
	return neg.EndpointSet(endpoints), true, nil
}

// listEndpoints hands on a group's endpoints, one call for each 500. healthStatus is SHOW or
// SKIP.
func (c *Client) listEndpoints(ctx context.Context, id neg.GroupID, healthStatus string, each func(neg.Endpoint, []*compute.HealthStatusForNetworkEndpoint)) (exists bool, err error) {
	page := ""
	for {
		var list *compute.NetworkEndpointGroupsListNetworkEndpoints
		err := c.call(ctx, "list endpoints of group "+id.String(), func() (err error) {
			body := &compute.NetworkEndpointGroupsListEndpointsRequest{HealthStatus: healthStatus}
			list, err = c.api.NetworkEndpointGroups.ListNetworkEndpoints(c.opts.Project, string(id.Zone), id.Name, body).
				MaxResults(pageSize).PageToken(page).Context(ctx).Do()
			return err
		})
		if kindOf(err) == missing {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, item := range list.Items {
			e, err := parseEndpoint(item.NetworkEndpoint)
			if err != nil {
				return false, neg.Block("UnreadableEndpoint", "group %s: %w", id, err)
			}
			each(e, item.Healths)
		}
		if page = list.NextPageToken; page == "" {
			return true, nil
		}
	}
}

// CreateGroup inserts an empty group that says whose it is. A group of that name that is
// already ours is success; anyone else's is blocked.
func (c *Client) CreateGroup(ctx context.Context, id neg.GroupID, owner neg.Owner) error {
	what := "create group " + id.String()
	group := &compute.NetworkEndpointGroup{
		Name: id.Name, Description: owner.Description(), NetworkEndpointType: groupType,
		Network: c.network(), Subnetwork: c.subnetwork(id.Zone),
	}
	err := c.mutate(ctx, what, time.Time{}, func(requestID string) (*compute.Operation, error) {
		return c.api.NetworkEndpointGroups.Insert(c.opts.Project, string(id.Zone), group).RequestId(requestID).Context(ctx).Do()
	})
	if kindOf(err) != taken {
		return err
	}
	description, exists, readErr := c.Description(ctx, id)
	switch theirs, parseErr := neg.ParseOwner(description); {
	case readErr != nil:
		return readErr
	case !exists:
		return fmt.Errorf("%s: taken a moment ago, and gone now", what)
	case parseErr == nil && theirs == owner:
		return nil
	case parseErr == nil:
		return neg.Block("NameTaken", "%s: the name belongs to Service %s/%s of cluster %s; choose another in exposed_ports.%d.name", what, theirs.Namespace, theirs.Service, theirs.Cluster, owner.Port)
	}
	return neg.Block("NameTaken", "%s: a group of that name exists and is not ours (description %.60q); choose another in exposed_ports.%d.name, or delete that group", what, description, owner.Port)
}

// DeleteGroup deletes a group. One that is gone already is success.
func (c *Client) DeleteGroup(ctx context.Context, id neg.GroupID, notAfter time.Time) error {
	err := c.mutate(ctx, "delete group "+id.String(), notAfter, func(requestID string) (*compute.Operation, error) {
		return c.api.NetworkEndpointGroups.Delete(c.opts.Project, string(id.Zone), id.Name).RequestId(requestID).Context(ctx).Do()
	})
	if kindOf(err) == missing {
		return nil
	}
	return err
}

// network is the partial URL of the configured network.
func (c *Client) network() string {
	if c.opts.Network == "" || strings.Contains(c.opts.Network, "/") {
		return c.opts.Network
	}
	return "projects/" + c.opts.Project + "/global/networks/" + c.opts.Network
}

// subnetwork is the partial URL of the configured subnetwork, in zone's region.
func (c *Client) subnetwork(zone neg.Zone) string {
	if c.opts.Subnetwork == "" || strings.Contains(c.opts.Subnetwork, "/") {
		return c.opts.Subnetwork
	}
	region := string(zone)
	if i := strings.LastIndexByte(region, '-'); i > 0 {
		region = region[:i]
	}
	return "projects/" + c.opts.Project + "/regions/" + region + "/subnetworks/" + c.opts.Subnetwork
}
