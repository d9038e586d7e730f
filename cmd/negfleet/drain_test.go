package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestDrainRefuses: only a cluster that the fleet file says drains is drained. What to change
// is named with file and line, and is enough.
func TestDrainRefuses(t *testing.T) {
	for name, c := range map[string]struct{ more, at, want string }{
		"not said":       {"", ":7: ", "write a line state: draining below uid: " + uid},
		"active":         {"  negs: managed\n  state: active\n", ":11: state: active: ", "write state: draining in that line"},
		"decommissioned": {"  state: decommissioned\n", ":10: state: decommissioned: ", "gone: delete"},
		"no removals":    {"  state: draining\n  policy: upsert\n", "fleet.yaml:7", "policy: upsert keeps every look from removing anything"},
	} {
		w := resyncWorld(t, c.more)
		before := len(w.gce.Calls(fakegce.CallFilter{}))
		for _, args := range []string{"drain c1", "drain --dry-run c1", "drain c1 --wait"} {
			w.env["PUBSUB_PROJECT_ID"] = "p1"
			code, out, errs := w.run(strings.Fields(args)...)
			if code != 1 || out != "" || !strings.HasPrefix(errs, "negfleet: drain c1: ") || !strings.Contains(errs, w.env["NEGFLEET_FLEET"]+c.at) && !strings.Contains(errs, c.at) || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%s: %s: exit %d: %s%s", name, args, code, out, errs)
			}
		}
		if after := len(w.gce.Calls(fakegce.CallFilter{})); after != before || len(w.kube.Writes()) != 0 {
			t.Errorf("%s: %d calls all the same", name, after-before)
		}
	}
	w := resyncWorld(t, "")
	if code, _, errs := w.run("drain", "--dry-run", "c9"); code != 1 || !strings.Contains(errs, `cluster "c9" is not in the fleet file`) {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestDrainDryRun: what would be published and removed; nothing is, and no topic is needed.
func TestDrainDryRun(t *testing.T) {
	w := resyncWorld(t, "  state: draining\n")
	w.golden("drain-dry-run.txt", "drain", "--dry-run", "c1")
	w.golden("drain-dry-run.json", "drain", "c1", "--dry-run", "--json")
	if writes := w.kube.Writes(); len(writes) != 0 || len(w.gce.Groups()) != 4 {
		t.Errorf("a dry run wrote: %v", writes)
	}
}

// golden holds what a command prints against a file.
func (w *world) golden(name string, args ...string) {
	w.t.Helper()
	code, out, errs := w.run(args...)
	if code != 0 || errs != "" {
		w.t.Fatalf("exit %d: %s", code, errs)
	}
	path := filepath.Join("testdata", name)
	if *update {
		w.check(os.WriteFile(path, []byte(out), 0o644))
	}
	want, err := os.ReadFile(path)
	w.check(err)
	if d := cmp.Diff(string(want), out); d != "" {
		w.t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// TestDrainPublishes: every key is published once, thoroughly where something is held, and
// without --wait what is left is no success.
func TestDrainPublishes(t *testing.T) {
	w := resyncWorld(t, "  state: draining\n")
	published := w.published()
	code, out, errs := w.run("drain", "c1")
	if code != 1 || !strings.Contains(errs, "cluster c1 still holds 3 groups, 0 endpoints, 0 backend entries, 0 backend services, 0 health checks; negfleet drain c1 --wait goes on") || strings.Count(out, "by reconcile") != 3 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	got := published()
	slices.Sort(got)
	if d := cmp.Diff([]string{"c1/old/status resync", "c1/shop/gone resync-groups", "c1/shop/web resync-groups"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestDrainSilent: of a cluster that does not answer, or that nobody here has a kubeconfig of,
// the cloud tells the keys, and that is said.
func TestDrainSilent(t *testing.T) {
	for name, silence := range map[string]func(*world){
		"no answer": func(w *world) { w.kube.RemoveCluster("c1") },
		"no kubeconfig": func(w *world) {
			w.check(os.Remove(filepath.Join(filepath.Dir(w.env["NEGFLEET_FLEET"]), "c1.kubeconfig")))
		},
		"no right": func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 403}) },
	} {
		w := resyncWorld(t, "  state: draining\n")
		published := w.published()
		silence(w)
		code, out, errs := w.run("drain", "c1", "--json")
		var doc jsonDrain
		if err := json.Unmarshal([]byte(out), &doc); code != 1 || err != nil || doc.Silent == "" || doc.Error == "" || doc.Free || doc.Left.Groups != 3 || doc.Published != 2 {
			t.Errorf("%s: exit %d: %v: %s%s", name, code, err, out, errs)
		}
		if !strings.Contains(errs, "negfleet: c1: its keys come from the cloud alone: ") || !strings.Contains(errs, "it removes nothing") {
			t.Errorf("%s: errs: %s", name, errs)
		}
		got := published()
		slices.Sort(got)
		if d := cmp.Diff([]string{"c1/shop/gone resync-groups", "c1/shop/web resync-groups"}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestDrained: a cluster that holds nothing is drained, with and without waiting; the groups
// of others under its names do not count, and those of GKE's own controller do.
func TestDrained(t *testing.T) {
	w := newWorld(t, "  state: draining\n")
	w.published()
	w.check(w.gce.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	w.group("us-central1-a", neg.GroupName(uid, web, 80), neg.OwnerOf("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11", web, 80))
	for _, args := range []string{"drain c1", "drain c1 --wait"} {
		code, out, errs := w.run(strings.Fields(args)...)
		if code != 0 || !strings.HasPrefix(out, "cluster c1 holds nothing: no group, ") || !strings.Contains(out, "1 key published") || len(w.gce.Groups()) != 1 {
			t.Errorf("%s: exit %d: %s%s", args, code, out, errs)
		}
	}
	half := neg.OwnerOf(uid, web, 80)
	half.Token = "nf1-00000000-00000000"
	w.group("us-central1-b", "half", half)
	code, out, errs := w.run("drain", "c1")
	if code != 1 || !strings.Contains(out, "by hand: its description does not prove whose it is") || !strings.Contains(errs, "1 group that names the cluster") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// TestDrainEnds: when its time is up, or at Ctrl-C, it says what is left and how to go on.
func TestDrainEnds(t *testing.T) {
	w := resyncWorld(t, "  state: draining\n")
	w.published()
	code, out, errs := w.run("drain", "c1", "--wait", "--timeout", "1500ms")
	if code != 1 || !strings.Contains(errs, "negfleet: time is up: cluster c1 still holds 3 groups") || !strings.Contains(errs, "negfleet: c1: left: 3 groups, ") || !strings.Contains(out, "by reconcile") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	errBuffer := &cancelling{cancel: cancel}
	var o bytes.Buffer
	code = run(ctx, []string{"drain", "c1", "--wait"}, func(name string) string { return w.env[name] }, &o, errBuffer)
	if errs := errBuffer.String(); code != 1 || !strings.Contains(errs, "interrupted: cluster c1 still holds 3 groups") || !strings.Contains(errs, "what was published stands; negfleet drain c1 --wait goes on") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// cancelling is a person who reads the first line and gives up.
type cancelling struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (c *cancelling) Write(b []byte) (int, error) {
	c.cancel()
	return c.Buffer.Write(b)
}

// TestBoard: on a terminal a table that is written over, elsewhere a line when something
// moved.
func TestBoard(t *testing.T) {
	look := func(groups int) drain.Look {
		held := make([]drain.Held, groups)
		for i := range held {
			held[i] = drain.Held{Kind: drain.Group, Size: 2}
		}
		return drain.Look{Held: held, First: drain.Count{Groups: 2, Endpoints: 4}, Published: 1}
	}
	var out bytes.Buffer
	b := &board{out: &out, began: time.Now()}
	for _, groups := range []int{2, 2, 0} {
		b.show("c1", look(groups))
	}
	want := "negfleet: c1: left: 2 groups, 4 endpoints, 0 backend entries, 0 backend services, 0 health checks; 1 key published\n" +
		"negfleet: c1: left: 0 groups, 0 endpoints, 0 backend entries, 0 backend services, 0 health checks; 1 key published\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("lines (-want +got):\n%s", d)
	}
	out.Reset()
	b = &board{out: &out, began: time.Now(), terminal: true}
	b.show("c1", look(2))
	b.show("c1", look(0))
	table := func(groups, endpoints string) string {
		return "draining c1: 1 key published, 0s\nKIND              LEFT  AT FIRST\ngroups            " + groups + "     2\nendpoints         " + endpoints +
			"     4\nbackend entries   0     0\nbackend services  0     0\nhealth checks     0     0\n"
	}
	if d := cmp.Diff(table("2", "4")+"\x1b[7A\x1b[J"+table("0", "0"), out.String()); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
}
