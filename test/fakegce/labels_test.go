package fakegce_test

import (
	"net/http"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestSetLabels: the fingerprint follows the labels alone, and a stale one is refused
// with the text that clients match on.
func TestSetLabels(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	address := "projects/p1/regions/us-central1/addresses/a"
	fingerprint := func() string { return c.ok("GET", address, "")["labelFingerprint"].(string) }
	set := func(labels, fingerprint string) (int, map[string]any) {
		return c.do("POST", address+"/setLabels", `{"labels":`+labels+`,"labelFingerprint":"`+fingerprint+`"}`)
	}
	c.ok("POST", "projects/p1/regions/us-central1/addresses", `{"name":"a"}`)
	none := fingerprint()
	if status, body := set(`{"team":"shop","env":"test"}`, none); status != http.StatusOK {
		t.Fatalf("%d %v", status, body)
	}
	some := fingerprint()
	if labels := c.ok("GET", address, "")["labels"].(map[string]any); some == none || labels["team"] != "shop" || labels["env"] != "test" {
		t.Errorf("labels %v, fingerprint %s after %s", labels, some, none)
	}
	for _, stale := range []string{none, ""} {
		status, body := set(`{}`, stale)
		item := body["error"].(map[string]any)["errors"].([]any)[0].(map[string]any)
		if status != http.StatusPreconditionFailed || item["reason"] != "conditionNotMet" || item["location"] != "If-Match" ||
			item["message"] != "Labels fingerprint either invalid or resource labels have changed" {
			t.Errorf("fingerprint %q: %d %v", stale, status, item)
		}
	}
	for _, bad := range []string{`{"Team":"shop"}`, `{"team":"Shop"}`, `{"team":1}`, `["team"]`} {
		if status, _ := set(bad, some); status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, _ := set(`{}`, some); status != http.StatusOK || fingerprint() != none {
		t.Errorf("without labels again: %d, fingerprint %s, want %s", status, fingerprint(), none)
	}
	c.ok("POST", "projects/p1/regions/us-central1/addresses", `{"name":"b","labels":{"env":"test","team":"shop"}}`)
	if got := c.ok("GET", "projects/p1/regions/us-central1/addresses/b", "")["labelFingerprint"]; got != some {
		t.Errorf("the same labels from the beginning: %v, want %s", got, some)
	}
}

// TestSecurityPolicies are set and taken away one by one.
func TestSecurityPolicies(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	service := "projects/p1/global/backendServices/s"
	c.ok("POST", "projects/p1/global/backendServices", `{"name":"s"}`)
	c.ok("POST", service+"/setSecurityPolicy", `{"securityPolicy":"global/securityPolicies/a"}`)
	c.ok("POST", service+"/setEdgeSecurityPolicy", `{"securityPolicy":"global/securityPolicies/b"}`)
	if got := c.ok("GET", service, ""); got["securityPolicy"] != "global/securityPolicies/a" || got["edgeSecurityPolicy"] != "global/securityPolicies/b" {
		t.Errorf("policies %v and %v", got["securityPolicy"], got["edgeSecurityPolicy"])
	}
	c.ok("POST", service+"/setSecurityPolicy", `{"securityPolicy":null}`)
	if got := c.ok("GET", service, ""); got["securityPolicy"] != nil || got["edgeSecurityPolicy"] != "global/securityPolicies/b" {
		t.Errorf("policies %v and %v", got["securityPolicy"], got["edgeSecurityPolicy"])
	}
}
