package fakegce_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// endpoints is a request's body for endpoints written "instance ip:port".
func endpoints(list ...string) string {
	items := make([]string, len(list))
	for i, text := range list {
		instance, address, _ := strings.Cut(text, " ")
		ip, port, _ := strings.Cut(address, ":")
		items[i] = fmt.Sprintf(`{"instance":%q,"ipAddress":%q,"port":%s}`, instance, ip, port)
	}
	return `{"networkEndpoints":[` + strings.Join(items, ",") + `]}`
}

func TestRefusedEndpoints(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	if err := s.Seed(fakegce.Seed{
		Projects:    []string{"p1"},
		Networks:    []fakegce.Network{{Name: "other"}},
		Subnetworks: []fakegce.Subnetwork{{Name: "other", Network: "other", Region: "us-central1", Range: "10.200.0.0/20"}},
		Instances:   []fakegce.Instance{{Zone: "us-central1-a", Name: "alien", IP: "10.200.0.2", Network: "other"}, {Zone: "us-central1-b", Name: "far", IP: "10.128.0.99"}},
	}); err != nil {
		t.Fatal(err)
	}
	for kind, name := range map[string]string{"GCE_VM_IP_PORT": "g", "GCE_VM_IP": "ip", "NON_GCP_PRIVATE_IP_PORT": "hybrid"} {
		c.ok("POST", zone+"networkEndpointGroups", `{"name":"`+name+`","networkEndpointType":"`+kind+`"}`)
	}
	for _, tt := range []struct{ group, body, want string }{
		{"g", endpoints("i0 10.4.1.9:80"), "Invalid value for field 'resource.ipAddress': '10.4.1.9'. Specified IP address 10.4.1.9 doesn't belong to the (sub)network default or to the instance i0."},
		{"g", endpoints("alien 10.200.0.2:80"), "Specified IP address 10.200.0.2 doesn't belong to the (sub)network default or to the instance alien."},
		{"g", endpoints("nobody 10.4.0.1:80"), "Invalid value for field 'resource.instance': 'nobody'. Couldn't find instance with a specified name"},
		{"g", endpoints("far 10.128.0.99:80"), "Couldn't find instance"},
		{"g", endpoints("projects/p1/zones/us-central1-b/instances/far 10.128.0.99:80"), "Couldn't find instance"},
		{"g", endpoints("i0 10.4.0.1:0"), "Invalid value for field 'networkEndpoints[0].port': '0'. Must be greater than or equal to 1"},
		{"g", endpoints("i0 10.4.0.1:65536"), "Must be less than or equal to 65535"},
		{"g", `{"networkEndpoints":[{"instance":"i0"}]}`, "Required field 'networkEndpoints[0].port' not specified"},
		{"g", `{"networkEndpoints":[{"ipAddress":"10.4.0.1","port":80}]}`, "Required field 'networkEndpoints[0].instance' not specified"},
		{"g", `{"networkEndpoints":[{"instance":"i0","fqdn":"x.example","port":80}]}`, "'networkEndpoints[0].fqdn'"},
		{"g", endpoints("i0 10.4.0:80"), "Must be a valid IPv4 address."},
		{"g", `{"networkEndpoints":[]}`, "Required field 'resource.networkEndpoints' not specified"},
		{"g", `{"endpoints":[]}`, `badRequest: Invalid JSON payload received. Unknown name "endpoints": Cannot find field.`},
		{"g", `{"networkEndpoints":[{"port":"80"}]}`, "Invalid JSON payload received. Invalid value at 'port': an integer is wanted, not string"},
		{"g", `{"networkEndpoints":[{"port":1e30}]}`, "Invalid value at 'port': an integer is wanted, not number 1e30"},
		{"g", `{"networkEndpoints":[{"annotations":{"a":1}}]}`, "Invalid value at 'annotations': a string is wanted, not number"},
		{"g", `{"networkEndpoints":{}}`, "Invalid value at 'networkEndpoints': a list is wanted, not object"},
		{"g", `[]`, `Invalid JSON payload received. Unknown name "": Root element must be a message.`},
		{"g", `{"networkEndpoints":`, "Invalid JSON payload received."},
		{"g", `{} {}`, "Parse Error"},
		{"ip", endpoints("i0 10.128.0.2:80"), "Port cannot be specified"},
		{"hybrid", endpoints("i0 10.4.0.1:80"), "'networkEndpoints[0].instance': 'i0'. Instance cannot be specified"},
		{"hybrid", `{"networkEndpoints":[{"port":80}]}`, "Required field 'networkEndpoints[0].ipAddress' not specified"},
	} {
		got := message(c.do("POST", zone+"networkEndpointGroups/"+tt.group+"/attachNetworkEndpoints", tt.body))
		if !strings.HasPrefix(got, "400 ") || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s\n got %s\nwant %s", tt.group, tt.body, got, tt.want)
		}
	}
	for _, g := range s.Groups() {
		if len(g.Endpoints) > 0 {
			t.Errorf("%s holds %v", g.Name, g.Endpoints)
		}
	}
}

// TestInstanceForms: an instance may be named in every way a link may be written.
func TestInstanceForms(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.insert("g")
	for i, form := range []string{
		"i0", "zones/us-central1-a/instances/i0", "projects/p1/zones/us-central1-a/instances/i0",
		"https://www.googleapis.com/compute/v1/projects/p1/zones/us-central1-a/instances/i0",
		"http://127.0.0.1:9080/compute/beta/projects/p1/zones/us-central1-a/instances/i0",
	} {
		ep := fmt.Sprintf("%s 10.4.0.%d:80", form, i)
		c.ok("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", endpoints(ep))
		if got := s.Groups()[0].Endpoints; len(got) != 1 || got[0].Instance != "i0" {
			t.Errorf("%s: %v", form, got)
		}
		c.ok("POST", zone+"networkEndpointGroups/g/detachNetworkEndpoints", endpoints(strings.Replace(ep, form, "i0", 1)))
	}
}

// TestConduct: endpoints that are there already, or no longer, or twice.
func TestConduct(t *testing.T) {
	for conduct, want := range map[fakegce.Conduct]string{
		fakegce.Idempotent: "200", fakegce.Invalid: "400 invalid", fakegce.NotFound: "404 notFound",
	} {
		s, c := start(t, fakegce.Options{AttachExisting: conduct, DetachAbsent: conduct})
		c.insert("g")
		group := zone + "networkEndpointGroups/g/"
		c.ok("POST", group+"attachNetworkEndpoints", endpoints("i0 10.4.0.1:80"))
		for _, step := range []struct{ verb, body string }{
			{"attachNetworkEndpoints", endpoints("i0 10.4.0.1:80")},
			{"attachNetworkEndpoints", endpoints("i0 10.4.0.1:80", "i0 10.4.0.1:80")},
			{"detachNetworkEndpoints", endpoints("i0 10.4.0.2:80")},
			{"detachNetworkEndpoints", endpoints("gone 10.4.9.2:80")},
			{"detachNetworkEndpoints", endpoints("i1 10.4.0.1:80")},
		} {
			if got := message(c.do("POST", group+step.verb, step.body)); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s %s: %s", conduct, step.verb, step.body, got)
			}
		}
		if got := s.Groups()[0].Endpoints; len(got) != 1 {
			t.Errorf("%s: %v", conduct, got)
		}
		if got := len(s.Timeline(0)); got != 2 {
			t.Errorf("%s: %d transitions, want created and attached", conduct, got)
		}
	}
}

func TestGroupIsFull(t *testing.T) {
	s := fakegce.New(fakegce.Options{})
	seed := nodes(1)
	seed.Instances[0].AliasRanges = []string{"10.16.0.0/16"}
	if err := s.Seed(seed); err != nil {
		t.Fatal(err)
	}
	c := client{t, fakegce.Start(t, s)}
	c.insert("g")
	attach := zone + "networkEndpointGroups/g/attachNetworkEndpoints"
	for from := 0; from < 10_000; from += 500 {
		c.ok("POST", attach, numbered(from, 500))
	}
	got := message(c.do("POST", attach, numbered(10_000, 1)))
	if want := "400 limitExceeded: Exceeded limit"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	got = message(c.do("POST", attach, numbered(20_000, 501)))
	if want := "400 invalid: Invalid value for field 'resource.networkEndpoints'"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// numbered is n endpoints of 10.16.0.0/16 on i0.
func numbered(from, n int) string {
	list := make([]string, n)
	for i := range list {
		at := from + i
		list[i] = fmt.Sprintf("i0 10.16.%d.%d:80", at>>8&255, at&255)
	}
	return endpoints(list...)
}
