package fakegce_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

// failure is why an operation failed: "400 CODE: message", or nothing.
func (c client) failure(op map[string]any) string {
	c.t.Helper()
	done := c.ok("GET", strings.TrimPrefix(op["selfLink"].(string), "https://www.googleapis.com"), "")
	errs, ok := done["error"].(map[string]any)
	if !ok {
		return ""
	}
	first := errs["errors"].([]any)[0].(map[string]any)
	return done["httpErrorMessage"].(string) + " " + first["code"].(string) + ": " + first["message"].(string)
}

// TestNetworkInUse: whatever is in a network keeps it, and is named; a group that nobody
// deleted is enough.
func TestNetworkInUse(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	const network = "projects/p1/global/networks/lan"
	const pods = "projects/p1/regions/us-central1/subnetworks/pods"
	c.ok("POST", "projects/p1/global/networks", `{"name":"lan","autoCreateSubnetworks":false}`)
	c.ok("POST", "projects/p1/regions/us-central1/subnetworks", `{"name":"pods","network":"global/networks/lan","ipCidrRange":"10.50.0.0/20"}`)
	c.ok("POST", zone+"instances", `{"name":"vm","machineType":"e2-small","networkInterfaces":[{"subnetwork":"regions/us-central1/subnetworks/pods"}]}`)
	c.ok("POST", zone+"networkEndpointGroups", `{"name":"leaked","networkEndpointType":"GCE_VM_IP_PORT","network":"global/networks/lan"}`)
	c.ok("POST", "projects/p1/global/firewalls", `{"name":"w","network":"global/networks/lan","allowed":[{"IPProtocol":"tcp"}]}`)

	want := "400 resourceInUseByAnotherResource: The subnetwork resource '" + pods + "' is already being used by '" + zone + "instances/vm'"
	if got := message(c.do("DELETE", pods, "")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, stage := range []struct{ user, then string }{
		{"projects/p1/global/firewalls/w", "projects/p1/global/firewalls/w"},
		{pods, zone + "instances/vm"},
		{pods, pods},
		{zone + "networkEndpointGroups/leaked", zone + "networkEndpointGroups/leaked"},
	} {
		want := "BAD REQUEST RESOURCE_IN_USE_BY_ANOTHER_RESOURCE: The network resource '" + network + "' is already being used by '" + stage.user + "'"
		if got := c.failure(c.ok("DELETE", network, "")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.ok("GET", network, "")
		c.ok("DELETE", stage.then, "")
	}
	if got := c.failure(c.ok("DELETE", network, "")); got != "" {
		t.Errorf("an empty network: %s", got)
	}
	if status, _ := c.do("GET", network, ""); status != http.StatusNotFound {
		t.Errorf("the network is there: %d", status)
	}
}

// TestAutoNetwork makes its subnetworks and takes them along, unless a group is in it.
func TestAutoNetwork(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	c.ok("POST", "projects/p1/global/networks", `{"name":"wide"}`)
	network := "projects/p1/global/networks/wide"
	sub := "projects/p1/regions/europe-west1/subnetworks/wide"
	if got := c.ok("GET", sub, ""); got["network"] != "https://www.googleapis.com/compute/v1/"+network {
		t.Errorf("subnetwork %v", got)
	}
	if got := message(c.do("DELETE", sub, "")); !strings.HasPrefix(got, "400 invalidResourceUsage: ") {
		t.Errorf("deleting an auto subnetwork: %s", got)
	}
	c.ok("POST", zone+"networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT","network":"global/networks/wide"}`)
	if got := c.failure(c.ok("DELETE", network, "")); !strings.HasSuffix(got, "is already being used by '"+zone+"networkEndpointGroups/g'") {
		t.Errorf("deleting it with a group: %q", got)
	}
	c.ok("GET", sub, "")
	c.ok("DELETE", zone+"networkEndpointGroups/g", "")
	if got := c.failure(c.ok("DELETE", network, "")); got != "" {
		t.Errorf("deleting it empty: %s", got)
	}
	if status, _ := c.do("GET", sub, ""); status != http.StatusNotFound {
		t.Errorf("its subnetwork is there: %d", status)
	}
}

// TestMadeInstance: endpoints are checked against instances that were made as against
// seeded ones.
func TestMadeInstance(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.ok("POST", zone+"instances", `{"name":"vm","machineType":"zones/us-central1-a/machineTypes/e2-small","networkInterfaces":[{"aliasIpRanges":[{"ipCidrRange":"10.77.0.0/24"}]}]}`)
	got := c.ok("GET", zone+"instances/vm", "")
	nic := got["networkInterfaces"].([]any)[0].(map[string]any)
	if nic["networkIP"] != "10.128.0.5" || nic["name"] != "nic0" || got["status"] != "RUNNING" || !strings.HasSuffix(got["zone"].(string), "/zones/us-central1-a") {
		t.Errorf("instance %v", got)
	}
	c.insert("g")
	c.ok("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", endpoints("vm 10.77.0.9:80"))
	if status, _ := c.do("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints", endpoints("vm 10.78.0.9:80")); status != http.StatusBadRequest {
		t.Errorf("an address of nobody: %d", status)
	}
	c.ok("DELETE", zone+"instances/vm", "")
	if left := s.Groups()[0].Endpoints; len(left) != 0 {
		t.Errorf("endpoints left: %v", left)
	}
}

// TestNetworkRefusals: what is wrong with it is said at once.
func TestNetworkRefusals(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	region := "projects/p1/regions/us-central1/"
	c.ok("POST", "projects/p1/global/networks", `{"name":"lan","autoCreateSubnetworks":false}`)
	c.ok("POST", region+"subnetworks", `{"name":"a","network":"lan","ipCidrRange":"10.50.0.0/20","secondaryIpRanges":[{"rangeName":"pods","ipCidrRange":"10.51.0.0/16"}]}`)
	for _, tt := range []struct{ path, body, want string }{
		{"projects/p1/global/networks", `{"name":"lan"}`, "409 alreadyExists: "},
		{"projects/p1/global/networks", `{"name":"x","mtu":9000}`, "400 invalid: "},
		{"projects/p1/global/networks", `{"name":"x","routingConfig":{"routingMode":"FAST"}}`, "400 invalid: "},
		{region + "subnetworks", `{"name":"b","ipCidrRange":"10.52.0.0/20"}`, "400 required: "},
		{region + "subnetworks", `{"name":"b","network":"lan"}`, "400 required: "},
		{region + "subnetworks", `{"name":"b","network":"wan","ipCidrRange":"10.52.0.0/20"}`, "404 notFound: "},
		{region + "subnetworks", `{"name":"b","network":"lan","ipCidrRange":"10.52.0.1/20"}`, "400 invalid: "},
		{"projects/p1/regions/us-east1/subnetworks", `{"name":"b","network":"lan","ipCidrRange":"10.51.7.0/24"}`, "400 invalid: "},
		{region + "subnetworks", `{"name":"b","network":"lan","ipCidrRange":"10.52.0.0/20","secondaryIpRanges":[{"rangeName":"r","ipCidrRange":"10.52.1.0/24"}]}`, "400 invalid: "},
		{zone + "instances", `{"name":"b","networkInterfaces":[{}]}`, "400 required: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small"}`, "400 required: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small","networkInterfaces":[{"network":"lan"}]}`, "400 invalid: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small","networkInterfaces":[{"network":"default","subnetwork":"a"}]}`, "400 invalid: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small","networkInterfaces":[{"subnetwork":"a","networkIP":"10.49.0.1"}]}`, "400 invalid: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small","networkInterfaces":[{"networkIP":"10.128.0.2"}]}`, "400 invalid: "},
		{zone + "instances", `{"name":"b","machineType":"e2-small","networkInterfaces":[null],"disks":[null]}`, "200"},
	} {
		if got := message(c.do("POST", tt.path, tt.body)); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s\n%s\nwant %s", tt.path, tt.body, got, tt.want)
		}
	}
}

// TestNetworkUnderWay: until its operation is done a network is not there, nor anything
// that it will make.
func TestNetworkUnderWay(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	_, c := start(t, fakegce.Options{Clock: clock, OpLatency: time.Second})
	c.ok("POST", "projects/p1/global/networks", `{"name":"wide"}`)
	for _, path := range []string{"projects/p1/global/networks/wide", "projects/p1/regions/us-east1/subnetworks/wide"} {
		if status, _ := c.do("GET", path, ""); status != http.StatusNotFound {
			t.Errorf("%s too early: %d", path, status)
		}
	}
	clock.Advance(time.Second)
	c.ok("GET", "projects/p1/regions/us-east1/subnetworks/wide", "")
}

// TestNetworkInUseAfterRestart: what is in a network is in it still.
func TestNetworkInUseAfterRestart(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.ok("POST", "projects/p1/global/networks", `{"name":"lan","autoCreateSubnetworks":false}`)
	c.ok("POST", zone+"networkEndpointGroups", `{"name":"leaked","networkEndpointType":"GCE_VM_IP_PORT","network":"global/networks/lan"}`)
	var file bytes.Buffer
	if err := s.Save(&file); err != nil {
		t.Fatal(err)
	}
	again, c := start(t, fakegce.Options{})
	if err := again.Load(&file); err != nil {
		t.Fatal(err)
	}
	if got := c.failure(c.ok("DELETE", "projects/p1/global/networks/lan", "")); !strings.HasSuffix(got, "is already being used by '"+zone+"networkEndpointGroups/leaked'") {
		t.Errorf("got %q", got)
	}
}
