package gce_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestQuotas: of the project, and of each region, in two calls.
func TestQuotas(t *testing.T) {
	c := newCloud(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 100}})
	c.check(c.CreateGroup(t.Context(), group, owner))
	c.check(c.CreateHealthCheck(t.Context(), neg.HealthCheckID{Name: "h"}, owner, neg.Fields{"type": "TCP"}))
	c.fake.ClearCalls()
	all, err := c.Quotas(t.Context())
	c.check(err)
	for _, want := range []neg.Quota{
		{Metric: "NETWORK_ENDPOINT_GROUPS", Region: "us-central1", Limit: 100, Used: 1},
		{Metric: "NETWORK_ENDPOINT_GROUPS", Region: "europe-west1", Limit: 100},
		{Metric: "HEALTH_CHECKS", Limit: 50, Used: 1},
		{Metric: "BACKEND_SERVICES", Limit: 50},
	} {
		if !slices.Contains(all, want) {
			t.Errorf("no %+v in %+v", want, all)
		}
	}
	if n := len(c.fake.Calls(fakegce.CallFilter{})); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

// TestQuotasForbidden: what may not be read is an error that names the project.
func TestQuotasForbidden(t *testing.T) {
	c := newCloud(t, fakegce.Options{DeniedPermissions: []string{"compute.regions.list"}})
	if all, err := c.client(gce.Options{}).Quotas(t.Context()); err == nil || !strings.Contains(err.Error(), "quotas of project p1") {
		t.Errorf("%v, %v", all, err)
	}
}
