package fakegce_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

const everywhere = "projects/p1/global/"

// without is a resource as served, less what differs from one to the next.
func without(d map[string]any, fields ...string) map[string]any {
	for _, field := range append(fields, "id", "creationTimestamp", "selfLink", "kind", "name") {
		delete(d, field)
	}
	return d
}

func parsed(t *testing.T, text string) (d map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestHealthCheckDefaults(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	for body, want := range map[string]string{
		`"type":"HTTP"`: `"httpHealthCheck":{"port":80,"proxyHeader":"NONE","requestPath":"/"}`,
		`"type":"HTTPS","httpsHealthCheck":{"portSpecification":"USE_SERVING_PORT"}`: `"httpsHealthCheck":{"portSpecification":"USE_SERVING_PORT","proxyHeader":"NONE","requestPath":"/"}`,
		`"type":"TCP"`: `"tcpHealthCheck":{"port":80,"proxyHeader":"NONE"}`,
		`"type":"GRPC","grpcHealthCheck":{"port":8080,"portSpecification":"USE_FIXED_PORT"}`: `"grpcHealthCheck":{"port":8080,"portSpecification":"USE_FIXED_PORT"}`,
	} {
		c.ok("POST", everywhere+"healthChecks", `{"name":"h",`+body+`}`)
		got := without(c.ok("GET", everywhere+"healthChecks/h", ""), "type")
		all := parsed(t, `{"checkIntervalSec":5,"timeoutSec":5,"healthyThreshold":2,"unhealthyThreshold":2,`+want+`}`)
		if diff := cmp.Diff(all, got); diff != "" {
			t.Errorf("%s, -want +got:\n%s", body, diff)
		}
		c.ok("DELETE", everywhere+"healthChecks/h", "")
	}
}

func TestHealthCheckRefusals(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	for body, want := range map[string]string{
		`{"type":"HTTP"}`:                                                                               "400 required: Required field 'resource.name' not specified",
		`{"name":"H","type":"HTTP"}`:                                                                    "400 invalid: Invalid value for field 'resource.name': 'H'.",
		`{"name":"h"}`:                                                                                  "400 required: Required field 'resource.type' not specified",
		`{"name":"h","type":"INVALID"}`:                                                                 "400 invalid: Invalid value for field 'resource.type': 'INVALID'.",
		`{"name":"h","type":"GRPC"}`:                                                                    "400 required: Required field 'resource.grpcHealthCheck.port' not specified",
		`{"name":"h","type":"TCP","timeoutSec":6}`:                                                      "400 invalid: Invalid value for field 'resource.timeoutSec': '6'.",
		`{"name":"h","type":"TCP","checkIntervalSec":0}`:                                                "400 invalid: Invalid value for field 'resource.checkIntervalSec': '0'.",
		`{"name":"h","type":"TCP","healthyThreshold":"x"}`:                                              "400 badRequest: Invalid JSON payload received. Invalid value at 'healthyThreshold': an integer is wanted, not string",
		`{"name":"h","type":"TCP","httpHealthCheck":{}}`:                                                "400 invalid: Invalid value for field 'resource.httpHealthCheck'",
		`{"name":"h","type":"TCP","tcpHealthCheck":{"port":65536}}`:                                     "400 invalid: Invalid value for field 'resource.tcpHealthCheck.port': '65536'.",
		`{"name":"h","type":"TCP","tcpHealthCheck":{"portSpecification":"USE_FIXED_PORT"}}`:             "400 required: Required field 'resource.tcpHealthCheck.port'",
		`{"name":"h","type":"TCP","tcpHealthCheck":{"portSpecification":"USE_NAMED_PORT"}}`:             "400 invalid: Invalid value for field 'resource.tcpHealthCheck.portSpecification'",
		`{"name":"h","type":"TCP","tcpHealthCheck":{"port":80,"portSpecification":"USE_SERVING_PORT"}}`: "400 invalid: Invalid value for field 'resource.tcpHealthCheck.port': '80'.",
		`{"name":"h","type":"HTTP","httpHealthCheck":{"requestPath":"x"}}`:                              "400 invalid: Invalid value for field 'resource.httpHealthCheck.requestPath': 'x'.",
		`{"name":"h","type":"HTTP","httpHealthCheck":[]}`:                                               "400 invalid: Invalid value for field 'resource.httpHealthCheck'",
		`[]`: `400 badRequest: Invalid JSON payload received. Unknown name "": Root element must be a message.`,
		`{`:  "400 parseError: Parse Error",
	} {
		if got := message(c.do("POST", everywhere+"healthChecks", body)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s\nwant %s", body, got, want)
		}
	}
}

// TestHealthCheckChanges: a patch merges, an update replaces.
func TestHealthCheckChanges(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	h := everywhere + "healthChecks/h"
	c.ok("POST", everywhere+"healthChecks", `{"name":"h","type":"HTTP","description":"d","httpHealthCheck":{"host":"a","port":8080}}`)
	op := c.ok("PATCH", h, `{"description":null,"checkIntervalSec":7,"httpHealthCheck":{"requestPath":"/x"}}`)
	want := parsed(t, `{"type":"HTTP","checkIntervalSec":7,"timeoutSec":5,"healthyThreshold":2,"unhealthyThreshold":2,
		"httpHealthCheck":{"host":"a","port":8080,"proxyHeader":"NONE","requestPath":"/x"}}`)
	got := without(c.ok("GET", h, ""))
	if diff := cmp.Diff(want, got); diff != "" || op["operationType"] != "patch" {
		t.Errorf("%v, -want +got:\n%s", op["operationType"], diff)
	}
	op = c.ok("PUT", h, `{"type":"TCP","description":"e"}`)
	want = parsed(t, `{"type":"TCP","description":"e","checkIntervalSec":5,"timeoutSec":5,"healthyThreshold":2,"unhealthyThreshold":2,
		"tcpHealthCheck":{"port":80,"proxyHeader":"NONE"}}`)
	got = without(c.ok("GET", h, ""))
	if diff := cmp.Diff(want, got); diff != "" || op["operationType"] != "update" {
		t.Errorf("%v, -want +got:\n%s", op["operationType"], diff)
	}
}
