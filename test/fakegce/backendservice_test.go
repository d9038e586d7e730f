package fakegce_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

const service = everywhere + "backendServices/s"

// backend is a backend in JSON: a group, and a mode with its target.
func backend(group, rest string) string {
	return fmt.Sprintf(`{"group":"%s","balancingMode":%s}`, zone+"networkEndpointGroups/"+group, rest)
}

const rate = `"RATE","maxRatePerEndpoint":100`

// balanced is an emulator with the groups g and h, a health check hc and the
// backend service s, which has g.
func balanced(t testing.TB, opts fakegce.Options) client {
	_, c := start(t, opts)
	c.done(c.insert("g"), zone)
	c.done(c.insert("h"), zone)
	c.done(c.ok("POST", everywhere+"healthChecks", `{"name":"hc","type":"HTTP"}`), everywhere)
	c.done(c.ok("POST", everywhere+"backendServices", `{"name":"s","healthChecks":["global/healthChecks/hc"],"backends":[`+backend("g", rate)+`]}`), everywhere)
	return c
}

// done waits for an operation of a scope.
func (c client) done(op map[string]any, scope string) {
	c.t.Helper()
	for op["status"] != "DONE" {
		op = c.ok("POST", scope+"operations/"+op["name"].(string)+"/wait", "")
	}
}

func (c client) fingerprint(path string) string {
	c.t.Helper()
	f, _ := c.ok("GET", path, "")["fingerprint"].(string)
	return f
}

func TestBackendServiceDefaults(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	c.ok("POST", everywhere+"backendServices", `{"name":"s","fingerprint":"ignored","somethingNew":{"a":[1]}}`)
	got := c.ok("GET", service, "")
	if f := got["fingerprint"].(string); len(f) != 12 || !strings.HasSuffix(f, "=") {
		t.Errorf("fingerprint %q", f)
	}
	want := parsed(t, `{"affinityCookieTtlSec":0,"connectionDraining":{"drainingTimeoutSec":0},"description":"","enableCDN":false,
		"loadBalancingScheme":"EXTERNAL","port":80,"portName":"http","protocol":"HTTP","sessionAffinity":"NONE","timeoutSec":30,
		"somethingNew":{"a":[1]}}`)
	if diff := cmp.Diff(want, without(got, "fingerprint")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBackendRules(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	c.ok("POST", zone+"networkEndpointGroups", `{"name":"ip","networkEndpointType":"GCE_VM_IP"}`)
	c.ok("POST", "projects/p1/regions/us-central1/networkEndpointGroups", `{"name":"run","networkEndpointType":"SERVERLESS","cloudRun":{"service":"x"}}`)
	run := `{"group":"projects/p1/regions/us-central1/networkEndpointGroups/run"}`
	hc := `"healthChecks":["global/healthChecks/hc"]`
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf(`{"group":"%snetworkEndpointGroups/g%d"}`, zone, i))
		c.insert(fmt.Sprintf("g%d", i))
	}
	field := "400 invalid: Invalid value for field 'resource.backends[0]."
	for _, tt := range []struct{ rest, want string }{
		{hc + `,"backends":[` + backend("g", `"RATE","maxRate":10,"capacityScaler":0.5`) + `,` + backend("h", rate) + `]`, "200"},
		{hc + `,"protocol":"TCP","backends":[` + backend("g", `"CONNECTION","maxConnections":10`) + `]`, "200"},
		{hc + `,"protocol":"TCP","loadBalancingScheme":"INTERNAL","backends":[` + backend("ip", `"CONNECTION"`) + `]`, "200"},
		{hc + `,"backends":[` + backend("g", `"IN_FLIGHT","maxInFlightRequests":10`) + `]`, "200"},
		{`"backends":[` + run + `]`, "200"},
		{hc + `,"backends":[` + backend("g", rate) + `,` + backend("g", rate) + `]`, "400 invalid: Duplicate network endpoint groups in backend service."},
		{hc + `,"backends":[` + backend("none", rate) + `]`, "404 notFound: The resource '" + zone + "networkEndpointGroups/none' was not found"},
		{hc + `,"backends":[{"balancingMode":"RATE"}]`, "400 required: Required field 'resource.backends[0].group'"},
		{hc + `,"backends":[{"group":"g"}]`, "404 notFound: "},
		{hc + `,"backends":[{"group":"a/b"}]`, field + "group': 'a/b'. The URL is malformed."},
		{hc + `,"backends":[` + strings.Join(many, ",") + `]`, "400 invalid: Invalid value for field 'resource.backends'"},
		{hc + `,"protocol":"TCP","backends":[` + backend("g", `"CONNECTION","maxConnections":10`) + `,` + backend("ip", `"CONNECTION"`) + `]`,
			"400 invalid: Invalid value for field 'resource.backends[1].group'"},
		{hc + `,"backends":[` + backend("g", `"UTILIZATION"`) + `]`, field + "balancingMode': 'UTILIZATION'"},
		{hc + `,"backends":[{"group":"` + zone + `networkEndpointGroups/g"}]`, field + "balancingMode': 'UTILIZATION'"},
		{hc + `,"backends":[` + backend("g", `"CONNECTION","maxConnections":10`) + `]`, field + "balancingMode': 'CONNECTION'"},
		{hc + `,"protocol":"TCP","backends":[` + backend("g", rate) + `]`, field + "balancingMode': 'RATE'"},
		{hc + `,"backends":[` + backend("g", `"RATE"`) + `]`, field + "balancingMode': 'RATE'. Exactly one of"},
		{hc + `,"backends":[` + backend("g", rate+`,"maxConnections":1`) + `]`, field + "maxConnections"},
		{hc + `,"backends":[` + backend("g", rate+`,"capacityScaler":0.05`) + `]`, field + "capacityScaler': '0.05'"},
		{hc + `,"backends":[` + backend("ip", rate) + `]`, field + "balancingMode': 'RATE'. Balancing mode must be CONNECTION"},
		{hc + `,"backends":[null]`, "400 required: "},
		{hc + `,"backends":{}`, "400 badRequest: Invalid JSON payload received. Invalid value at 'backends': a list is wanted, not object"},
		{`"healthChecks":"global/healthChecks/hc"`, "400 badRequest: Invalid JSON payload received. Invalid value at 'healthChecks': a list is wanted, not string"},
		{`"backends":[` + backend("g", rate) + `]`, "400 invalid: Invalid value for field 'resource.healthChecks'"},
		{hc + `,"backends":[` + run + `]`, "400 invalid: Invalid value for field 'resource.healthChecks'"},
		{`"healthChecks":["global/healthChecks/none"]`, "404 notFound: "},
		{`"healthChecks":["global/healthChecks/hc","regions/us-central1/healthChecks/hc"]`, "400 invalid: Invalid value for field 'resource.healthChecks[1]'"},
		{`"protocol":"QUIC"`, "400 invalid: Invalid value for field 'resource.protocol': 'QUIC'"},
		{`"timeoutSec":-1`, "400 invalid: Invalid value for field 'resource.timeoutSec'"},
	} {
		got := message(c.do("POST", everywhere+"backendServices", `{"name":"t",`+tt.rest+`}`))
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s\n%s, want %s", tt.rest, got, tt.want)
		}
		if got == "200" {
			c.ok("DELETE", everywhere+"backendServices/t", "")
		}
	}
}

// TestFingerprint: a change needs the current one, and makes another; nothing
// else does.
func TestFingerprint(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	f := c.fingerprint(service)
	c.ok("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80"))
	c.ok("POST", everywhere+"urlMaps", `{"name":"m","defaultService":"`+service+`"}`)
	for _, tt := range []struct{ verb, body, want string }{
		{"PATCH", `{"timeoutSec":1}`, "400 required: Required field 'resource.fingerprint' not specified"},
		{"PUT", `{"timeoutSec":1}`, "400 required: Required field 'resource.fingerprint' not specified"},
		{"PATCH", `{"timeoutSec":1,"fingerprint":"AAAAAAAAAAA="}`, "412 conditionNotMet: Invalid fingerprint."},
		{"PUT", `{"timeoutSec":1,"fingerprint":"AAAAAAAAAAA="}`, "412 conditionNotMet: Invalid fingerprint."},
		{"PATCH", `{"timeoutSec":0,"fingerprint":"` + f + `"}`, "400 invalid: "},
	} {
		if got := message(c.do(tt.verb, service, tt.body)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.verb, tt.body, got, tt.want)
		}
	}
	if now := c.fingerprint(service); now != f {
		t.Errorf("became %s of %s by no change", now, f)
	}
	for range 2 { // the same change twice is two changes
		op := c.ok("PATCH", service, `{"timeoutSec":1,"fingerprint":"`+f+`"}`)
		if op["fingerprint"] != nil {
			t.Errorf("answered with a fingerprint: %v", op)
		}
		now := c.fingerprint(service)
		if now == f {
			t.Errorf("still %s", f)
		}
		f = now
	}
}

// TestFingerprintAlphabets: bytes are the same in either alphabet of base64.
func TestFingerprintAlphabets(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	seen := ""
	for range 40 {
		f := c.fingerprint(service)
		seen += f
		urls := strings.NewReplacer("+", "-", "/", "_").Replace(f)
		c.ok("PATCH", service, `{"fingerprint":"`+urls+`"}`)
	}
	if !strings.ContainsAny(seen, "+/") {
		t.Errorf("no fingerprint tells the alphabets apart: %s", seen)
	}
}

// TestManyWriters: whoever reads, adds and retries loses nobody's backend.
func TestManyWriters(t *testing.T) {
	c := balanced(t, fakegce.Options{OpLatency: time.Millisecond})
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			name := fmt.Sprintf("w%d", i)
			c.done(c.insert(name), zone)
			for {
				now := c.ok("GET", service, "")
				list, err := json.Marshal(append(now["backends"].([]any), parsed(t, backend(name, rate))))
				if err != nil {
					t.Error(err)
					return
				}
				status, answer := c.do("PATCH", service, fmt.Sprintf(`{"fingerprint":"%s","backends":%s}`, now["fingerprint"], list))
				if status == http.StatusOK {
					c.done(answer, everywhere)
					return
				}
				if got := message(status, answer); !strings.HasPrefix(got, "412 ") && !strings.HasPrefix(got, "400 resourceNotReady") {
					t.Error(got)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.ok("GET", service, "")["backends"].([]any)); n != writers+1 {
		t.Errorf("%d backends", n)
	}
}

func TestIfMatch(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	f := c.fingerprint(service)
	for _, tt := range []struct{ match, want string }{
		{`"AAAAAAAAAAA="`, "412 conditionNotMet: Invalid fingerprint."},
		{f, "200"},
		{`*`, "200"},
	} {
		req, err := http.NewRequest("PATCH", c.base+"/compute/v1/"+service, strings.NewReader(`{"timeoutSec":7}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-Match", tt.match)
		if got := message(c.send(req)); got != tt.want {
			t.Errorf("If-Match %s: %s, want %s", tt.match, got, tt.want)
		}
	}
}

func TestMissingFingerprint(t *testing.T) {
	for setting, want := range map[string][2]string{
		"":                {"400 required", "400 required"},
		"conditionNotMet": {"412 conditionNotMet", "412 conditionNotMet"},
		"optional":        {"200", "400 required"},
	} {
		c := balanced(t, fakegce.Options{MissingFingerprint: setting})
		for i, verb := range []string{"PATCH", "PUT"} {
			if got := message(c.do(verb, service, `{"timeoutSec":1}`)); !strings.HasPrefix(got, want[i]) {
				t.Errorf("%q, %s: %s, want %s", setting, verb, got, want[i])
			}
		}
	}
}

// TestPatchAndUpdate: a patch replaces backends whole and leaves the rest, an
// update leaves nothing.
func TestPatchAndUpdate(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	groups := func() (names string) {
		list, _ := c.ok("GET", service, "")["backends"].([]any)
		for _, b := range list {
			link := b.(map[string]any)["group"].(string)
			names += link[strings.LastIndex(link, "/")+1:]
		}
		return names
	}
	for _, tt := range []struct{ verb, fields, want string }{
		{"PATCH", `"timeoutSec":11`, "g"},
		{"PATCH", `"backends":[` + backend("h", rate) + `]`, "h"},
		{"PATCH", `"backends":[` + backend("h", rate) + `,` + backend("g", rate) + `],"name":"other","usedBy":[{}]`, "hg"},
		{"PATCH", `"backends":[]`, ""},
		{"PUT", `"name":"s","healthChecks":["global/healthChecks/hc"],"backends":[` + backend("g", rate) + `]`, "g"},
		{"PUT", `"name":"s"`, ""},
	} {
		before := c.ok("GET", service, "")
		c.ok(tt.verb, service, `{"fingerprint":"`+before["fingerprint"].(string)+`",`+tt.fields+`}`)
		if got := groups(); got != tt.want {
			t.Errorf("%s %s: groups %q, want %q", tt.verb, tt.fields, got, tt.want)
		}
		after := c.ok("GET", service, "")
		if after["id"] != before["id"] || after["name"] != "s" {
			t.Errorf("identity: %v %v", after["id"], after["name"])
		}
	}
	if got := c.ok("GET", service, ""); got["timeoutSec"] != 30.0 || got["healthChecks"] != nil {
		t.Errorf("after an update: %v", got)
	}
}

func TestInUse(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	g := zone + "networkEndpointGroups/g"
	c.ok("POST", everywhere+"urlMaps", `{"name":"m","defaultService":"`+service+`"}`)
	for path, want := range map[string]string{
		g:                              "The network_endpoint_group resource '" + g + "' is already being used by '" + service + "'",
		everywhere + "healthChecks/hc": "The health_check resource '" + everywhere + "healthChecks/hc' is already being used by '" + service + "'",
		service:                        "The backend_service resource '" + service + "' is already being used by '" + everywhere + "urlMaps/m'",
	} {
		if got := message(c.do("DELETE", path, "")); got != "400 resourceInUseByAnotherResource: "+want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	if got := fmt.Sprint(c.ok("GET", service, "")["usedBy"]); !strings.HasSuffix(got, everywhere+"urlMaps/m]]") {
		t.Errorf("used by %s", got)
	}
	for _, path := range []string{everywhere + "urlMaps/m", service, g, everywhere + "healthChecks/hc"} {
		c.ok("DELETE", path, "")
	}
}

// TestChangeUnderWay: until a change is done there can be no other, what it
// will refer to is in use and so is what it no longer will.
func TestChangeUnderWay(t *testing.T) {
	clock, _, c := slow(t, nil)
	c.insert("g")
	c.insert("h")
	c.ok("POST", everywhere+"healthChecks", `{"name":"hc","type":"HTTP"}`)
	clock.Advance(10 * time.Second)
	c.ok("POST", everywhere+"backendServices", `{"name":"s","healthChecks":["global/healthChecks/hc"],"backends":[`+backend("g", rate)+`]}`)
	if got := message(c.do("DELETE", zone+"networkEndpointGroups/g", "")); !strings.HasPrefix(got, "400 resourceInUse") {
		t.Errorf("delete: %s", got)
	}
	clock.Advance(10 * time.Second)
	f := c.fingerprint(service)
	patch := `{"fingerprint":"` + f + `","backends":[` + backend("h", rate) + `]}`
	c.ok("PATCH", service, patch)
	for _, tt := range []struct{ verb, path, body, want string }{
		{"PATCH", service, patch, "400 resourceNotReady: The resource '" + service + "' is not ready"},
		{"DELETE", service, "", "400 resourceNotReady: "},
		{"DELETE", zone + "networkEndpointGroups/g", "", "400 resourceInUse"},
		{"DELETE", zone + "networkEndpointGroups/h", "", "400 resourceInUse"},
	} {
		if got := message(c.do(tt.verb, tt.path, tt.body)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.verb, tt.path, got, tt.want)
		}
	}
	if now := c.fingerprint(service); now != f {
		t.Error("changed before it was done")
	}
	clock.Advance(10 * time.Second)
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
	again := `{"fingerprint":"` + c.fingerprint(service) + `","backends":[` + backend("g", rate) + `]}`
	if got := message(c.do("PATCH", service, again)); !strings.HasPrefix(got, "400 resourceNotReady: The resource '"+zone+"networkEndpointGroups/g'") {
		t.Errorf("a group that is being deleted: %s", got)
	}
}

// TestFailedChange: what an operation does not do leaves no trace.
func TestFailedChange(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.insert("g")
	c.ok("POST", everywhere+"healthChecks", `{"name":"hc","type":"HTTP"}`)
	c.ok("POST", everywhere+"backendServices", `{"name":"s","healthChecks":["global/healthChecks/hc"]}`)
	f := c.fingerprint(service)
	if err := s.AddFaults(fakegce.Fault{Verb: "backendServices.*", Operation: &fakegce.OperationError{Code: "BROKEN", HTTPStatus: 503}}); err != nil {
		t.Fatal(err)
	}
	c.ok("PATCH", service, `{"fingerprint":"`+f+`","backends":[`+backend("g", rate)+`]}`)
	c.ok("POST", everywhere+"backendServices", `{"name":"t","healthChecks":["global/healthChecks/hc"],"backends":[`+backend("g", rate)+`]}`)
	c.ok("DELETE", service, "")
	s.ClearFaults()
	if now := c.fingerprint(service); now != f {
		t.Errorf("fingerprint %s of %s", now, f)
	}
	if status, _ := c.do("GET", everywhere+"backendServices/t", ""); status != 404 {
		t.Errorf("status %d", status)
	}
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
}

func TestGetHealth(t *testing.T) {
	c := balanced(t, fakegce.Options{})
	for group, want := range map[string]string{
		`"https://example.com/compute/v1/` + zone + `networkEndpointGroups/g"`: "200",
		`"` + zone + `networkEndpointGroups/h"`:                                "400 invalid: Invalid value for field 'resource.group'",
		`null`:                                                                 "400 required: ",
	} {
		status, answer := c.do("POST", service+"/getHealth", `{"group":`+group+`}`)
		if got := message(status, answer); !strings.HasPrefix(got, want) || status == 200 && answer["kind"] != "compute#backendServiceGroupHealth" {
			t.Errorf("%s: %s %v, want %s", group, got, answer, want)
		}
	}
}
