package fakegce_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestPermissionNames: what negfleet's roles grant, by the methods that need it.
func TestPermissionNames(t *testing.T) {
	got := map[string]string{}
	for _, m := range fakegce.Methods() {
		got[m.ID] = m.Permission()
		if permission := m.Permission(); permission != "" {
			if _, err := fakegce.ParsePermission(permission); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
		}
	}
	for id, want := range map[string]string{
		"networkEndpointGroups.insert":                 "compute.networkEndpointGroups.create",
		"networkEndpointGroups.aggregatedList":         "compute.networkEndpointGroups.list",
		"networkEndpointGroups.listNetworkEndpoints":   "compute.networkEndpointGroups.get",
		"networkEndpointGroups.attachNetworkEndpoints": "compute.networkEndpointGroups.attachNetworkEndpoints",
		"networkEndpointGroups.delete":                 "compute.networkEndpointGroups.delete",
		"networkEndpointGroups.testIamPermissions":     "",
		"zoneOperations.wait":                          "compute.zoneOperations.get",
		"zones.list":                                   "compute.zones.list",
		"backendServices.patch":                        "compute.backendServices.update",
		"backendServices.getHealth":                    "compute.backendServices.get",
		"regionHealthChecks.insert":                    "compute.regionHealthChecks.create",
		"globalForwardingRules.setTarget":              "compute.globalForwardingRules.setTarget",
	} {
		if got[id] != want {
			t.Errorf("%s needs %q, want %q", id, got[id], want)
		}
	}
}

// TestDeniedPermission: the method that needs it is refused, the others are not.
func TestDeniedPermission(t *testing.T) {
	group := zone + "networkEndpointGroups/g"
	for _, tt := range []struct{ denied, method, path, body, want string }{
		{"compute.networkEndpointGroups.create", "POST", zone + "networkEndpointGroups", `{"name":"x","networkEndpointType":"GCE_VM_IP_PORT"}`, zone + "networkEndpointGroups/x"},
		{"compute.networkEndpointGroups.get", "GET", group, "", group},
		{"compute.networkEndpointGroups.get", "POST", group + "/listNetworkEndpoints", "", group},
		{"compute.networkEndpointGroups.list", "GET", "projects/p1/aggregated/networkEndpointGroups", "", "projects/p1"},
		{"compute.networkEndpointGroups.attachNetworkEndpoints", "POST", group + "/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80"), group},
		{"compute.instances.use", "POST", group + "/attachNetworkEndpoints", endpoints("i0 10.4.0.1:80"), zone + "instances/i0"},
		{"compute.networks.use", "POST", zone + "networkEndpointGroups", `{"name":"x","networkEndpointType":"GCE_VM_IP_PORT"}`, "projects/p1/global/networks/default"},
		{"compute.subnetworks.use", "POST", zone + "networkEndpointGroups", `{"name":"x","networkEndpointType":"GCE_VM_IP_PORT","subnetwork":"default"}`,
			"projects/p1/regions/us-central1/subnetworks/default"},
		{"compute.healthChecks.useReadOnly", "POST", "projects/p1/global/backendServices", `{"name":"s","healthChecks":["global/healthChecks/h"]}`, "projects/p1/global/healthChecks/h"},
		{"compute.networkEndpointGroups.delete", "DELETE", group, "", group},
	} {
		_, c := start(t, fakegce.Options{DeniedPermissions: []string{tt.denied}})
		_, free := start(t, fakegce.Options{DeniedPermissions: []string{"compute.zones.get"}})
		for _, each := range []client{c, free} {
			each.do("POST", zone+"networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP_PORT"}`)
			each.ok("POST", "projects/p1/global/healthChecks", `{"name":"h","type":"TCP"}`)
		}
		want := "403 forbidden: Required '" + tt.denied + "' permission for '" + tt.want + "'"
		if got := message(c.do(tt.method, tt.path, tt.body)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		free.ok(tt.method, tt.path, tt.body)
	}
}

func TestTestIamPermissions(t *testing.T) {
	_, c := start(t, fakegce.Options{DeniedPermissions: []string{"compute.instances.use"}})
	ask := func(permissions string) any {
		return c.ok("POST", zone+"instances/i0/testIamPermissions", `{"permissions":[`+permissions+`]}`)["permissions"]
	}
	if d := cmp.Diff([]any{"compute.instances.get"}, ask(`"compute.instances.use","compute.instances.get"`)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := ask(`"compute.instances.use"`); got != nil {
		t.Errorf("denied, yet has %v", got)
	}
	if got := message(c.do("POST", zone+"instances/i0/testIamPermissions", `{"permissions":["use"]}`)); !strings.HasPrefix(got, "400 invalid: ") {
		t.Errorf("no permission: %s", got)
	}
	if got := message(c.do("POST", zone+"instances/i9/testIamPermissions", `{"permissions":[]}`)); !strings.HasPrefix(got, "404 notFound: ") {
		t.Errorf("on what is not there: %s", got)
	}
}
