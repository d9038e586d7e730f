package fakegce_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// FuzzRequest: whatever is sent, no handler panics and none answers with an
// error of its own making.
func FuzzRequest(f *testing.F) {
	group := "/compute/v1/" + zone + "networkEndpointGroups"
	for _, seed := range [][3]string{
		{"GET", group + "?filter=name+eq+a&maxResults=1&pageToken=eA", ""},
		{"POST", group, `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT","network":"default","annotations":{"a":"b"}}`},
		{"POST", group + "/g/attachNetworkEndpoints?requestId=1", endpoints("i0 10.4.0.1:80")},
		{"POST", group + "/g/detachNetworkEndpoints", `{"networkEndpoints":[{"instance":"https://x/projects/p/zones/z/instances/i"}]}`},
		{"POST", group + "/g/listNetworkEndpoints?pageToken=bmFtZXwx", `{"healthStatus":"SHOW"}`},
		{"DELETE", group + "/g", ""},
		{"POST", "/compute/v1/projects/p1/global/healthChecks", `{"name":"h","type":"HTTP","httpHealthCheck":{"port":80}}`},
		{"PATCH", "/compute/v1/projects/p1/global/healthChecks/h", `{"httpHealthCheck":null,"type":"TCP"}`},
		{"POST", "/compute/v1/projects/p1/global/backendServices", `{"name":"s","healthChecks":["global/healthChecks/h"],"backends":[{"group":"zones/us-central1-a/networkEndpointGroups/g","balancingMode":"RATE","maxRate":1}]}`},
		{"PATCH", "/compute/v1/projects/p1/global/backendServices/s", `{"fingerprint":"x","backends":[null,{"group":[1]}],"metadatas":{"a":1}}`},
		{"PUT", "/compute/v1/projects/p1/global/backendServices/s", `{"protocol":1e999}`},
		{"POST", "/compute/v1/projects/p1/global/backendServices/s/getHealth", `{"group":"zones/us-central1-a/networkEndpointGroups/g"}`},
		{"POST", "/compute/v1/projects/p1/global/urlMaps", `{"name":"m","defaultService":"global/backendServices/s","hostRules":[{"hosts":["a"]}]}`},
		{"POST", "/compute/v1/projects/p1/targetHttpProxies/p/setUrlMap", `{"urlMap":{}}`},
		{"POST", "/compute/v1/projects/p1/global/targetHttpsProxies", `{"name":"q","urlMap":"global/urlMaps/m","sslCertificates":[["x"]]}`},
		{"POST", "/compute/v1/projects/p1/regions/us-central1/forwardingRules", `{"name":"f","IPAddress":"a","portRange":"1-2","ports":["1"],"target":"x"}`},
		{"POST", "/compute/v1/projects/p1/global/sslCertificates", `{"name":"c","selfManaged":{"certificate":"-----BEGIN X-----
-----END X-----"},"privateKey":"x"}`},
		{"POST", "/compute/v1/projects/p1/global/addresses", `{"name":"a","address":"::1"}`},
		{"POST", "/compute/v1/projects/p1/global/firewalls", `{"name":"w","allowed":[{}],"sourceRanges":{}}`},
		{"GET", "/compute/v1/projects/p1/global/backendServices?filter=backends.group:x&orderBy=name", ""},
		{"GET", "/compute/beta/projects/p1/aggregated/networkEndpointGroups?filter=(a:*)+OR+b<1", ""},
		{"POST", "/compute/v1/" + zone + "operations/x/wait", ""},
		{"POST", "/batch/compute/v1", "--x\r\n\r\nGET /compute/v1/projects/p1 HTTP/1.1\r\n\r\n\r\n--x--"},
		{"POST", "/_emu/seed", `{"instances":[{"project":"p1","zone":"us-east1-b","name":"x","ip":"10.0.0.1"}]}`},
		{"POST", "/_emu/clock", `{"advance":"1s"}`},
		{"GET", "/_emu/timeline?since=1&wait=1ns", ""},
		{"GET", "/compute/v1//..%2f%zz", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s := fakegce.New(fakegce.Options{TimelineLog: 100, CallLog: 100, MaxOperations: 100})
	if err := s.Seed(nodes(1)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		path, query, _ := strings.Cut(target, "?")
		// Faults are there to break things, and waits to wait.
		if strings.Contains(path, "faults") || strings.Contains(query, "wait") {
			return
		}
		u := &url.URL{Path: "/", RawQuery: query}
		if decoded, err := url.PathUnescape(path); err == nil {
			u.Path, u.RawPath = decoded, path
		}
		req := httptest.NewRequest("POST", "/", strings.NewReader(body))
		req.Method, req.URL = method, u
		req.Header.Set("Content-Type", "multipart/mixed; boundary=x")
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		if rec.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", method, target, rec.Code, rec.Body)
		}
		if rec.Code >= http.StatusBadRequest && !strings.Contains(target, "_emu") && strings.Contains(rec.Body.String(), "Go ") {
			t.Errorf("%s %s speaks of the emulator's own types: %s", method, target, rec.Body)
		}
	})
}
