package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
)

// fleetOf is a fleet file of one cluster with those lines.
func fleetOf(lines string) string {
	return `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11
` + lines
}

func TestConnect(t *testing.T) {
	prod := neg.GKECluster{Project: "p2", Location: "us-central1", Name: "prod"}
	for name, c := range map[string]struct {
		lines, project, reached string
		connect                 config.Connect
		resource                neg.GKECluster
	}{
		"kubeconfig": {"  connect: {kubeconfig: /k}\n", "p1", "kubeconfig", config.Connect{Kubeconfig: "/k"}, neg.GKECluster{}},
		"a kubeconfig to a GKE cluster": {
			"  connect: {kubeconfig: /k}\n  resource: projects/p2/locations/us-central1/clusters/prod\n", "p2", "kubeconfig",
			config.Connect{Kubeconfig: "/k"}, prod,
		},
		"gke": {
			"  connect:\n    gke: projects/p2/locations/us-central1/clusters/prod\n", "p2", "gke",
			config.Connect{GKE: prod}, prod,
		},
		"its DNS endpoint": {
			"  project: p2\n  connect: {gke: projects/p2/locations/us-central1/clusters/prod, dns: true}\n", "p2", "gke, dns",
			config.Connect{GKE: prod, DNS: config.Yes}, prod,
		},
		"its IP endpoint": {
			"  connect: {gke: projects/p2/locations/us-central1/clusters/prod, dns: false}\n", "p2", "gke",
			config.Connect{GKE: prod, DNS: config.No}, prod,
		},
		"Connect gateway": {
			"  connect: {gateway: projects/123/locations/global/memberships/edge-1}\n", "p1", "gateway",
			config.Connect{Gateway: "projects/123/locations/global/memberships/edge-1"}, neg.GKECluster{},
		},
		"a GKE cluster behind Connect gateway": {
			"  connect: {gateway: projects/123/locations/us-central1/gkeMemberships/prod}\n  resource: projects/p2/locations/us-central1/clusters/prod\n", "p2", "gateway",
			config.Connect{Gateway: "projects/123/locations/us-central1/gkeMemberships/prod"}, prod,
		},
	} {
		t.Run(name, func(t *testing.T) {
			fleet, err := config.ParseFleet("fleet.yaml", []byte(fleetOf(c.lines)))
			if err != nil {
				t.Fatal(err)
			}
			got := fleet.Clusters[0]
			if d := cmp.Diff(c.connect, got.Connect); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.Project != c.project || got.Resource != c.resource || got.Connect.String() != c.reached {
				t.Errorf("project %s, resource %s, reached by %s", got.Project, got.Resource, got.Connect)
			}
		})
	}
}

func TestConnectProblems(t *testing.T) {
	const gke = "gke: projects/p1/locations/us-central1/clusters/prod"
	for _, c := range []struct{ lines, want string }{
		{"", `fleet.yaml:7: clusters[0].connect: missing; want exactly one of kubeconfig, gke, gateway`},
		{"  connect: {}\n", `fleet.yaml:7: clusters[0].connect: missing; want exactly one of kubeconfig, gke, gateway`},
		{"  connect:\n    kubeconfig: k\n    " + gke + "\n", `fleet.yaml:10: clusters[0].connect: gke and kubeconfig; want exactly one of kubeconfig, gke, gateway`},
		{"  connect: {gke: prod}\n", `fleet.yaml:8: clusters[0].connect.gke: "prod": want projects/PROJECT_ID/locations/REGION_OR_ZONE/clusters/NAME`},
		{"  connect: {" + gke + ", dns: maybe}\n", `fleet.yaml:8: clusters[0].connect.dns: "maybe": want true or false`},
		{"  connect: {kubeconfig: k, dns: true}\n", `fleet.yaml:8: clusters[0].connect.dns: only beside gke`},
		{"  connect: {" + gke + "}\n  resource: projects/p1/locations/us-central1/clusters/prod\n", `fleet.yaml:9: clusters[0].resource: follows from connect.gke; leave it out`},
		{
			"  connect: {" + gke + "}\n  project: p2\n",
			`fleet.yaml:9: clusters[0].project: "p2": line 8 has the cluster in "p1", and its nodes and groups are where it is; leave project out`,
		},
		{
			"  connect: {gateway: projects/p1/locations/global/memberships/edge}\n",
			`fleet.yaml:8: clusters[0].connect.gateway: "projects/p1/locations/global/memberships/edge": ` +
				`want projects/PROJECT_NUMBER/locations/global/memberships/NAME, gkeMemberships for a GKE cluster`,
		},
		{"  connect: {kubeconfig: k}\n  resource: prod\n", `fleet.yaml:9: clusters[0].resource: "prod": want projects/PROJECT_ID/locations/REGION_OR_ZONE/clusters/NAME`},
		{
			"  connect: {" + gke + "}\n- name: c2\n  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11\n" +
				"  connect: {kubeconfig: k}\n  resource: projects/p1/locations/us-central1/clusters/prod\n",
			`fleet.yaml:12: clusters[1].resource: "projects/p1/locations/us-central1/clusters/prod" stands at line 8 already`,
		},
	} {
		_, err := config.ParseFleet("fleet.yaml", []byte(fleetOf(c.lines)))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.lines, err, c.want)
		}
	}
}

// TestByResource: an entry that says which GKE cluster it is gets that one's log entries
// and no other's; one that does not say so goes by name, project and the region of its zones.
func TestByResource(t *testing.T) {
	text := strings.Replace(fleetOf("  connect: {gke: projects/p2/locations/us-central1/clusters/prod}\n"), "name: c1", "name: prod", 1) +
		"- name: lab\n  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11\n  connect: {kubeconfig: k}\n" +
		"- name: near\n  uid: 11111111-4b9b-4c1e-8a53-0d6a2f1f8a11\n  zones: [us-east1-ai1b, us-east1-c]\n  connect: {kubeconfig: k}\n"
	fleet, err := config.ParseFleet("fleet.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for r, want := range map[neg.GKECluster]string{
		{Project: "p2", Location: "us-central1", Name: "prod"}:   "prod",
		{Project: "p2", Location: "europe-west1", Name: "prod"}:  "",
		{Project: "p1", Location: "us-central1", Name: "prod"}:   "",
		{Project: "p1", Location: "anywhere", Name: "lab"}:       "lab",
		{Project: "p2", Location: "anywhere", Name: "lab"}:       "",
		{Project: "p1", Location: "us-east1", Name: "near"}:      "near",
		{Project: "p1", Location: "us-east1-d", Name: "near"}:    "near",
		{Project: "p1", Location: "us-east1-ai1d", Name: "near"}: "near",
		{Project: "p1", Location: "us-east4", Name: "near"}:      "",
		{Project: "p1", Location: "us-east4-ai1b", Name: "near"}: "",
		{Project: "p1", Location: "us-east4-b", Name: "near"}:    "",
	} {
		got, ok := fleet.ByResource(r)
		if ok != (want != "") || ok && got.Name != want {
			t.Errorf("%s: %s, %v; want %q", r, got.Name, ok, want)
		}
	}
}

func TestEndpointsInTheEnvironment(t *testing.T) {
	for value, good := range map[string]bool{"http://127.0.0.1:9085": true, "https://container.test/": true, "127.0.0.1:9085": false, "http://x/v1": false} {
		for _, name := range []string{"NEGFLEET_CONTAINER_ENDPOINT", "NEGFLEET_GATEWAY_ENDPOINT"} {
			env := map[string]string{"NEGFLEET_FLEET": "f", name: value}
			if _, err := config.ReadEnv(func(k string) string { return env[k] }); (err == nil) != good {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
}
