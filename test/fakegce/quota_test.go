package fakegce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// usage reads the quotas of a project or a region: "usage/limit" by metric.
func (c client) usage(path string) map[string]string {
	c.t.Helper()
	got := map[string]string{}
	quotas, _ := c.ok("GET", path, "")["quotas"].([]any)
	for _, q := range quotas {
		q := q.(map[string]any)
		got[q["metric"].(string)] = fmt.Sprintf("%v/%v", q["usage"], q["limit"])
	}
	return got
}

// TestQuotasAreLive: usage follows what there is, in the project and by region.
func TestQuotasAreLive(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	if err := s.Seed(fakegce.Seed{Networks: []fakegce.Network{{Project: "p1", Name: "other"}}}); err != nil {
		t.Fatal(err)
	}
	c.insert("g")
	c.ok("POST", "projects/p1/zones/us-central1-f/networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`)
	wholeChain(c)
	c.ok("POST", "projects/p1/global/forwardingRules", `{"name":"second","IPAddress":"global/addresses/a","target":"global/targetHttpProxies/p","portRange":"81"}`)
	c.ok("POST", "projects/p1/regions/us-central1/addresses", `{"name":"inside","addressType":"INTERNAL"}`)
	c.ok("POST", "projects/p1/regions/us-central1/addresses", `{"name":"outside"}`)
	want := map[string]string{
		"BACKEND_SERVICES": "1/50", "FIREWALLS": "1/100", "FORWARDING_RULES": "2/15", "HEALTH_CHECKS": "1/50", "IN_USE_ADDRESSES": "1/8",
		"NETWORKS": "2/15", "SSL_CERTIFICATES": "0/10", "STATIC_ADDRESSES": "1/8", "SUBNETWORKS": "42/275",
		"TARGET_HTTPS_PROXIES": "0/10", "TARGET_HTTP_PROXIES": "1/10", "URL_MAPS": "1/10",
	}
	if d := cmp.Diff(want, c.usage("projects/p1")); d != "" {
		t.Errorf("project, -want +got:\n%s", d)
	}
	want = map[string]string{"IN_USE_ADDRESSES": "0/8", "INSTANCES": "3/6000", "NETWORK_ENDPOINT_GROUPS": "2/2500", "STATIC_ADDRESSES": "1/8"}
	if d := cmp.Diff(want, c.usage("projects/p1/regions/us-central1")); d != "" {
		t.Errorf("region, -want +got:\n%s", d)
	}
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
	if got := c.usage("projects/p1/regions/us-central1")["NETWORK_ENDPOINT_GROUPS"]; got != "1/2500" {
		t.Errorf("after a deletion: %s", got)
	}
}

// wholeChain is one of each of what leads from an address to a backend service.
func wholeChain(c client) {
	c.t.Helper()
	for _, step := range [][2]string{
		{"healthChecks", `{"name":"h","type":"TCP"}`},
		{"backendServices", `{"name":"s","healthChecks":["global/healthChecks/h"]}`},
		{"urlMaps", `{"name":"m","defaultService":"global/backendServices/s"}`},
		{"targetHttpProxies", `{"name":"p","urlMap":"global/urlMaps/m"}`},
		{"addresses", `{"name":"a"}`},
		{"forwardingRules", `{"name":"f","IPAddress":"global/addresses/a","target":"global/targetHttpProxies/p","portRange":"80"}`},
		{"firewalls", `{"name":"w","allowed":[{"IPProtocol":"tcp"}]}`},
	} {
		c.ok("POST", "projects/p1/global/"+step[0], step[1])
	}
}

// TestEveryQuotaIsEnforced: inside the operation, with the details of the quota.
func TestEveryQuotaIsEnforced(t *testing.T) {
	for _, tt := range []struct{ metric, path, first, second string }{
		{"HEALTH_CHECKS", "global/healthChecks", `{"name":"a","type":"TCP"}`, `{"name":"b","type":"TCP"}`},
		{"FIREWALLS", "global/firewalls", `{"name":"a","allowed":[{"IPProtocol":"tcp"}]}`, `{"name":"b","allowed":[{"IPProtocol":"tcp"}]}`},
		{"STATIC_ADDRESSES", "global/addresses", `{"name":"a"}`, `{"name":"b"}`},
		{"STATIC_ADDRESSES", "regions/us-central1/addresses", `{"name":"a"}`, `{"name":"b"}`},
		{"NETWORK_ENDPOINT_GROUPS", "zones/us-central1-a/networkEndpointGroups",
			`{"name":"a","networkEndpointType":"GCE_VM_IP"}`, `{"name":"b","networkEndpointType":"GCE_VM_IP"}`},
	} {
		_, c := start(t, fakegce.Options{Quota: map[string]int{tt.metric: 1}})
		all := "projects/p1/" + tt.path
		c.ok("POST", all, tt.first)
		op := c.ok("POST", all, tt.second)
		got := c.ok("GET", op["selfLink"].(string)[len("https://www.googleapis.com"):], "")
		place, location := "globally", map[string]any{"global": "global"}
		name := map[string]string{
			"HEALTH_CHECKS": "HEALTH-CHECKS-per-project", "FIREWALLS": "FIREWALLS-per-project", "STATIC_ADDRESSES": "STATIC-ADDRESSES-per-project",
			"NETWORK_ENDPOINT_GROUPS": "NETWORK-ENDPOINT-GROUPS-per-project-region",
		}[tt.metric]
		if tt.path[0] != 'g' {
			place, location = "in region us-central1", map[string]any{"region": "us-central1"}
		}
		if tt.metric == "STATIC_ADDRESSES" && tt.path[0] == 'r' {
			name += "-region"
		}
		want := map[string]any{"errors": []any{map[string]any{
			"code": "QUOTA_EXCEEDED", "message": "Quota '" + tt.metric + "' exceeded.  Limit: 1.0 " + place + ".",
			"errorDetails": []any{map[string]any{"quotaInfo": map[string]any{
				"metricName": "compute.googleapis.com/" + strings.ToLower(tt.metric), "limitName": name, "limit": 1.0, "dimensions": location,
			}}},
		}}}
		if d := cmp.Diff(want, got["error"]); d != "" {
			t.Errorf("%s at %s, -want +got:\n%s", tt.metric, tt.path, d)
		}
		if status, _ := c.do("GET", all+"/b", ""); status != 404 {
			t.Errorf("%s: the second is there: %d", tt.metric, status)
		}
		c.ok("DELETE", all+"/a", "")
		c.ok("POST", all, tt.second)
		c.ok("GET", all+"/b", "")
	}
}

// TestSharedAddressCountsOnce: a second rule on an address in use is within its quota.
func TestSharedAddressCountsOnce(t *testing.T) {
	_, c := start(t, fakegce.Options{Quota: map[string]int{"IN_USE_ADDRESSES": 1}})
	wholeChain(c)
	rules := "projects/p1/global/forwardingRules"
	c.ok("POST", rules, `{"name":"same","IPAddress":"global/addresses/a","target":"global/targetHttpProxies/p","portRange":"81"}`)
	c.ok("GET", rules+"/same", "")
	c.ok("POST", rules, `{"name":"another","target":"global/targetHttpProxies/p","portRange":"80"}`)
	if status, _ := c.do("GET", rules+"/another", ""); status != 404 {
		t.Errorf("a second address passed: %d", status)
	}
}
