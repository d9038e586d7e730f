package scope_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakekube"
)

const uid = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

// open opens c1 of a fleet file whose entry has those more lines.
func open(t *testing.T, more string) (*scope.Scopes, *fakekube.Server) {
	t.Helper()
	return openWith(t, more, "")
}

// openWith does so with another container API.
func openWith(t *testing.T, more, container string) (*scope.Scopes, *fakekube.Server) {
	t.Helper()
	server := fakekube.New()
	c := server.AddCluster("c1", fakekube.WithUID(uid))
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	fleet := fmt.Sprintf(`version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: %s
  zones: [us-central1-a]
  connect: {kubeconfig: c1.kubeconfig}
%s`, uid, more)
	path := filepath.Join(dir, "fleet.yaml")
	for name, data := range map[string][]byte{path: []byte(fleet), filepath.Join(dir, "c1.kubeconfig"): c.Kubeconfig(web.URL, "negfleet")} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := config.Env{FleetFile: path, ComputeEndpoint: "http://compute.test/compute/v1/", ContainerEndpoint: container}
	s, err := scope.New(env, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s, server
}

// TestOpen: what the fleet file says of a cluster is what its scope says; those that
// negfleet leaves alone say why. A decommissioned cluster is not called.
func TestOpen(t *testing.T) {
	type view struct {
		Project, Skip string
		Policy        plan.Policy
		Foreign       bool
		Calls         string
	}
	const once = "c1 get namespaces: 1"
	for more, want := range map[string]view{
		"":                          {"p1", "", plan.Sync, false, once},
		"  policy: observe\n":       {"p1", "", plan.Observe, false, once},
		"  policy: upsert\n":        {"p1", "", plan.Upsert, false, once},
		"  project: another\n":      {"another", "", plan.Sync, false, once},
		"  state: draining\n":       {"p1", "", plan.Sync, false, once},
		"  state: decommissioned\n": {"p1", "the fleet file says state: decommissioned", 0, false, ""},
		"  negs: gke\n":             {"p1", "", plan.Sync, true, once},
	} {
		t.Run(more, func(t *testing.T) {
			s, server := open(t, more)
			got, err := s.Open(t.Context(), "c1")
			if err != nil {
				t.Fatal(err)
			}
			if got.UID != uid || len(got.Zones) != 1 || got.Zones[0] != "us-central1-a" {
				t.Errorf("UID %s, zones %v", got.UID, got.Zones)
			}
			if d := cmp.Diff(want, view{got.Project, got.Skip, got.Policy, got.Foreign, server.Calls().String()}); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestEmpty: where a cluster drains, or is proved gone and what it left is to be deleted, no
// key is to have anything. What is not proved gone is left alone.
func TestEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		more     string
		answers  bool
		empty    bool
		gone     bool
		reason   string // of the error
		skipping bool
	}{
		"active":                             {"", true, false, false, "", false},
		"draining":                           {"  state: draining\n", true, true, false, "", false},
		"draining, silent":                   {"  state: draining\n", false, false, false, "ClusterUnreachable", false},
		"silent, to be deleted":              {"  gone: delete\n", false, false, false, "ClusterUnreachable", false},
		"decommissioned":                     {"  state: decommissioned\n", false, false, false, "", true},
		"decommissioned, to be deleted":      {"  state: decommissioned\n  gone: delete\n", false, true, true, "", false},
		"decommissioned, and yet it answers": {"  state: decommissioned\n  gone: delete\n", true, false, false, "ClusterNotProvedGone", false},
		"decommissioned, of GKE's own":       {"  state: decommissioned\n  gone: delete\n  negs: gke\n", false, true, true, "", false},
		"decommissioned, GKE's own to go":    {"  state: decommissioned\n  gone: delete\n  gone_gke: delete\n  negs: gke\n", false, true, true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s, server := open(t, c.more)
			if !c.answers {
				server.RemoveCluster("c1")
			}
			got, err := s.Open(t.Context(), "c1")
			reason := ""
			if blocked := neg.BlockedReasons(err); len(blocked) > 0 {
				reason = blocked[0].Reason
			}
			if reason != c.reason || got.Empty != "" != c.empty || got.Gone != c.gone || got.Skip != "" != c.skipping {
				t.Errorf("%+v, %v", got, err)
			}
			if !got.Gone {
				return
			}
			server.AddCluster("c1", fakekube.WithUID(uid))
			if _, err := got.Cluster.UID(t.Context()); neg.OutcomeOf(err) != neg.Blocked {
				t.Errorf("it is back, and yet believed gone: %v", err)
			}
		})
	}
}

// TestOneCloudForEachPlace: two looks share a Compute client, and with it its bound on
// calls at once.
func TestOneCloudForEachPlace(t *testing.T) {
	s, _ := open(t, "")
	first, err := s.Open(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Open(t.Context(), "c1")
	if err != nil || first.Cloud != second.Cloud || first.Cluster != second.Cluster {
		t.Errorf("clients are not shared: %v", err)
	}
	if _, err := s.Open(t.Context(), "none"); neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("an unknown cluster: %v", err)
	}
}

// TestHTTPLoadBalancing: where GKE's own controller keeps the groups, negfleet does not, and
// says what to change. An add-on of which nothing is known does not stop it.
func TestHTTPLoadBalancing(t *testing.T) {
	const resource = "  resource: projects/p1/locations/us-central1/clusters/prod\n"
	on, off := map[string]any{"httpLoadBalancing": map[string]any{}}, map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}}
	for name, c := range map[string]struct {
		more   string
		addOns map[string]any
		fault  int
		reason string
	}{
		"on":                       {resource, on, 0, "HTTPLoadBalancingOn"},
		"on, not said":             {resource, nil, 0, "HTTPLoadBalancingOn"},
		"off":                      {resource, off, 0, ""},
		"on, and meant to be":      {resource + "  negs: gke\n", on, 0, ""},
		"on, draining":             {resource + "  state: draining\n", on, 0, ""},
		"container API forbidden":  {resource, on, 403, ""},
		"container API down":       {resource, on, 503, ""},
		"not known as GKE's":       {"", on, 0, ""},
		"no such cluster, it says": {resource, on, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			google := fakecontainer.New(fakecontainer.Options{})
			err := google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{
				{Project: "p1", Location: "us-central1", Name: "prod", Cluster: map[string]any{"addonsConfig": c.addOns}},
			}})
			if err == nil && c.fault != 0 {
				err = google.AddFaults(fakecontainer.Fault{Status: c.fault})
			}
			if err != nil {
				t.Fatal(err)
			}
			s, _ := openWith(t, c.more, fakecontainer.Start(t, google))
			_, err = s.Open(t.Context(), "c1")
			blocked := neg.BlockedReasons(err)
			switch {
			case c.reason == "" && err != nil:
				t.Error(err)
			case c.reason != "" && (len(blocked) != 1 || blocked[0].Reason != c.reason || !strings.Contains(err.Error(), "switch the add-on off, or say negs: gke")):
				t.Errorf("%v, want %s", err, c.reason)
			}
		})
	}
}
