package fakegce_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestEveryMethodHasARateGroup: one that the service documents.
func TestEveryMethodHasARateGroup(t *testing.T) {
	groups := map[string]string{}
	for _, m := range fakegce.Methods() {
		group := m.RateGroup()
		if _, err := fakegce.ParseRateQuota(group + "=1"); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
		groups[m.ID] = group
	}
	for id, want := range map[string]string{
		"networkEndpointGroups.attachNetworkEndpoints":       "network_endpoint_write_requests_per_region",
		"networkEndpointGroups.listNetworkEndpoints":         "network_endpoint_list_requests_per_region",
		"regionNetworkEndpointGroups.detachNetworkEndpoints": "regional_network_endpoint_write_requests_per_region",
		"globalNetworkEndpointGroups.attachNetworkEndpoints": "default",
		"networkEndpointGroups.insert":                       "default_per_region",
		"networkEndpointGroups.get":                          "read_requests_per_region",
		"networkEndpointGroups.list":                         "list_requests_per_region",
		"networkEndpointGroups.aggregatedList":               "heavy_weight_read_requests",
		"backendServices.patch":                              "default",
		"backendServices.get":                                "read_requests",
		"regionBackendServices.listUsable":                   "list_usable_requests_per_region",
		"zoneOperations.wait":                                "heavy_weight_read_requests_per_region",
		"zoneOperations.get":                                 "operation_read_requests_per_region",
		"globalOperations.get":                               "operation_read_requests",
		"zones.get":                                          "read_requests",
		"regions.list":                                       "list_requests",
	} {
		if groups[id] != want {
			t.Errorf("%s counts as %s, want %s", id, groups[id], want)
		}
	}
}

// TestRatesAreCounted by project, region and minute, with no quota set.
func TestRatesAreCounted(t *testing.T) {
	clock := fakegce.NewManualClock(noon.Add(50 * time.Second))
	s, c := start(t, fakegce.Options{Clock: clock})
	for range 3 {
		c.ok("GET", "projects/p1/zones/us-central1-a/instances", "")
	}
	c.ok("GET", "projects/p1/zones/us-central1-b/instances", "") // the same region
	c.ok("GET", "projects/p1/zones/us-east1-b/instances", "")
	c.ok("GET", "projects/p2/zones/us-central1-a/instances", "")
	clock.Advance(10 * time.Second) // another minute begins
	c.ok("GET", "projects/p1/zones/us-central1-a/instances", "")
	c.ok("GET", "projects/p1", "")
	c.do("GET", "projects/p1/zones/nowhere/instances", "")
	want := map[string]fakegce.RateUse{"list_requests_per_region": {Calls: 7, Fullest: 4}, "read_requests": {Calls: 1, Fullest: 1}}
	if d := cmp.Diff(want, s.Stats().Rates); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	s.ClearCalls()
	if got := s.Stats().Rates; len(got) != 0 {
		t.Errorf("after clearing: %v", got)
	}
}

// TestRateQuota: past it the documented body, until the next minute begins.
func TestRateQuota(t *testing.T) {
	for status, name := range map[int]string{http.StatusForbidden: "PERMISSION_DENIED", http.StatusTooManyRequests: "RESOURCE_EXHAUSTED"} {
		clock := fakegce.NewManualClock(noon.Add(30 * time.Second))
		s, c := start(t, fakegce.Options{Clock: clock, RateQuota: map[string]int{"default_per_region": 2}, RateStatus: status})
		c.insert("a")
		c.insert("b")
		got, body := c.do("POST", zone+"networkEndpointGroups", `{"name":"c","networkEndpointType":"GCE_VM_IP"}`)
		failure, _ := body["error"].(map[string]any)
		if got != status || failure["status"] != name {
			t.Fatalf("%d %v, want %d", got, body, status)
		}
		project := c.ok("GET", "projects/p1", "")["id"].(string)
		message := "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per region' of service " +
			"'compute.googleapis.com' for consumer 'project_number:" + project + "'."
		if d := cmp.Diff([]any{map[string]any{"message": message, "domain": "usageLimits", "reason": "rateLimitExceeded"}}, failure["errors"]); d != "" {
			t.Errorf("errors, -want +got:\n%s", d)
		}
		info, _ := failure["details"].([]any)[0].(map[string]any)
		if d := cmp.Diff(map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com",
			"metadata": map[string]any{
				"service": "compute.googleapis.com", "consumer": "projects/" + project,
				"quota_metric": "compute.googleapis.com/default_per_region", "quota_limit": "QueriesPerMinutePerRegion",
				"quota_limit_value": "2", "quota_unit": "1/min/{project}/{region}", "quota_location": "us-central1",
			},
		}, info); d != "" {
			t.Errorf("details, -want +got:\n%s", d)
		}
		if use := s.Stats().Rates["default_per_region"]; use != (fakegce.RateUse{Calls: 2, Refused: 1, Fullest: 2}) {
			t.Errorf("counted %+v", use)
		}
		c.ok("POST", "projects/p1/zones/us-east1-b/networkEndpointGroups", `{"name":"c","networkEndpointType":"GCE_VM_IP"}`)
		clock.Advance(30 * time.Second)
		c.insert("c")
	}
}

func TestParseRateQuota(t *testing.T) {
	got, err := fakegce.ParseRateQuota("default=1500,network_endpoint_write_requests_per_region=60")
	if want := map[string]int{"default": 1500, "network_endpoint_write_requests_per_region": 60}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "default", "default=0", "default=x", "other=1"} {
		if _, err := fakegce.ParseRateQuota(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// TestInjectedDetails: a fault carries the documented body of the quota of
// concurrent operations (cloud.google.com/compute/operations-quota).
func TestInjectedDetails(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	details := []any{map[string]any{
		"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CONCURRENT_OPERATIONS_QUOTA_EXCEEDED", "domain": "compute.googleapis.com",
		"metadatas": map[string]any{
			"containerType": "PROJECT", "containerId": "p1", "location": "us-central1", "operationType": "insert",
			"quotaMetric": "compute.googleapis.com/regional_concurrent_operations", "quotaLimit": "RegionalConcurrentOperations",
		},
	}}
	arm(t, s, fakegce.Fault{Verb: "networkEndpointGroups.insert", Status: 403, Reason: "rateLimitExceeded", Message: "Rate Limit Exceeded", Details: details})
	status, body := c.do("POST", zone+"networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`)
	failure, _ := body["error"].(map[string]any)
	if d := cmp.Diff(details, failure["details"]); status != http.StatusForbidden || d != "" {
		t.Errorf("%d, details -want +got:\n%s", status, d)
	}
	keys := slices.Sorted(maps.Keys(failure))
	if got := strings.Join(keys, " "); got != "code details errors message status" {
		t.Errorf("fields of the error: %s", got)
	}
}
