package infra

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
)

// generated is the key that the stand-in of the provider makes.
const generated = "never-to-be-kept-0123456789abcdef"

// TestNoSecretIsKept: neither the key of the paths nor the fleet file is in the state, in a plan,
// or in what is left in the folder.
func TestNoSecretIsKept(t *testing.T) {
	w := newWorkspace(t)
	w.write("fleet.yaml", text(t, "test/deploy/testdata/fleet.yaml"))
	w.settings(map[string]any{"project": "my-project", "region": "europe-west1", "fleet_file": filepath.Join(w.dir, "fleet.yaml")})
	w.applied()
	w.run("infra", "plan", "-no-color", "-input=false", "-out=plan")
	kept := w.run("infra", "show", "-json") + w.run("infra", "show", "-json", "plan")
	for _, pattern := range []string{"infra/terraform.tfstate*", "infra/plan"} {
		files, err := filepath.Glob(filepath.Join(w.dir, pattern))
		w.check(err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			w.check(err)
			kept += string(data)
		}
	}
	for _, secret := range []string{generated, "87283654-ec2f-4d45-a6a2-9d879f3f4151"} { // the latter is in the fleet file
		if strings.Contains(kept, secret) {
			t.Errorf("%s is kept", secret)
		}
	}
	if !strings.Contains(kept, "negfleet-caller-keys") {
		t.Error("this test looks at something else")
	}
	w.write("fleet.yaml", text(t, "test/deploy/testdata/fleet.yaml")+"# changed\n")
	want := []string{`delete+create google_secret_manager_secret_version.fleet`}
	if diff := cmp.Diff(want, w.changes()); diff != "" {
		t.Errorf("a change of the fleet file (-want +got)\n%s", diff)
	}
	if text := w.run("infra", "show", "-json", "plan"); !strings.Contains(text, `"create","delete"`) {
		t.Error("the old version goes before the new one is there")
	}
	w.run("infra", "destroy", "-no-color", "-input=false", "-auto-approve")
}

// changes are what a plan would do.
func (w *workspace) changes() (all []string) {
	w.t.Helper()
	w.run("infra", "plan", "-no-color", "-input=false", "-out=plan")
	var plan struct {
		Changes []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	w.check(json.Unmarshal([]byte(w.run("infra", "show", "-json", "plan")), &plan))
	for _, c := range plan.Changes {
		actions := c.Change.Actions
		if slices.Equal(actions, []string{"no-op"}) || slices.Equal(actions, []string{"read"}) {
			continue
		}
		slices.Sort(actions)
		slices.Reverse(actions)
		all = append(all, strings.Join(actions, "+")+" "+c.Address)
	}
	return all
}

// TestRefused: what cannot be right is refused before anything is made, with what is wanted, and
// all of it at once.
func TestRefused(t *testing.T) {
	w := newWorkspace(t)
	w.run("infra", "init", "-no-color", "-input=false")
	list := text(t, "infra/functions.list")
	w.write("large.yaml", strings.Repeat("x", 65537))
	w.write("own.list", strings.Replace(list, "events     functions/events", "ovents     functions/events", 1))
	w.write("public.list", strings.Replace(list, "private  80          1   1Gi", "public   80          1   1Gi", 1))
	firewall := func(ports []string, ranges ...string) map[string]any {
		return map[string]any{"project": "my-project", "network": "default", "ports": ports, "source_ranges": ranges}
	}
	for _, round := range []struct {
		settings map[string]any
		want     []string
	}{
		{map[string]any{
			"project": "My Project", "region": "europe-west1-b", "fleet_file": "/nonexistent", "cluster_projects": []string{"x"}, "network_project": "y", "gateway_projects": []string{"z"},
			"vpc_connector": "negfleet", "public_access": "everyone", "log_level": "loud", "functions_list": "/nonexistent", "bucket": "My", "notification_channels": []string{"me@example.com"},
			"health_check_firewalls": map[string]any{"A": firewall([]string{}, "0.0.0.0/0")}, "alert_thresholds": map[string]any{"oldest_key": 1},
		}, []string{
			"want a project ID, such as", "want a region", "want the path of the fleet file", "want project IDs", "want a project ID, or null", "want projects/PROJECT/locations", "want allUsers",
			"want debug, info, warn", "there is no such file", "want the name of a bucket", "want projects/PROJECT/notificationChannels", "want names of at most", "ports: want at least one",
			"not the whole internet", "oldest_key of at least 60",
		}},
		{map[string]any{"fleet_file": filepath.Join(w.dir, "large.yaml"), "cluster_projects": []string{}, "log_level": "error"}, []string{"larger than 65536 bytes", "at least one project", "the alerts count"}},
		{map[string]any{"functions_list": filepath.Join(w.dir, "own.list")}, []string{"function ovents has no file of its own"}},
		{map[string]any{"functions_list": filepath.Join(w.dir, "public.list")}, []string{"functions.list says reconcile is public"}},
		{map[string]any{"source_dir": "/nonexistent"}, []string{"run make stage"}},
	} {
		settings := map[string]any{"project": "my-project", "region": "europe-west1", "fleet_file": absolute(t, "test/deploy/testdata/fleet.yaml")}
		maps.Copy(settings, round.settings)
		w.settings(settings)
		_, err := w.try("infra", "plan", "-no-color", "-input=false", "-refresh=false")
		if err == nil {
			t.Errorf("%v is not refused", round.settings)
			continue
		}
		said := strings.Join(strings.Fields(err.Error()), " ")
		for _, want := range round.want {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in %s", want, said)
			}
		}
	}
	// The most that there may be.
	w.write("large.yaml", strings.Repeat("x", 65536))
	w.settings(map[string]any{"project": "my-project", "region": "europe-west1", "fleet_file": filepath.Join(w.dir, "large.yaml")})
	w.run("infra", "plan", "-no-color", "-input=false", "-refresh=false")
}

// TestFirewall: what load balancers need, and no more.
func TestFirewall(t *testing.T) {
	w := newWorkspace(t)
	w.settings(map[string]any{
		"project": "my-project", "region": "europe-west1", "fleet_file": absolute(t, "test/deploy/testdata/fleet.yaml"), "monitoring": false,
		"health_check_firewalls": map[string]any{
			"web": map[string]any{"project": "host-project", "network": "shared", "ports": []string{"8080", "9000-9099"}, "target_tags": []string{"nodes"}, "source_ranges": []string{"10.129.0.0/23"}},
		},
	})
	var got []map[string]any
	for _, r := range w.applied() {
		if r.Type == "google_compute_firewall" {
			got = append(got, r.Values)
		}
	}
	want := []map[string]any{{
		"id": "projects/host-project/global/firewalls/negfleet-web-health-checks", "name": "negfleet-web-health-checks", "project": "host-project", "network": "shared",
		"description": "Load balancers and their health checks reach Pods", "direction": "INGRESS",
		"source_ranges": []any{"10.129.0.0/23", "130.211.0.0/22", "35.191.0.0/16"}, "target_tags": []any{"nodes"},
		"allow": []any{map[string]any{"protocol": "tcp", "ports": []any{"8080", "9000-9099"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExampleFleets: the fleet files of the examples are ones that negfleet takes.
func TestExampleFleets(t *testing.T) {
	for _, name := range examples(t) {
		file := filepath.Join("infra", "examples", name, "fleet.yaml")
		if _, err := config.ParseFleet(file, []byte(text(t, file))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
