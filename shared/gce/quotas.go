package gce

import (
	"context"
	"fmt"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/shared/neg"
)

// metrics are the quotas that what negfleet makes counts against.
var metrics = map[string]bool{"NETWORK_ENDPOINT_GROUPS": true, "BACKEND_SERVICES": true, "HEALTH_CHECKS": true}

// Quotas reads those of the project and of its regions that count groups, backend services
// and health checks, with two calls. What could not be read of a region makes the whole
// answer an error.
func (c *Client) Quotas(ctx context.Context) ([]neg.Quota, error) {
	what := "read the quotas of project " + c.opts.Project
	var project *compute.Project
	err := c.call(ctx, what, func() (err error) {
		project, err = c.api.Projects.Get(c.opts.Project).Fields("quotas").Context(ctx).Do()
		return err
	})
	if err != nil {
		return nil, err
	}
	all := quotas("", project.Quotas)
	for token := ""; ; {
		var list *compute.RegionList
		err := c.call(ctx, what, func() (err error) {
			list, err = c.api.Regions.List(c.opts.Project).MaxResults(pageSize).PageToken(token).
				Fields(googleapi.Field("items(name,quotas,quotaStatusWarning),nextPageToken,warning")).Context(ctx).Do()
			return err
		})
		if err == nil {
			err = whole(list)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		for _, r := range list.Items {
			all = append(all, quotas(r.Name, r.Quotas)...)
		}
		if token = list.NextPageToken; token == "" {
			return all, nil
		}
	}
}

// whole is an error if a region does not tell of its quotas.
func whole(list *compute.RegionList) error {
	if w := list.Warning; w != nil && w.Code != "NO_RESULTS_ON_PAGE" {
		return fmt.Errorf("incomplete: %s: %s", w.Code, w.Message)
	}
	for _, r := range list.Items {
		if w := r.QuotaStatusWarning; w != nil {
			return fmt.Errorf("region %s: %s: %s", r.Name, w.Code, w.Message)
		}
	}
	return nil
}

func quotas(region string, list []*compute.Quota) (all []neg.Quota) {
	for _, q := range list {
		if metrics[q.Metric] {
			all = append(all, neg.Quota{Metric: q.Metric, Region: region, Limit: q.Limit, Used: q.Usage})
		}
	}
	return all
}
