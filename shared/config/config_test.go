package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
)

const good = `version: 1
project: my-project
network: default
subnetwork: default
clusters:
- name: prod
  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11
  zones: [us-central1-a, us-central1-b]
  connect: {kubeconfig: prod.kubeconfig}
- name: lab
  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11
  project: lab-project
  connect: {kubeconfig: /etc/lab}
  negs: gke
  state: draining
  policy: observe
`

func TestParseFleet(t *testing.T) {
	got, err := config.ParseFleet("/etc/negfleet/fleet.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	gates := config.Gates{Waits: config.Waits{Timeout: 10 * time.Minute, Unattached: 10 * time.Minute, Hybrid: 10 * time.Minute}}
	want := &config.Fleet{Project: "my-project", Network: "default", Subnetwork: "default", Clusters: []config.Cluster{
		{Name: "prod", UID: "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11", Line: 7, Project: "my-project", Zones: []neg.Zone{"us-central1-a", "us-central1-b"}, Connect: config.Connect{Kubeconfig: "/etc/negfleet/prod.kubeconfig"}, NEGs: "managed", State: "active", Gone: "report", GoneGKE: "report", Policy: "sync", Gates: gates},
		{Name: "lab", UID: "00000000-4b9b-4c1e-8a53-0d6a2f1f8a11", Line: 11, Stated: 15, Project: "lab-project", Connect: config.Connect{Kubeconfig: "/etc/lab"}, NEGs: "gke", State: "draining", Gone: "report", GoneGKE: "report", Policy: "observe", Gates: gates},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestParseFleetProblems: every problem is reported at once, with its line and field.
func TestParseFleetProblems(t *testing.T) {
	bad := `version: 2
project: My Project
netwrok: default
clusters:
- name: Prod
  uid: none
  zones: [us-central1, 7]
  polizy: sync
- name: lab
  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11
  connect: {kubeconfig: x}
  policy: dry
- name: lab
  uid: 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11
  connect: {kubeconfig: x}
`
	_, err := config.ParseFleet("fleet.yaml", []byte(bad))
	want := []string{
		`fleet.yaml:3: field netwrok not found`,
		`fleet.yaml:8: field polizy not found`,
		`fleet.yaml:1: version: "2": this negfleet reads 1`,
		`fleet.yaml:2: project: "My Project": want a project ID`,
		`fleet.yaml:1: network: missing`,
		`fleet.yaml:1: subnetwork: missing`,
		`fleet.yaml:6: clusters[0].name: cluster "Prod": want an RFC 1035 label of at most 40 characters`,
		`fleet.yaml:6: clusters[0].uid: "none": want the UID that kubectl get namespace kube-system -o jsonpath={.metadata.uid} prints`,
		`fleet.yaml:6: clusters[0].connect: missing; want exactly one of kubeconfig, gke, gateway`,
		`fleet.yaml:7: clusters[0].zones[0]: "us-central1": want a zone such as us-central1-a`,
		`fleet.yaml:7: clusters[0].zones[1]: "7": want a zone such as us-central1-a`,
		`fleet.yaml:12: clusters[1].policy: "dry": want one of sync, observe, upsert`,
		`fleet.yaml:13: clusters[2].name: "lab" stands at line 9 already`,
		`fleet.yaml:14: clusters[2].uid: "00000000-4b9b-4c1e-8a53-0d6a2f1f8a11" stands at line 10 already`,
	}
	if d := cmp.Diff(strings.Join(want, "\n"), err.Error()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := config.ParseFleet("fleet.yaml", []byte("---\n"+good+"---\n...\n")); err != nil {
		t.Errorf("one document between markers: %v", err)
	}
	for name, text := range map[string]string{"empty": "", "not yaml": "a: [", "a list": "- x", "wrong type": "clusters: 3", "two documents": good + "---\nclusters: []\n"} {
		if _, err := config.ParseFleet("fleet.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "fleet.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseFleet(f *testing.F) {
	f.Add(good)
	f.Add(fleetOf("  connect: {gke: projects/p1/locations/us-central1/clusters/prod, dns: true}\n"))
	f.Add(fleetOf("  connect: {gateway: projects/123/locations/global/memberships/edge}\n  resource: projects/p1/locations/us-central1/clusters/prod\n"))
	f.Fuzz(func(t *testing.T, s string) {
		fleet, err := config.ParseFleet("f", []byte(s))
		if err == nil && len(fleet.Clusters) == 0 {
			t.Fatal("a fleet of nothing is valid")
		}
	})
}

// TestFile: a change is seen within a minute, a wrong change leaves the last good file in
// force, and says so.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	now := time.Now()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	file, err := config.OpenFile(path, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	clusters := func() int {
		f, err := file.Fleet()
		if err != nil {
			t.Fatal(err)
		}
		return len(f.Clusters)
	}
	write(strings.Split(good, "- name: lab")[0])
	if n := clusters(); n != 1 {
		t.Errorf("after the change: %d clusters, want 1", n)
	}
	write("version: 9")
	if n := clusters(); n != 1 || file.Stale() == nil {
		t.Errorf("after a wrong change: %d clusters, stale %v", n, file.Stale())
	}
	write(good)
	if n := clusters(); n != 2 || file.Stale() != nil {
		t.Errorf("after the repair: %d clusters, stale %v", n, file.Stale())
	}
	if _, err := config.OpenFile(path+".missing", time.Now); err == nil {
		t.Error("a missing file opened")
	}
}

func TestReadEnv(t *testing.T) {
	env := map[string]string{"NEGFLEET_COMPUTE_ENDPOINT": "http://127.0.0.1:1/", "NEGFLEET_DELETION_GRACE": "soon"}
	_, err := config.ReadEnv(func(k string) string { return env[k] })
	for _, want := range []string{"NEGFLEET_FLEET", "NEGFLEET_COMPUTE_ENDPOINT", "NEGFLEET_DELETION_GRACE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no problem with %s in %v", want, err)
		}
	}
	env = map[string]string{"NEGFLEET_FLEET": "f", "GOOGLE_CLOUD_PROJECT": "p", "NEGFLEET_DELETION_GRACE": "1s"}
	got, err := config.ReadEnv(func(k string) string { return env[k] })
	if err != nil || got.DeletionGrace != time.Second || got.PubSubProject != "p" || got.LookInterval != time.Second {
		t.Errorf("%+v, %v", got, err)
	}
}
