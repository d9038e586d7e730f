package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakedoor"
	"github.com/negfleet/negfleet/test/fakekube"
)

// newFleetWorld is a fleet of clusters reached in each way, some in trouble: as an operator
// has it, with nothing but the environment to lead to it.
func newFleetWorld(t *testing.T, names ...string) *world {
	t.Helper()
	w := &world{t: t, kube: fakekube.New(), env: map[string]string{}}
	api := httptest.NewServer(w.kube)
	t.Cleanup(api.Close)
	tokens := fakedoor.NewTokens(t, time.Now)
	google := fakecontainer.New(fakecontainer.Options{})
	dir := t.TempDir()
	file := "version: 1\nproject: p1\nnetwork: default\nsubnetwork: default\nclusters:\n"
	for i, name := range names {
		id := fmt.Sprintf("7c1e7a0e-4b9b-4c1e-8a53-%012d", i)
		cluster := w.kube.AddCluster(name, fakekube.WithUID(uid))
		cluster.SetUID(types.UID(id))
		connect, more := "{gke: projects/p1/locations/us-central1/clusters/"+name+"}", ""
		front := fakedoor.Serve(t, tokens, fakedoor.To(api.URL+"/clusters/"+name, "operator", nil))
		seeded := fakecontainer.Cluster{Project: "p1", Location: "us-central1", Name: name, Cluster: map[string]any{
			"endpoint": front.Host(), "masterAuth": map[string]any{"clusterCaCertificate": front.CA()},
		}}
		switch name {
		case "plain":
			connect = "{kubeconfig: plain.kubeconfig}"
			w.write(filepath.Join(dir, "plain.kubeconfig"), cluster.Kubeconfig(api.URL, "operator"))
		case "rebuilt":
			cluster.SetUID("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11")
		case "leaving":
			more = "  state: draining\n"
		}
		if name != "plain" && name != "gone" {
			w.check(google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{seeded}}))
		}
		file += fmt.Sprintf("- name: %s\n  uid: %s\n  connect: %s\n%s", name, id, connect, more)
	}
	w.write(filepath.Join(dir, "fleet.yaml"), []byte(file))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", tokens.Credentials(t))
	w.env["NEGFLEET_FLEET"], w.env["NEGFLEET_CONTAINER_ENDPOINT"] = filepath.Join(dir, "fleet.yaml"), fakecontainer.Start(t, google)
	return w
}

// TestClusters holds the table against testdata/clusters.txt; whoever is not alive makes the
// command fail.
func TestClusters(t *testing.T) {
	w := newFleetWorld(t, "prod", "plain", "rebuilt", "leaving", "gone")
	code, out, errs := w.run("clusters")
	if code != 1 || errs != "negfleet: 3 of 5 clusters are not alive: rebuilt, leaving, gone\n" {
		t.Errorf("exit %d: %s", code, errs)
	}
	path := filepath.Join("testdata", "clusters.txt")
	if *update {
		w.check(os.WriteFile(path, []byte(out), 0o644))
	}
	want, err := os.ReadFile(path)
	w.check(err)
	if d := cmp.Diff(string(want), out); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestClustersAlive(t *testing.T) {
	w := newFleetWorld(t, "prod", "plain")
	code, out, errs := w.run("clusters", "--json")
	var got []jsonCluster
	w.check(json.Unmarshal([]byte(out), &got))
	if code != 0 || errs != "" || len(got) != 2 {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	for i, want := range []jsonCluster{
		{Name: "prod", ReachedBy: "gke", Resource: "projects/p1/locations/us-central1/clusters/prod", State: "active", Presence: "alive", Version: "v1.37.1-fakekube", AddOn: "on"},
		{Name: "plain", ReachedBy: "kubeconfig", State: "active", Presence: "alive", Version: "v1.37.1-fakekube", AddOn: "none"},
	} {
		if len(got[i].Evidence) == 0 || got[i].UID == "" || got[i].UID != got[i].Answered {
			t.Errorf("%+v", got[i])
		}
		got[i].Evidence, got[i].UID, got[i].Answered = nil, "", ""
		if d := cmp.Diff(want, got[i]); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestClustersWithoutFleet(t *testing.T) {
	w := newFleetWorld(t, "plain")
	w.env["NEGFLEET_FLEET"] += "x"
	if code, out, errs := w.run("clusters"); code != 1 || out != "" || !strings.HasPrefix(errs, "negfleet: fleet file: ") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if code, _, errs := w.run("clusters", "prod"); code != 2 || !strings.HasPrefix(errs, "negfleet: clusters: takes no arguments") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
