package sweep

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

// TestHeadrooms: what is used of a quota, and how many days are left at the rate at which what
// is there was made in the last seven.
func TestHeadrooms(t *testing.T) {
	groups := func(zone neg.Zone, n int, age time.Duration) (all []Resource) {
		for range n {
			all = append(all, Resource{Kind: Group, Group: neg.GroupID{Zone: zone}, Created: now.Add(-age)})
		}
		return all
	}
	day := 24 * time.Hour
	p := Project{Name: "p1", Quotas: []neg.Quota{
		{Metric: "NETWORK_ENDPOINT_GROUPS", Region: "us-central1", Limit: 100, Used: 60},
		{Metric: "NETWORK_ENDPOINT_GROUPS", Region: "europe-west1", Limit: 100, Used: 30},
		{Metric: "NETWORK_ENDPOINT_GROUPS", Region: "us-east1", Limit: 100},
		{Metric: "BACKEND_SERVICES", Limit: 50, Used: 50},
		{Metric: "HEALTH_CHECKS", Limit: 0, Used: 1},
	}}
	p.Resources = append(p.Resources, groups("us-central1-a", 10, day)...)
	p.Resources = append(p.Resources, groups("us-central1-b", 4, 6*day)...)
	p.Resources = append(p.Resources, groups("us-central1-b", 46, 8*day)...)
	p.Resources = append(p.Resources, groups("europe-west1-b", 30, 30*day)...)
	p.Resources = append(p.Resources, Resource{Kind: BackendService, Created: now.Add(-day)}, Resource{Kind: HealthCheck})
	var got []string
	low := map[string]bool{}
	for _, h := range Headrooms(Inventory{At: now, Projects: []Project{p}}) {
		got = append(got, h.String())
		low[h.Name()] = h.Low()
	}
	want := []string{
		"project p1: quota BACKEND_SERVICES: 50 of 50 used (100 %), 1 of them new in 7 days; at that rate it is exhausted in 0 days",
		"project p1: quota NETWORK_ENDPOINT_GROUPS us-central1: 60 of 100 used (60 %), 14 of them new in 7 days; at that rate it is exhausted in 20 days",
		"project p1: quota HEALTH_CHECKS: 1 of 0 used (100 %), 0 of them new in 7 days",
		"project p1: quota NETWORK_ENDPOINT_GROUPS europe-west1: 30 of 100 used (30 %), 0 of them new in 7 days",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	wantLow := map[string]bool{"BACKEND_SERVICES": true, "HEALTH_CHECKS": true, "NETWORK_ENDPOINT_GROUPS us-central1": false, "NETWORK_ENDPOINT_GROUPS europe-west1": false}
	if d := cmp.Diff(wantLow, low); d != "" {
		t.Errorf("low (-want +got):\n%s", d)
	}
}
