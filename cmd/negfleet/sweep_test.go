package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/sweep"
)

// TestSweepDryRun: who is there, what was found and why, as a table and as the function
// answers it; a dry run writes nothing and asks for no topic. What is as young as the test
// is no orphan.
func TestSweepDryRun(t *testing.T) {
	w := resyncWorld(t, "")
	code, out, errs := w.run("sweep", "--dry-run")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"CLUSTER  PRESENCE  SERVICES  PODS THAT WAIT  PODS WITHOUT A GATE\nc1       alive     2         0               0\n",
		"drifted  group p1/us-central1-a/nf1-", "c1/shop/web\n    the groups of port 80 hold 0 endpoints, the slices have 4\n    Service shop/web of cluster c1 asks for it\n",
		"c1/shop/gone\n    cluster c1 has no Service shop/gone\n    created ", "only what is older than 15m0s counts as left over\n",
		"and the fleet file has no such cluster\n", "0 owned and wanted, 0 of them used by nothing; 4 findings, 0 not shown; ",
		"p1       NETWORK_ENDPOINT_GROUPS us-central1  4     2500   0  4              4368\n", " would be published, 0 orphaned keys left for later runs\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if writes := w.kube.Writes(); len(writes) != 0 {
		t.Errorf("wrote %v", writes)
	}
	code, out, errs = w.run("sweep", "--dry-run", "--json", "--cluster", "c1")
	var r sweep.Report
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil || len(r.Findings) != 3 || r.Clusters[0].Name != "c1" {
		t.Errorf("exit %d: %v %s%s", code, err, out, errs)
	}
}

// TestSweepPublishes: what it finds it publishes.
func TestSweepPublishes(t *testing.T) {
	w := resyncWorld(t, "")
	published := w.published()
	if code, out, errs := w.run("sweep"); code != 0 || !strings.Contains(out, " published, ") {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	if got := published(); !slices.Contains(got, "c1/shop/web sweep-groups") || slices.ContainsFunc(got, func(k string) bool { return strings.Contains(k, "gone") }) {
		t.Errorf("published %v", got)
	}
}

// TestSweepRefused: a wrong call says how, a cluster that nobody knows is said.
func TestSweepRefused(t *testing.T) {
	w := newWorld(t, "")
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"sweep c1":                       {2, "--cluster names one"},
		"sweep":                          {1, "PUBSUB_PROJECT_ID"},
		"sweep --dry-run --cluster none": {1, `cluster "none" is not in the fleet file`},
	} {
		if code, _, errs := w.run(strings.Fields(args)...); code != want.code || !strings.Contains(errs, want.text) {
			t.Errorf("%s: exit %d, %s", args, code, errs)
		}
	}
}

// TestSweepWatched: a person sees how far it is.
func TestSweepWatched(t *testing.T) {
	var said bytes.Buffer
	r := watched(sweep.Reader{
		Clouds: map[string]sweep.Cloud{"p1": nil},
		Survey: func(context.Context) ([]sweep.Cluster, error) {
			return []sweep.Cluster{{Name: "c1", Presence: presence.Verdict{Presence: presence.Alive}}, {Name: "c2", Presence: presence.Verdict{Presence: presence.Gone}}}, nil
		},
		Open: func(context.Context, string) (sweep.Kubernetes, error) { return nil, nil },
	}, progress{&said})
	if clusters, err := r.Survey(t.Context()); len(clusters) != 2 || err != nil {
		t.Errorf("survey: %v, %v", clusters, err)
	}
	if _, err := r.Open(t.Context(), "c1"); err != nil {
		t.Error(err)
	}
	want := "reading 1 project|asking who is there|reading cluster 1 of 1: c1"
	if got := strings.Join(strings.Split(said.String(), "\r\x1b[K")[1:], "|"); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}
