package fakegce_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

func TestValidateURLMap(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	service := func(name string) string {
		return "https://www.googleapis.com/compute/v1/projects/p1/global/backendServices/" + name
	}
	for _, name := range []string{"all", "shop", "images", "big"} {
		c.ok("POST", "projects/p1/global/backendServices", `{"name":"`+name+`"}`)
	}
	const routes = `"defaultService":"global/backendServices/all",
		"hostRules":[{"hosts":["*"],"pathMatcher":"any"},{"hosts":["*.negfleet.dev","negfleet.dev"],"pathMatcher":"shop"}],
		"pathMatchers":[{"name":"any","defaultService":"global/backendServices/all"},
			{"name":"shop","defaultService":"global/backendServices/shop","pathRules":[
				{"paths":["/images/*"],"service":"global/backendServices/images"},
				{"paths":["/images/big","/images/big/*"],"service":"global/backendServices/big"}]}]`
	test := func(host, path, want string) string {
		return `{"host":"` + host + `","path":"` + path + `","service":"global/backendServices/` + want + `"}`
	}
	right := test("example.org", "/images/x", "all") + "," + test("a.negfleet.dev", "/", "shop") + "," + test("negfleet.dev", "/images/x", "images") +
		"," + test("negfleet.dev", "/images/big", "big") + "," + test("negfleet.dev", "/images/big/x", "big") + "," + test("negfleet.dev", "/images", "shop")
	wrong := test("negfleet.dev", "/images/x", "big")
	for _, tt := range []struct {
		body string
		want map[string]any
	}{
		{`{` + routes + `,"tests":[` + right + `]}`, map[string]any{"loadSucceeded": true, "testPassed": true}},
		{`{` + routes + `,"tests":[` + right + `,` + wrong + `]}`, map[string]any{"loadSucceeded": true, "testPassed": false, "testFailures": []any{map[string]any{
			"host": "negfleet.dev", "path": "/images/x", "expectedService": service("big"), "actualService": service("images"),
		}}}},
		{`{"defaultService":"global/backendServices/none"}`, map[string]any{"loadSucceeded": false, "loadErrors": []any{
			"The resource 'projects/p1/global/backendServices/none' was not found",
		}}},
	} {
		got := c.ok("POST", "projects/p1/global/urlMaps/m/validate", `{"resource":`+tt.body+`}`)["result"]
		if d := cmp.Diff(any(tt.want), got); d != "" {
			t.Errorf("%s\n-want +got:\n%s", tt.body, d)
		}
	}
	if status, _ := c.do("GET", "projects/p1/global/urlMaps/m", ""); status != 404 {
		t.Errorf("validating stored it: %d", status)
	}
}

// TestInvalidateCache: an operation on the map, which stays as it is.
func TestInvalidateCache(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	const m = "projects/p1/global/urlMaps/m"
	c.ok("POST", "projects/p1/global/backendServices", `{"name":"s"}`)
	c.ok("POST", "projects/p1/global/urlMaps", `{"name":"m","defaultService":"global/backendServices/s"}`)
	before := c.ok("GET", m, "")
	op := c.ok("POST", m+"/invalidateCache", `{"path":"/images/*"}`)
	if got := c.failure(op); op["operationType"] != "invalidateCache" || got != "" {
		t.Errorf("operation %v: %s", op["operationType"], got)
	}
	if d := cmp.Diff(before, c.ok("GET", m, "")); d != "" {
		t.Errorf("the map changed:\n%s", d)
	}
	if status, _ := c.do("POST", m+"/invalidateCache", `{"path":"images"}`); status != 400 {
		t.Errorf("a path without a slash: %d", status)
	}
}
