package neg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

func TestManaged(t *testing.T) {
	const serving = "httpHealthCheck.portSpecification=USE_SERVING_PORT"
	for _, tc := range []struct {
		name, entry, protocol   string
		probe                   neg.Probe
		service, backend, check string
	}{
		{
			name:    "nothing said",
			entry:   `{}`,
			service: "loadBalancingScheme=EXTERNAL_MANAGED protocol=HTTP",
			backend: "balancingMode=RATE maxRatePerEndpoint=100000000",
			check:   "checkIntervalSec=15 healthyThreshold=1 " + serving + " timeoutSec=15 type=HTTP unhealthyThreshold=2",
		},
		{
			name: "the port's protocol and the readinessProbe", entry: `{}`, protocol: "GRPC",
			probe:   neg.Probe{Type: "HTTP", Path: "/ready", Host: "shop.example", IntervalSec: 3, TimeoutSec: 1},
			service: "loadBalancingScheme=EXTERNAL_MANAGED protocol=GRPC",
			backend: "balancingMode=RATE maxRatePerEndpoint=100000000",
			check: "checkIntervalSec=3 healthyThreshold=1 httpHealthCheck.host=shop.example " + serving +
				" httpHealthCheck.requestPath=/ready timeoutSec=1 type=HTTP unhealthyThreshold=2",
		},
		{
			name: "the annotation above all", protocol: "HTTPS", probe: neg.Probe{Type: "HTTPS", Path: "/ready"},
			entry: `{"protocol":"TCP","scheme":"INTERNAL_MANAGED","region":"us-central1","drainingTimeoutSec":60,"maxConnectionsPerEndpoint":7,"capacityScaler":0,
				"logging":{"enable":true,"sampleRate":0.5},"healthCheck":{"type":"TCP","port":9000,"checkIntervalSec":5}}`,
			service: "connectionDraining.drainingTimeoutSec=60 loadBalancingScheme=INTERNAL_MANAGED logConfig.enable=true logConfig.sampleRate=0.5 protocol=TCP",
			backend: "balancingMode=CONNECTION capacityScaler=0 maxConnectionsPerEndpoint=7",
			check: "checkIntervalSec=5 healthyThreshold=1 tcpHealthCheck.port=9000 tcpHealthCheck.portSpecification=USE_FIXED_PORT" +
				" timeoutSec=5 type=TCP unhealthyThreshold=2",
		},
		{
			name: "HTTP/2 without TLS has no health check of its own", entry: `{"protocol":"H2C","balancingMode":"IN_FLIGHT","maxInFlightRequestsPerEndpoint":10}`,
			service: "loadBalancingScheme=EXTERNAL_MANAGED protocol=H2C",
			backend: "balancingMode=IN_FLIGHT maxInFlightRequestsPerEndpoint=10",
			check:   "checkIntervalSec=15 healthyThreshold=1 tcpHealthCheck.portSpecification=USE_SERVING_PORT timeoutSec=15 type=TCP unhealthyThreshold=2",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all, err := neg.ParseManaged(`{"80":` + tc.entry + `}`)
			if err != nil {
				t.Fatal(err)
			}
			service, check, err := all[0].Resolve("the-groups", tc.protocol, tc.probe)
			if err != nil {
				t.Fatal(err)
			}
			if service.ID.Name != "the-groups" || check.ID.Name != "the-groups" || service.HealthCheck != check.ID || !service.Managed {
				t.Errorf("service %+v, check %+v", service, check)
			}
			got := []string{service.Fields.String(), service.Backends[0].Fields.String(), check.Fields.String()}
			if diff := cmp.Diff([]string{tc.service, tc.backend, tc.check}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestManagedInvalid(t *testing.T) {
	for _, tc := range []struct{ value, want string }{
		{`{`, "not JSON at character 1"},
		{`[]`, "want an object, have array"},
		{`{"http":{}}`, "port http: want the number of a Service port"},
		{`{"0":{}}`, "port 0: want the number of a Service port"},
		{`{"80":{"protocol":"http"}}`, `port 80: field protocol: want one of HTTP, HTTPS, HTTP2, H2C, TCP, SSL, GRPC, have "http"`},
		{`{"80":{"timeoutSec":1.5}}`, "field timeoutSec: want a whole number from 1 to 2147483647, have 1.5"},
		{`{"80":{"timeoutSec":"30"}}`, `field timeoutSec: want a whole number from 1 to 2147483647, have "30"`},
		{`{"80":{"cdn":"yes"}}`, `field cdn: want true or false, have "yes"`},
		{`{"80":{"healthCheck":{"requestPath":"healthz"}}}`, "field healthCheck.requestPath: want text that matches"},
		{`{"80":{"healthCheck":{"path":"/"}}}`, "field healthCheck.path: there is no such field"},
		{`{"80":{"timeout":3}}`, "field timeout: there is no such field"},
		{`{"80":{"name":"Web"}}`, "field name: want text that matches"},
		{`{"80":{"name":"nf1-x"}}`, "names that start with nf1- are generated ones"},
		{`{"80":{"cdn":1},"81":{"iap":1}}`, "port 81: field iap"},
		{`{"80":{"backends":[]}}`, "field backends: there is no such field"},
	} {
		if _, err := neg.ParseManaged(tc.value); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.value, err, tc.want)
		}
	}
}

func TestManagedUnfitting(t *testing.T) {
	for _, tc := range []struct{ entry, want string }{
		{`{"balancingMode":"CONNECTION"}`, "field balancingMode: CONNECTION does not fit protocol HTTP"},
		{`{"protocol":"TCP","balancingMode":"RATE"}`, "field balancingMode: RATE does not fit protocol TCP"},
		{`{"maxConnectionsPerEndpoint":3}`, "field maxConnectionsPerEndpoint: balancing mode RATE has maxRatePerEndpoint"},
		{`{"capacityScaler":0.05}`, "field capacityScaler: want 0, or 0.1 to 1"},
		{`{"scheme":"EXTERNAL","region":"us-central1"}`, "field region: backend services of scheme EXTERNAL"},
		{`{"affinityCookieTtlSec":3}`, "field affinityCookieTtlSec"},
		{`{"protocol":"TCP","cdn":true}`, "field protocol: TCP has neither cdn nor iap"},
		{`{"scheme":"INTERNAL_MANAGED","cdn":true}`, "field cdn"},
		{`{"protocol":"SSL","sessionAffinity":"HTTP_COOKIE"}`, "field sessionAffinity"},
		{`{"healthCheck":{"type":"TCP","requestPath":"/"}}`, "field healthCheck.requestPath: a health check of type TCP has none"},
		{`{"healthCheck":{"timeoutSec":20}}`, "field healthCheck.timeoutSec: 20 is longer than the interval of 15"},
	} {
		all, err := neg.ParseManaged(`{"80":` + tc.entry + `}`)
		if err != nil {
			t.Fatalf("%s: %v", tc.entry, err)
		}
		if _, _, err := all[0].Resolve("g", "", neg.Probe{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\n got %v\nwant %s", tc.entry, err, tc.want)
		}
	}
}

// Every setting has a sentence, one kind of value, and is read where the table says.
func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range neg.Settings() {
		kinds := 0
		for _, is := range []bool{s.Number(), s.Bool(), s.Values != nil, s.Pattern != nil} {
			if is {
				kinds++
			}
		}
		if seen[s.Name] || s.Doc == "" || kinds != 1 || (s.Field == "") != (s.Part == neg.PartName) {
			t.Errorf("setting %+v", s)
		}
		seen[s.Name] = true
	}
}

func FuzzParseManaged(f *testing.F) {
	f.Add(`{"80":{"protocol":"HTTP","healthCheck":{"port":80}}}`, "HTTP")
	f.Add(`{"80":{"a":{"b":{"c":[1,{"d":2}]}}},"x":null}`, "")
	f.Fuzz(func(t *testing.T, value, protocol string) {
		all, err := neg.ParseManaged(value)
		if err != nil {
			return
		}
		for _, m := range all {
			service, check, err := m.Resolve("g", protocol, neg.Probe{})
			if err == nil && (service.Fields["protocol"] == nil || check.Fields["type"] == nil || len(service.Backends) != 1) {
				t.Errorf("%q: %+v, %+v", value, service, check)
			}
		}
	})
}
