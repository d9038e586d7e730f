package fakegce_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

// chain is a balanced emulator with the url map m, the proxy p, the address a
// and the forwarding rule f.
func chain(t *testing.T) client {
	c := balanced(t, fakegce.Options{})
	for _, r := range [][2]string{
		{"urlMaps", `{"name":"m","defaultService":"` + service + `"}`},
		{"targetHttpProxies", `{"name":"p","urlMap":"global/urlMaps/m"}`},
		{"addresses", `{"name":"a","address":"198.51.100.7"}`},
		{"forwardingRules", `{"name":"f","target":"global/targetHttpProxies/p","portRange":"80","IPAddress":"198.51.100.7"}`},
	} {
		c.ok("POST", everywhere+r[0], r[1])
	}
	return c
}

// TestChainDeletion: each link of the chain holds the next.
func TestChainDeletion(t *testing.T) {
	c := chain(t)
	order := []string{"forwardingRules/f", "targetHttpProxies/p", "urlMaps/m", "backendServices/s", "healthChecks/hc"}
	for i, path := range order[1:] {
		want := "is already being used by '" + everywhere + order[i] + "'"
		if got := message(c.do("DELETE", everywhere+path, "")); !strings.HasPrefix(got, "400 resourceInUseByAnotherResource: ") || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want …%s", path, got, want)
		}
	}
	if got := message(c.do("DELETE", everywhere+"addresses/a", "")); !strings.Contains(got, "The address resource '"+everywhere+"addresses/a' is already being used by") {
		t.Errorf("address: %s", got)
	}
	a := c.ok("GET", everywhere+"addresses/a", "")
	if users := fmt.Sprint(a["users"]); a["status"] != "IN_USE" || !strings.HasSuffix(users, everywhere+"forwardingRules/f]") {
		t.Errorf("address %v", a)
	}
	for _, path := range order {
		c.ok("DELETE", everywhere+path, "")
	}
	if a := c.ok("GET", everywhere+"addresses/a", ""); a["status"] != "RESERVED" || a["users"] != nil {
		t.Errorf("address %v", a)
	}
}

func TestChainRefusals(t *testing.T) {
	c := chain(t)
	for _, tt := range []struct{ path, body, want string }{
		{everywhere + "urlMaps", `{"name":"x"}`, "400 required: Required field 'resource.defaultService'"},
		{everywhere + "urlMaps", `{"name":"x","defaultService":"global/backendServices/none"}`, "404 notFound: The resource '" + everywhere + "backendServices/none'"},
		{everywhere + "urlMaps", `{"name":"x","defaultService":"` + service + `","hostRules":[{"hosts":["a"],"pathMatcher":"q"}]}`, "400 invalid: Invalid value for field 'resource.hostRules.pathMatcher': 'q'"},
		{everywhere + "urlMaps", `{"name":"x","defaultService":"` + service + `","pathMatchers":[{"name":"q","defaultService":"global/backendServices/no"}]}`, "404 notFound: "},
		{everywhere + "urlMaps", `{"name":"x","defaultService":"` + service + `","pathMatchers":[{"name":"q"}]}`, "400 invalid: Invalid value for field 'resource.pathMatchers.name'"},
		{"projects/p1/regions/us-central1/urlMaps", `{"name":"x","defaultService":"` + service + `"}`, "400 invalid: Invalid value for field 'resource.defaultService'"},
		{everywhere + "targetHttpProxies", `{"name":"x"}`, "400 required: Required field 'resource.urlMap'"},
		{everywhere + "targetHttpsProxies", `{"name":"x","urlMap":"global/urlMaps/m"}`, "400 required: Required field 'resource.sslCertificates'"},
		{everywhere + "sslCertificates", `{"name":"x","certificate":"x","privateKey":"y"}`, "400 invalid: Invalid value for field 'resource.certificate'"},
		{everywhere + "sslCertificates", `{"name":"x","type":"MANAGED"}`, "400 required: Required field 'resource.managed.domains'"},
		{everywhere + "forwardingRules", `{"name":"x"}`, "400 required: Required field 'resource.target'"},
		{everywhere + "forwardingRules", `{"name":"x","target":"global/targetHttpProxies/p"}`, "400 required: Required field 'resource.portRange'"},
		{everywhere + "forwardingRules", `{"name":"x","target":"global/targetHttpProxies/p","portRange":"9-8"}`, "400 invalid: Invalid value for field 'resource.portRange'"},
		{everywhere + "forwardingRules", `{"name":"x","target":"global/targetHttpProxies/p","portRange":"80","IPAddress":"198.51.100.7"}`, "400 invalid: Invalid value for field 'resource.IPAddress': '198.51.100.7'. Specified IP address is in-use"},
		{everywhere + "forwardingRules", `{"name":"x","target":"global/targetHttpProxies/p","portRange":"80","IPAddress":"global/addresses/none"}`, "404 notFound: "},
		{everywhere + "forwardingRules", `{"name":"x","target":"global/targetHttpProxies/p","backendService":"` + service + `","portRange":"80"}`, "400 invalid: "},
		{everywhere + "addresses", `{"name":"x","address":"198.51.100.7"}`, "400 invalid: Invalid value for field 'resource.address'"},
		{everywhere + "addresses", `{"name":"x","address":"198.51.100"}`, "400 invalid: Invalid value for field 'resource.address'"},
		{everywhere + "firewalls", `{"name":"x"}`, "400 required: Required field 'resource.allowed'"},
		{everywhere + "firewalls", `{"name":"x","network":"none","allowed":[{"IPProtocol":"tcp"}]}`, "404 notFound: "},
		{everywhere + "firewalls", `{"name":"x","priority":65536,"allowed":[{"IPProtocol":"tcp"}]}`, "400 invalid: Invalid value for field 'resource.priority'"},
		{everywhere + "urlMaps", `{"name":"m","defaultService":"` + service + `"}`, "409 alreadyExists: "},
	} {
		if got := message(c.do("POST", tt.path, tt.body)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s\n%s\nwant %s", tt.path, tt.body, got, tt.want)
		}
	}
}

func TestForwardingRuleAsServed(t *testing.T) {
	c := chain(t)
	c.ok("POST", everywhere+"forwardingRules", `{"name":"g","target":"global/targetHttpProxies/p","portRange":"8080","IPAddress":"global/addresses/a","labels":{"target":"x"}}`)
	got := without(c.ok("GET", everywhere+"forwardingRules/g", ""), "fingerprint")
	want := parsed(t, `{"IPAddress":"198.51.100.7","IPProtocol":"TCP","portRange":"8080-8080","loadBalancingScheme":"EXTERNAL",
		"networkTier":"PREMIUM","labels":{"target":"x"},"labelFingerprint":"AiEKcYqc2ok=",
		"target":"https://www.googleapis.com/compute/v1/projects/p1/global/targetHttpProxies/p"}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c.ok("POST", everywhere+"forwardingRules", `{"name":"h","target":"global/targetHttpProxies/p","portRange":"80"}`)
	if ip, _ := c.ok("GET", everywhere+"forwardingRules/h", "")["IPAddress"].(string); !strings.HasPrefix(ip, "198.18.") {
		t.Errorf("given the address %q", ip)
	}
}

// TestSetUrlMap: what a proxy no longer leads to is free.
func TestSetUrlMap(t *testing.T) {
	c := chain(t)
	c.ok("POST", everywhere+"urlMaps", `{"name":"n","defaultService":"`+service+`"}`)
	op := c.ok("POST", "projects/p1/targetHttpProxies/p/setUrlMap", `{"urlMap":"global/urlMaps/n"}`)
	if op["operationType"] != "setUrlMap" || strings.Contains(fmt.Sprint(op["selfLink"]), "/zones/") {
		t.Errorf("operation %v", op)
	}
	c.ok("DELETE", everywhere+"urlMaps/m", "")
	if got := message(c.do("DELETE", everywhere+"urlMaps/n", "")); !strings.HasPrefix(got, "400 resourceInUse") {
		t.Errorf("got %s", got)
	}
}

func TestSelfManagedCertificate(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: noon, DNSNames: []string{"negfleet.dev"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	body, err := json.Marshal(map[string]string{"name": "x", "certificate": text, "privateKey": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c.ok("POST", everywhere+"sslCertificates", string(body))
	got := c.ok("GET", everywhere+"sslCertificates/x", "")
	expire, err := time.Parse(time.RFC3339, fmt.Sprint(got["expireTime"]))
	if err != nil || !expire.Equal(noon) || got["certificate"] != text || fmt.Sprint(got["subjectAlternativeNames"]) != "[negfleet.dev]" {
		t.Errorf("got %v", got)
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Error("the key is shown")
	}
}

func TestFirewallDefaults(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	c.ok("POST", everywhere+"firewalls", `{"name":"w","allowed":[{"IPProtocol":"tcp","ports":["80"]}]}`)
	want := parsed(t, `{"allowed":[{"IPProtocol":"tcp","ports":["80"]}],"direction":"INGRESS","priority":1000,"disabled":false,
		"logConfig":{"enable":false},"sourceRanges":["0.0.0.0/0"],
		"network":"https://www.googleapis.com/compute/v1/projects/p1/global/networks/default"}`)
	if diff := cmp.Diff(want, without(c.ok("GET", everywhere+"firewalls/w", ""))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestStateOfLoadBalancer: one call tells the chain, and what holds it together.
func TestStateOfLoadBalancer(t *testing.T) {
	c := chain(t)
	c.ok("POST", everywhere+"firewalls", `{"name":"w","allowed":[{"IPProtocol":"tcp"}]}`)
	c.ok("POST", "projects/p1/regions/us-central1/healthChecks", `{"name":"hc","type":"TCP"}`)
	state, err := (&admin.Client{Base: c.base}).State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	part := func(collection, name string, links ...string) fakegce.Resource {
		for i := range links {
			links[i] = "projects/p1/" + links[i]
		}
		return fakegce.Resource{Collection: collection, Project: "p1", Scope: "global", Name: name, Links: links}
	}
	want := []fakegce.Resource{
		part("addresses", "a"),
		part("backendServices", "s", "global/healthChecks/hc", "zones/us-central1-a/networkEndpointGroups/g"),
		part("firewalls", "w", "global/networks/default"),
		part("forwardingRules", "f", "global/addresses/a", "global/targetHttpProxies/p"),
		part("healthChecks", "hc"),
		part("targetHttpProxies", "p", "global/urlMaps/m"),
		part("urlMaps", "m", "global/backendServices/s"),
		{Collection: "healthChecks", Project: "p1", Scope: "regions/us-central1", Name: "hc"},
	}
	want[0].Address, want[3].Address = "198.51.100.7", "198.51.100.7"
	want[1].Backends = []fakegce.Backend{{
		Group: zone + "networkEndpointGroups/g", BalancingMode: "RATE", CapacityScaler: 1, MaxRatePerEndpoint: 100,
	}}
	if diff := cmp.Diff(want, state.Resources); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
