package gce

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// GroupsNaming hands on, page by page, the groups of the project, whoever's and of whatever
// type, whose description holds text; otherwise it is as Owned. The zone of a group that is
// in none is its region, or global.
func (c *Client) GroupsNaming(ctx context.Context, text string, page func([]neg.ListedGroup) error) error {
	return c.listDescribed(ctx, text, func(list *compute.NetworkEndpointGroupAggregatedList) error {
		var groups []neg.ListedGroup
		for _, scope := range slices.Sorted(maps.Keys(list.Items)) {
			for _, g := range list.Items[scope].NetworkEndpointGroups {
				groups = append(groups, listedGroup(neg.Zone(scope[strings.LastIndexByte(scope, '/')+1:]), g))
			}
		}
		return page(groups)
	})
}
