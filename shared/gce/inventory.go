package gce

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// Groups hands on, page by page, all groups of the project that hold Pods, whoever's, with
// one call for each 500 groups of any kind. missing are the scopes that did not answer; what
// is listed of the others stands. With an error nothing does. It is a heavy-weight read.
func (c *Client) Groups(ctx context.Context, page func([]neg.ListedGroup) error) (missing []string, err error) {
	what, token := "list groups in project "+c.opts.Project, ""
	for {
		var list *compute.NetworkEndpointGroupAggregatedList
		err := c.call(ctx, what, func() (err error) {
			list, err = c.api.NetworkEndpointGroups.AggregatedList(c.opts.Project).
				MaxResults(pageSize).PageToken(token).Context(ctx).Do()
			return err
		})
		if err != nil {
			return nil, err
		}
		if missing, err = missingScopes(missing, list); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if err := page(listed(list)); err != nil {
			return nil, err
		}
		if token = list.NextPageToken; token == "" {
			return missing, nil
		}
	}
}

// missingScopes adds those that did not answer. A warning that does not say which is an
// error: nobody knows what is missing.
func missingScopes(missing []string, list *compute.NetworkEndpointGroupAggregatedList) ([]string, error) {
	lost := slices.Clone(list.Unreachables)
	for scope, items := range list.Items {
		if w := items.Warning; w != nil && w.Code != "NO_RESULTS_ON_PAGE" {
			lost = append(lost, scope)
		}
	}
	if w := list.Warning; w != nil && w.Code != "NO_RESULTS_ON_PAGE" && len(lost) == 0 {
		return nil, fmt.Errorf("incomplete: %s: %s", w.Code, w.Message)
	}
	for _, scope := range lost {
		missing = append(missing, scope[strings.LastIndexByte(scope, '/')+1:])
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

func listed(list *compute.NetworkEndpointGroupAggregatedList) []neg.ListedGroup {
	var groups []neg.ListedGroup
	for _, scope := range slices.Sorted(maps.Keys(list.Items)) {
		zone, zonal := strings.CutPrefix(scope, "zones/")
		for _, g := range list.Items[scope].NetworkEndpointGroups {
			if !zonal || g.NetworkEndpointType != groupType {
				continue
			}
			groups = append(groups, listedGroup(neg.Zone(zone), g))
		}
	}
	return groups
}

func listedGroup(zone neg.Zone, g *compute.NetworkEndpointGroup) neg.ListedGroup {
	created, _ := time.Parse(time.RFC3339, g.CreationTimestamp) // what is no time is zero: unknown
	return neg.ListedGroup{GroupID: neg.GroupID{Zone: zone, Name: g.Name}, Description: g.Description, Size: int(g.Size), Created: created}
}

// HealthChecks lists all of the project, global and regional. A scope that could not be
// read makes the whole answer an error. It is a heavy-weight read.
func (c *Client) HealthChecks(ctx context.Context) ([]neg.HealthCheck, error) {
	return c.healthChecks(ctx, "")
}

// OwnedHealthChecks lists those whose description holds token, likewise.
func (c *Client) OwnedHealthChecks(ctx context.Context, token string) ([]neg.HealthCheck, error) {
	return c.healthChecks(ctx, fmt.Sprintf("description eq %q", ".*"+token+".*"))
}

func (c *Client) healthChecks(ctx context.Context, filter string) ([]neg.HealthCheck, error) {
	var all []neg.HealthCheck
	err := c.aggregated(ctx, "healthChecks", filter, func(region string, o object) error {
		check := neg.HealthCheck{ID: neg.HealthCheckID{Name: o.text("name"), Region: region}}
		var err error
		check.Fields, err = fields(o)
		all = append(all, check)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list health checks in project %s: %w", c.opts.Project, err)
	}
	return all, nil
}

// InstanceExists tells whether a zone has an instance of that name, running or not.
func (c *Client) InstanceExists(ctx context.Context, zone neg.Zone, name string) (bool, error) {
	_, exists, err := c.read(ctx, "get instance "+string(zone)+"/"+name, "zones/"+url.PathEscape(string(zone))+"/instances", name)
	return exists, err
}

type listWarning struct{ Code, Message string }

func (w *listWarning) err() error {
	if w == nil || w.Code == "NO_RESULTS_ON_PAGE" {
		return nil
	}
	return fmt.Errorf("incomplete: %s: %s", w.Code, w.Message)
}

// aggregatedPage is a page of any collection's aggregated list.
type aggregatedPage struct {
	NextPageToken string
	Unreachables  []string
	Warning       *listWarning
	Items         map[string]map[string]json.RawMessage
}

// aggregated hands on every resource of a collection, whole or with an error; an empty
// region is global.
func (c *Client) aggregated(ctx context.Context, collection, filter string, each func(region string, o object) error) error {
	query := url.Values{"maxResults": {fmt.Sprint(pageSize)}}
	if filter != "" {
		query.Set("filter", filter)
	}
	for {
		var list aggregatedPage
		err := c.call(ctx, "list "+collection, func() error {
			list = aggregatedPage{}
			return c.request(ctx, http.MethodGet, "aggregated/"+collection, query, nil, &list)
		})
		if err == nil {
			err = list.each(collection, each)
		}
		if err != nil || list.NextPageToken == "" {
			return err
		}
		query.Set("pageToken", list.NextPageToken)
	}
}

func (p aggregatedPage) each(collection string, each func(region string, o object) error) error {
	if len(p.Unreachables) > 0 {
		return fmt.Errorf("unreachable: %s", strings.Join(p.Unreachables, ", "))
	}
	if err := p.Warning.err(); err != nil {
		return err
	}
	for _, scope := range slices.Sorted(maps.Keys(p.Items)) {
		var warning *listWarning
		var resources []object
		for name, into := range map[string]any{"warning": &warning, collection: &resources} {
			if raw := p.Items[scope][name]; raw != nil {
				if err := json.Unmarshal(raw, into); err != nil {
					return fmt.Errorf("%s: %w", scope, err)
				}
			}
		}
		if err := warning.err(); err != nil {
			return fmt.Errorf("%s: %w", scope, err)
		}
		for _, o := range resources {
			if err := each(strings.TrimPrefix(strings.TrimPrefix(scope, "global"), "regions/"), o); err != nil {
				return err
			}
		}
	}
	return nil
}
