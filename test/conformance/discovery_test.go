package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// discovery is the part of a discovery document that is checked.
type discovery struct {
	Resources map[string]struct {
		Methods map[string]method `json:"methods"`
	} `json:"resources"`
	Schemas map[string]schema `json:"schemas"`
}

type method struct {
	HTTPMethod string            `json:"httpMethod"`
	Path       string            `json:"path"`
	Parameters map[string]schema `json:"parameters"`
	Response   struct {
		Ref string `json:"$ref"`
	} `json:"response"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Location   string            `json:"location"`
	Enum       []string          `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Additional *schema           `json:"additionalProperties"`
	Items      *schema           `json:"items"`
}

func readDiscovery(t *testing.T) *discovery {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("finding the client's module: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "compute/v1/compute-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := &discovery{}
	if err := json.Unmarshal(raw, d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *discovery) method(id string) (method, bool) {
	resource, name, _ := strings.Cut(id, ".")
	m, ok := d.Resources[resource].Methods[name]
	return m, ok
}

func TestMethodsExist(t *testing.T) {
	d := readDiscovery(t)
	for _, m := range fakegce.Methods() {
		want, ok := d.method(m.ID)
		if !ok {
			t.Errorf("%s does not exist", m.ID)
			continue
		}
		if m.HTTP != want.HTTPMethod || m.Path != want.Path {
			t.Errorf("%s is %s %s, want %s %s", m.ID, m.HTTP, m.Path, want.HTTPMethod, want.Path)
		}
		for _, name := range m.Query {
			if want.Parameters[name].Location != "query" {
				t.Errorf("%s has no parameter %s", m.ID, name)
			}
		}
	}
}

// conforms reports what of a JSON value its schema does not have.
func (d *discovery) conforms(at string, value any, s schema) []string {
	if s.Ref != "" {
		s = d.Schemas[s.Ref]
	}
	switch v := value.(type) {
	case map[string]any:
		return d.objectConforms(at, v, s)
	case []any:
		if s.Type != "array" {
			return []string{at + " is an array, want " + s.Type}
		}
		var bad []string
		for i, item := range v {
			bad = append(bad, d.conforms(fmt.Sprintf("%s[%d]", at, i), item, *s.Items)...)
		}
		return bad
	}
	if !scalarConforms(value, s) {
		return []string{fmt.Sprintf("%s = %v (%T), want %s %s %v", at, value, value, s.Type, s.Format, s.Enum)}
	}
	return nil
}

func (d *discovery) objectConforms(at string, v map[string]any, s schema) []string {
	var bad []string
	if s.Type != "object" {
		return []string{at + " is an object, want " + s.Type}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		field, ok := s.Properties[name]
		if !ok && s.Additional != nil {
			field, ok = *s.Additional, true
		}
		if !ok {
			bad = append(bad, at+"."+name+" does not exist")
			continue
		}
		bad = append(bad, d.conforms(at+"."+name, v[name], field)...)
	}
	return bad
}

// scalarConforms: 64 bit numbers travel as text.
func scalarConforms(value any, s schema) bool {
	switch v := value.(type) {
	case string:
		return s.Type == "string" && (len(s.Enum) == 0 || slices.Contains(s.Enum, v))
	case float64:
		return s.Type == "number" || s.Type == "integer" && v == float64(int64(v))
	case bool:
		return s.Type == "boolean"
	}
	return false
}

// conversation calls every method, some to be answered with an error inside an
// operation, some with warnings.
var conversation = []struct{ verb, path, body string }{
	{"POST", "zones/Z/networkEndpointGroups", `{"name":"a","networkEndpointType":"GCE_VM_IP_PORT","defaultPort":80,"description":"d","annotations":{"k":"v"},"subnetwork":"default"}`},
	{"POST", "zones/Z/networkEndpointGroups", `{"name":"b","networkEndpointType":"GCE_VM_IP"}`},
	{"GET", "zones/Z/networkEndpointGroups/a", ""},
	{"GET", "zones/Z/networkEndpointGroups?maxResults=1", ""},
	{"POST", "zones/Z/networkEndpointGroups/a/attachNetworkEndpoints?requestId=9b2c7a52-7d1c-4c0e-9a10-0b1d3f6a7e01", `{"networkEndpoints":[{"instance":"node-1","ipAddress":"10.8.0.1","annotations":{"k":"v"}},{"instance":"node-1"}]}`},
	{"POST", "zones/Z/networkEndpointGroups/a/listNetworkEndpoints?maxResults=1", `{"healthStatus":"SHOW"}`},
	{"POST", "zones/Z/networkEndpointGroups/a/detachNetworkEndpoints", `{"networkEndpoints":[{"instance":"node-1"}]}`},
	{"GET", "aggregated/networkEndpointGroups", ""},
	{"POST", "regions/R/networkEndpointGroups", `{"name":"s","networkEndpointType":"SERVERLESS","cloudRun":{"service":"web"}}`},
	{"POST", "regions/R/networkEndpointGroups", `{"name":"i","networkEndpointType":"INTERNET_IP_PORT"}`},
	{"POST", "zones/Z/networkEndpointGroups", `{"name":"over-quota","networkEndpointType":"NON_GCP_PRIVATE_IP_PORT"}`},
	{"GET", "regions/R/networkEndpointGroups/i", ""},
	{"GET", "regions/R/networkEndpointGroups", ""},
	{"POST", "regions/R/networkEndpointGroups/i/attachNetworkEndpoints", `{"networkEndpoints":[{"ipAddress":"192.0.2.1","port":443}]}`},
	{"POST", "regions/R/networkEndpointGroups/i/listNetworkEndpoints", ""},
	{"POST", "regions/R/networkEndpointGroups/i/detachNetworkEndpoints", `{"networkEndpoints":[{"ipAddress":"192.0.2.1","port":443}]}`},
	{"DELETE", "regions/R/networkEndpointGroups/i", ""},
	{"POST", "global/networkEndpointGroups", `{"name":"f","networkEndpointType":"INTERNET_FQDN_PORT","defaultPort":443}`},
	{"GET", "global/networkEndpointGroups/f", ""},
	{"GET", "global/networkEndpointGroups", ""},
	{"POST", "global/networkEndpointGroups/f/attachNetworkEndpoints", `{"networkEndpoints":[{"fqdn":"negfleet.dev"}]}`},
	{"POST", "global/networkEndpointGroups/f/listNetworkEndpoints", ""},
	{"POST", "global/networkEndpointGroups/f/detachNetworkEndpoints", `{"networkEndpoints":[{"fqdn":"negfleet.dev"}]}`},
	{"DELETE", "global/networkEndpointGroups/f", ""},
	{"DELETE", "zones/Z/networkEndpointGroups/b", ""},
	{"POST", "global/healthChecks", `{"name":"h","type":"HTTP","description":"d","httpHealthCheck":{"portSpecification":"USE_SERVING_PORT","host":"negfleet.dev"}}`},
	{"GET", "global/healthChecks/h", ""},
	{"GET", "global/healthChecks", ""},
	{"PATCH", "global/healthChecks/h", `{"checkIntervalSec":15,"description":null,"httpHealthCheck":{"requestPath":"/healthz"}}`},
	{"PUT", "global/healthChecks/h", `{"name":"h","type":"GRPC","grpcHealthCheck":{"port":80}}`},
	{"POST", "regions/R/healthChecks", `{"name":"h","type":"TCP"}`},
	{"GET", "regions/R/healthChecks/h", ""},
	{"GET", "regions/R/healthChecks", ""},
	{"PATCH", "regions/R/healthChecks/h", `{"tcpHealthCheck":{"port":81}}`},
	{"PUT", "regions/R/healthChecks/h", `{"name":"h","type":"SSL"}`},
	{"GET", "aggregated/healthChecks", ""},
	{"POST", "global/backendServices", `{"name":"s","healthChecks":["global/healthChecks/h"],"loadBalancingScheme":"EXTERNAL_MANAGED","backends":[{"group":"zones/Z/networkEndpointGroups/a","balancingMode":"RATE","maxRatePerEndpoint":100}]}`},
	{"GET", "global/backendServices/s", ""},
	{"GET", "global/backendServices", ""},
	{"GET", "global/backendServices/listUsable", ""},
	{"POST", "global/backendServices/s/getHealth", `{"group":"zones/Z/networkEndpointGroups/a"}`},
	{"PATCH", "global/backendServices/s", `{"fingerprint":"FP","timeoutSec":60}`},
	{"PUT", "global/backendServices/s", `{"fingerprint":"FP","name":"s","protocol":"HTTP2"}`},
	{"POST", "regions/R/backendServices", `{"name":"s","loadBalancingScheme":"INTERNAL_MANAGED","healthChecks":["regions/R/healthChecks/h"],"backends":[{"group":"zones/Z/networkEndpointGroups/a","balancingMode":"RATE","maxRate":100}]}`},
	{"GET", "regions/R/backendServices/s", ""},
	{"GET", "regions/R/backendServices", ""},
	{"GET", "regions/R/backendServices/listUsable", ""},
	{"POST", "regions/R/backendServices/s/getHealth", `{"group":"zones/Z/networkEndpointGroups/a"}`},
	{"PATCH", "regions/R/backendServices/s", `{"fingerprint":"FP","backends":[]}`},
	{"PUT", "regions/R/backendServices/s", `{"fingerprint":"FP","name":"s"}`},
	{"GET", "aggregated/backendServices", ""},
	{"POST", "global/urlMaps", `{"name":"m","defaultService":"global/backendServices/s","hostRules":[{"hosts":["*"],"pathMatcher":"p"}],"pathMatchers":[{"name":"p","defaultService":"global/backendServices/s","pathRules":[{"paths":["/x"],"service":"global/backendServices/s"}]}]}`},
	{"GET", "global/urlMaps/m", ""},
	{"GET", "global/urlMaps", ""},
	{"PATCH", "global/urlMaps/m", `{"fingerprint":"FP","description":"d"}`},
	{"PUT", "global/urlMaps/m", `{"fingerprint":"FP","name":"m","defaultService":"global/backendServices/s"}`},
	{"GET", "global/backendServices/s", ""},
	{"POST", "global/sslCertificates", `{"name":"c","type":"MANAGED","managed":{"domains":["negfleet.dev"]}}`},
	{"GET", "global/sslCertificates/c", ""},
	{"GET", "global/sslCertificates", ""},
	{"POST", "global/targetHttpProxies", `{"name":"p","urlMap":"global/urlMaps/m"}`},
	{"GET", "global/targetHttpProxies/p", ""},
	{"GET", "global/targetHttpProxies", ""},
	{"PATCH", "global/targetHttpProxies/p", `{"fingerprint":"FP","description":"d"}`},
	{"POST", "targetHttpProxies/p/setUrlMap", `{"urlMap":"global/urlMaps/m"}`},
	{"POST", "global/targetHttpsProxies", `{"name":"p","urlMap":"global/urlMaps/m","sslCertificates":["global/sslCertificates/c"]}`},
	{"GET", "global/targetHttpsProxies/p", ""},
	{"GET", "global/targetHttpsProxies", ""},
	{"PATCH", "global/targetHttpsProxies/p", `{"fingerprint":"FP","description":"d"}`},
	{"POST", "targetHttpsProxies/p/setUrlMap", `{"urlMap":"global/urlMaps/m"}`},
	{"POST", "targetHttpsProxies/p/setSslCertificates", `{"sslCertificates":["global/sslCertificates/c"]}`},
	{"POST", "global/targetHttpsProxies/p/setQuicOverride", `{"quicOverride":"ENABLE"}`},
	{"POST", "global/targetHttpsProxies/p/setSslPolicy", `{"sslPolicy":"global/sslPolicies/modern"}`},
	{"POST", "global/targetHttpsProxies/p/setCertificateMap", `{"certificateMap":"//certificatemanager.googleapis.com/projects/p1/locations/global/certificateMaps/m"}`},
	{"GET", "global/targetHttpsProxies/p", ""},
	{"POST", "global/backendServices/s/setSecurityPolicy", `{"securityPolicy":"global/securityPolicies/a"}`},
	{"POST", "global/backendServices/s/setEdgeSecurityPolicy", `{"securityPolicy":"global/securityPolicies/a"}`},
	{"GET", "global/backendServices/s", ""},
	{"POST", "global/addresses", `{"name":"a"}`},
	{"GET", "global/addresses", ""},
	{"POST", "global/forwardingRules", `{"name":"f","IPAddress":"global/addresses/a","target":"global/targetHttpProxies/p","portRange":"80","labels":{"target":"x"}}`},
	{"GET", "global/forwardingRules/f", ""},
	{"GET", "global/forwardingRules", ""},
	{"PATCH", "global/forwardingRules/f", `{"description":"d"}`},
	{"POST", "global/forwardingRules/f/setTarget", `{"target":"global/targetHttpsProxies/p"}`},
	{"POST", "global/forwardingRules/f/setLabels", `{"labelFingerprint":"LP","labels":{"team":"shop"}}`},
	{"GET", "global/forwardingRules/f", ""},
	{"POST", "global/addresses/a/setLabels", `{"labelFingerprint":"LP","labels":{"team":"shop"}}`},
	{"GET", "global/addresses/a", ""},
	{"POST", "regions/R/urlMaps", `{"name":"m","defaultService":"regions/R/backendServices/s","hostRules":[{"hosts":["*"],"pathMatcher":"p"}],"pathMatchers":[{"name":"p","defaultService":"regions/R/backendServices/s","pathRules":[{"paths":["/x"],"service":"regions/R/backendServices/s"}]}]}`},
	{"GET", "regions/R/urlMaps/m", ""},
	{"GET", "regions/R/urlMaps", ""},
	{"PATCH", "regions/R/urlMaps/m", `{"fingerprint":"FP","description":"d"}`},
	{"PUT", "regions/R/urlMaps/m", `{"fingerprint":"FP","name":"m","defaultService":"regions/R/backendServices/s"}`},
	{"GET", "regions/R/backendServices/s", ""},
	{"POST", "regions/R/sslCertificates", `{"name":"c","type":"MANAGED","managed":{"domains":["negfleet.dev"]}}`},
	{"GET", "regions/R/sslCertificates/c", ""},
	{"GET", "regions/R/sslCertificates", ""},
	{"POST", "regions/R/targetHttpProxies", `{"name":"p","urlMap":"regions/R/urlMaps/m"}`},
	{"GET", "regions/R/targetHttpProxies/p", ""},
	{"GET", "regions/R/targetHttpProxies", ""},
	{"POST", "regions/R/targetHttpProxies/p/setUrlMap", `{"urlMap":"regions/R/urlMaps/m"}`},
	{"POST", "regions/R/targetHttpsProxies", `{"name":"p","urlMap":"regions/R/urlMaps/m","sslCertificates":["regions/R/sslCertificates/c"]}`},
	{"GET", "regions/R/targetHttpsProxies/p", ""},
	{"GET", "regions/R/targetHttpsProxies", ""},
	{"PATCH", "regions/R/targetHttpsProxies/p", `{"fingerprint":"FP","description":"d"}`},
	{"POST", "regions/R/targetHttpsProxies/p/setUrlMap", `{"urlMap":"regions/R/urlMaps/m"}`},
	{"POST", "regions/R/targetHttpsProxies/p/setSslCertificates", `{"sslCertificates":["regions/R/sslCertificates/c"]}`},
	{"POST", "regions/R/addresses", `{"name":"a"}`},
	{"GET", "regions/R/addresses", ""},
	{"POST", "regions/R/forwardingRules", `{"name":"f","IPAddress":"regions/R/addresses/a","target":"regions/R/targetHttpProxies/p","portRange":"80","labels":{"target":"x"}}`},
	{"GET", "regions/R/forwardingRules/f", ""},
	{"GET", "regions/R/forwardingRules", ""},
	{"PATCH", "regions/R/forwardingRules/f", `{"description":"d"}`},
	{"POST", "regions/R/forwardingRules/f/setTarget", `{"target":"regions/R/targetHttpsProxies/p"}`},
	{"POST", "regions/R/forwardingRules/f/setLabels", `{"labelFingerprint":"LP","labels":{"team":"shop"}}`},
	{"GET", "regions/R/forwardingRules/f", ""},
	{"POST", "regions/R/addresses/a/setLabels", `{"labelFingerprint":"LP","labels":{"team":"shop"}}`},
	{"GET", "regions/R/addresses/a", ""},
	{"POST", "regions/R/backendServices/s/setSecurityPolicy", `{"securityPolicy":"regions/R/securityPolicies/a"}`},
	{"POST", "global/firewalls", `{"name":"w","allowed":[{"IPProtocol":"tcp","ports":["80"]}],"sourceRanges":["35.191.0.0/16"]}`},
	{"GET", "global/firewalls/w", ""},
	{"GET", "global/firewalls", ""},
	{"PATCH", "global/firewalls/w", `{"priority":900}`},
	{"POST", "global/firewalls/w/testIamPermissions", `{"permissions":["compute.firewalls.get"]}`},
	{"PUT", "global/firewalls/w", `{"name":"w","denied":[{"IPProtocol":"all"}]}`},
	{"DELETE", "global/firewalls/w", ""},
	{"POST", "global/urlMaps/m/validate", `{"resource":{"name":"m","defaultService":"global/backendServices/s","tests":[{"host":"a","path":"/","service":"global/backendServices/s"}]}}`},
	{"POST", "regions/R/urlMaps/m/validate", `{"resource":{"name":"m","defaultService":"regions/R/backendServices/none"}}`},
	{"POST", "global/urlMaps/m/invalidateCache", `{"path":"/*"}`},
	{"GET", "aggregated/urlMaps", ""},
	{"GET", "aggregated/targetHttpProxies", ""},
	{"GET", "aggregated/targetHttpsProxies", ""},
	{"GET", "aggregated/sslCertificates", ""},
	{"GET", "aggregated/forwardingRules", ""},
	{"GET", "aggregated/addresses", ""},
	{"POST", "zones/Z/networkEndpointGroups/a/testIamPermissions", `{"permissions":["compute.networkEndpointGroups.get"]}`},
	{"POST", "global/backendServices/s/testIamPermissions", `{"permissions":["compute.backendServices.get"]}`},
	{"POST", "regions/R/backendServices/s/testIamPermissions", `{"permissions":["compute.regionBackendServices.get"]}`},
	{"POST", "global/healthChecks/h/testIamPermissions", `{"permissions":["compute.healthChecks.get"]}`},
	{"POST", "regions/R/healthChecks/h/testIamPermissions", `{"permissions":["compute.regionHealthChecks.get"]}`},
	{"POST", "global/urlMaps/m/testIamPermissions", `{"permissions":["compute.urlMaps.get"]}`},
	{"POST", "global/addresses/a/testIamPermissions", `{"permissions":["compute.globalAddresses.get"]}`},
	{"POST", "regions/R/addresses/a/testIamPermissions", `{"permissions":["compute.addresses.get"]}`},
	{"DELETE", "global/forwardingRules/f", ""},
	{"DELETE", "global/addresses/a", ""},
	{"DELETE", "global/targetHttpProxies/p", ""},
	{"DELETE", "global/targetHttpsProxies/p", ""},
	{"DELETE", "global/sslCertificates/c", ""},
	{"DELETE", "global/urlMaps/m", ""},
	{"DELETE", "regions/R/forwardingRules/f", ""},
	{"DELETE", "regions/R/addresses/a", ""},
	{"DELETE", "regions/R/targetHttpProxies/p", ""},
	{"DELETE", "regions/R/targetHttpsProxies/p", ""},
	{"DELETE", "regions/R/sslCertificates/c", ""},
	{"DELETE", "regions/R/urlMaps/m", ""},
	{"DELETE", "global/backendServices/s", ""},
	{"DELETE", "regions/R/backendServices/s", ""},
	{"DELETE", "global/healthChecks/h", ""},
	{"DELETE", "regions/R/healthChecks/h", ""},
	{"GET", "zones/Z/operations", ""},
	{"GET", "regions/R/operations", ""},
	{"GET", "global/operations", ""},
	{"GET", "aggregated/operations", ""},
	{"GET", "zones/Z/operations/OP", ""},
	{"POST", "zones/Z/operations/OP/wait", ""},
	{"DELETE", "zones/Z/operations/OP", ""},
	{"GET", "regions/R/operations/OP", ""},
	{"POST", "regions/R/operations/OP/wait", ""},
	{"DELETE", "regions/R/operations/OP", ""},
	{"GET", "global/operations/OP", ""},
	{"POST", "global/operations/OP/wait", ""},
	{"DELETE", "global/operations/OP", ""},
	{"GET", "zones/Z/instances/node-1", ""},
	{"GET", "zones/Z/instances", ""},
	{"GET", "aggregated/instances", ""},
	{"DELETE", "zones/Z/instances/node-1", ""},
	{"POST", "global/networks", `{"name":"lan","autoCreateSubnetworks":false,"mtu":1500}`},
	{"GET", "global/networks/lan", ""},
	{"POST", "regions/R/subnetworks", `{"name":"lan","network":"global/networks/lan","ipCidrRange":"10.60.0.0/24","secondaryIpRanges":[{"rangeName":"pods","ipCidrRange":"10.61.0.0/16"}]}`},
	{"GET", "regions/R/subnetworks/lan", ""},
	{"POST", "zones/Z/instances", `{"name":"vm","machineType":"zones/Z/machineTypes/e2-medium","networkInterfaces":[{"subnetwork":"regions/Q/subnetworks/default","aliasIpRanges":[{"ipCidrRange":"10.62.0.0/24"}]}]}`},
	{"GET", "zones/Z/instances/vm", ""},
	{"POST", "zones/Z/instances/vm/testIamPermissions", `{"permissions":["compute.instances.get"]}`},
	{"POST", "regions/R/subnetworks/lan/testIamPermissions", `{"permissions":["compute.subnetworks.use"]}`},
	{"DELETE", "regions/R/subnetworks/lan", ""},
	{"DELETE", "global/networks/lan", ""},
	{"GET", "global/networks/default", ""},
	{"GET", "global/networks", ""},
	{"GET", "regions/R/subnetworks/default", ""},
	{"GET", "regions/R/subnetworks/with-ranges", ""},
	{"GET", "regions/R/subnetworks", ""},
	{"GET", "aggregated/subnetworks", ""},
	{"GET", "zones/Z", ""},
	{"GET", "zones", ""},
	{"GET", "regions/R", ""},
	{"GET", "regions", ""},
	{"GET", "", ""},
}

// TestAnswersConform holds every field of every answer against its schema.
func TestAnswersConform(t *testing.T) {
	d := readDiscovery(t)
	server, target := emulator(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 4}})
	if err := server.Seed(fakegce.Seed{Projects: []string{target.Project}, Subnetworks: []fakegce.Subnetwork{{
		Region: "europe-west1", Name: "with-ranges", Range: "10.9.0.0/24", SecondaryRanges: map[string]string{"pods": "10.12.0.0/16"},
	}}}); err != nil {
		t.Fatal(err)
	}
	if err := server.AddFaults(fakegce.Fault{Path: "/aggregated/instances$", Unreachable: "zones/us-east1-b"}); err != nil {
		t.Fatal(err)
	}
	base := fakegce.ComputeEndpoint(fakegce.Start(t, server)) + "projects/" + target.Project + "/"
	place := strings.NewReplacer("zones/Z", "zones/"+target.Zone, "regions/R", "regions/europe-west1", "regions/Q", "regions/"+target.Zone[:len(target.Zone)-2])
	last := map[string]string{} // the newest operation by scope
	for _, c := range conversation {
		scope, rest, _ := strings.Cut(place.Replace(c.path), "/operations/")
		path := scope
		if rest != "" {
			path += "/operations/" + strings.Replace(rest, "OP", last[scope], 1)
		}
		body := place.Replace(c.body)
		if strings.Contains(body, `"FP"`) {
			now, _ := ask(t, "GET", base+path, "")["fingerprint"].(string)
			body = strings.Replace(body, "FP", now, 1)
		}
		if strings.Contains(body, `"LP"`) {
			now, _ := ask(t, "GET", base+strings.TrimSuffix(path, "/setLabels"), "")["labelFingerprint"].(string)
			body = strings.Replace(body, "LP", now, 1)
		}
		answer := ask(t, c.verb, base+path, body)
		calls := server.Calls(fakegce.CallFilter{})
		id := calls[len(calls)-1].Verb
		m, ok := d.method(id)
		if !ok {
			t.Fatalf("%s %s went to %q", c.verb, path, id)
		}
		if collection := strings.Index(path, "/networkEndpointGroups"); answer["kind"] == "compute#operation" && collection > 0 {
			last[path[:collection]] = answer["name"].(string)
		}
		if m.Response.Ref == "" && len(answer) > 0 {
			t.Errorf("%s answers %v, want nothing", id, answer)
		}
		if m.Response.Ref == "" {
			continue
		}
		for _, bad := range d.conforms(id, answer, schema{Ref: m.Response.Ref}) {
			t.Error(bad)
		}
	}
	everyMethodCalled(t, server)
}

func everyMethodCalled(t *testing.T, server *fakegce.Server) {
	t.Helper()
	var all []string
	for _, m := range fakegce.Methods() {
		all = append(all, m.ID)
	}
	slices.Sort(all)
	called := slices.Sorted(maps.Keys(server.Stats().Verbs))
	if diff := cmp.Diff(all, called); diff != "" {
		t.Errorf("methods called, -want +got:\n%s", diff)
	}
}

// ask wants success; no content is an object without fields.
func ask(t *testing.T, verb, url, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequest(verb, strings.TrimSuffix(url, "/"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if res.StatusCode == http.StatusNoContent {
		return answer
	}
	if err := json.Unmarshal(raw, &answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", verb, url, res.Status, raw)
	}
	return answer
}

// TestEveryFieldAccepted: a request may hold any field that its schema has.
func TestEveryFieldAccepted(t *testing.T) {
	d := readDiscovery(t)
	server, target := emulator(t, fakegce.Options{})
	base := fakegce.ComputeEndpoint(fakegce.Start(t, server)) + "projects/" + target.Project + "/"
	groups := "zones/" + target.Zone + "/networkEndpointGroups"
	for path, name := range map[string]string{
		groups:                                "NetworkEndpointGroup",
		groups + "/a/attachNetworkEndpoints":  "NetworkEndpointGroupsAttachEndpointsRequest",
		groups + "/a/detachNetworkEndpoints":  "NetworkEndpointGroupsDetachEndpointsRequest",
		groups + "/a/listNetworkEndpoints":    "NetworkEndpointGroupsListEndpointsRequest",
		"global/healthChecks":                 "HealthCheck",
		"global/backendServices":              "BackendService",
		"global/urlMaps":                      "UrlMap",
		"global/targetHttpProxies":            "TargetHttpProxy",
		"global/targetHttpsProxies":           "TargetHttpsProxy",
		"global/sslCertificates":              "SslCertificate",
		"global/forwardingRules":              "ForwardingRule",
		"global/addresses":                    "Address",
		"global/firewalls":                    "Firewall",
		"global/networks":                     "Network",
		"regions/europe-west1/subnetworks":    "Subnetwork",
		"zones/" + target.Zone + "/instances": "Instance",
	} {
		body := d.example(schema{Ref: name})
		res, err := http.Post(base+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if strings.Contains(string(raw), "Invalid JSON") {
			t.Errorf("%s\n%s", body, raw)
		}
	}
}

// example is JSON with every field of a schema: objects and arrays with their
// inside, anything else null.
func (d *discovery) example(s schema) string {
	if s.Ref != "" {
		s = d.Schemas[s.Ref]
	}
	switch {
	case s.Type == "array":
		return "[" + d.example(*s.Items) + "]"
	case s.Type != "object" || len(s.Properties) == 0:
		return "null"
	}
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		fields = append(fields, fmt.Sprintf("%q:%s", name, d.example(s.Properties[name])))
	}
	return "{" + strings.Join(fields, ",") + "}"
}
