package fleet_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakekube"
)

const copyUID = "11111111-4b9b-4c1e-8a53-0d6a2f1f8a11"

// withCopy adds a cluster c2 to a world, whose API server answers with the UID given.
func withCopy(t *testing.T, answers string) *world {
	t.Helper()
	w := newWorld(t)
	c2 := w.server.AddCluster("c2", fakekube.WithUID(copyUID))
	w.write("c2.kubeconfig", string(c2.Kubeconfig(w.url, "first")))
	w.write("fleet.yaml", file(uid, "- name: c2\n  uid: "+copyUID+"\n  connect: {kubeconfig: c2.kubeconfig}\n"))
	if answers == uid {
		c2.SetUID(uid)
	}
	w.advance(time.Minute)
	return w
}

func (w *world) openOne(name string) error {
	_, _, err := w.Cluster(w.t.Context(), name)
	return err
}

// TestCopy: a cluster and its restored copy are both refused, naming both, whichever is
// opened first; when the copy is gone, or answers as itself, the other is served again.
func TestCopy(t *testing.T) {
	const both = "clusters c1 and c2: their API servers answer with one kube-system UID, " + uid
	for _, order := range [][]string{{"c2", "c1"}, {"c1", "c2", "c1"}} {
		w := withCopy(t, uid)
		for i, name := range order {
			err := w.openOne(name)
			if i == 0 && name == "c1" {
				w.check(err) // nothing led to the other one yet
				w.advance(time.Minute)
				continue
			}
			w.wantBlocked(err, "ClusterIdentityShared", both)
		}
		w.server.Cluster("c2").SetUID(copyUID)
		w.wantBlocked(w.openOne("c1"), "ClusterIdentityShared", both)
		w.advance(time.Minute)
		w.check(w.openOne("c1"))
		w.check(w.openOne("c2"))
	}
}

// TestCopyThatFellSilent is held against its original for ten minutes.
func TestCopyThatFellSilent(t *testing.T) {
	w := withCopy(t, uid)
	w.wantBlocked(w.openOne("c2"), "ClusterIdentityShared", "c1 and c2")
	w.server.RemoveCluster("c2")
	w.advance(9 * time.Minute)
	w.wantBlocked(w.openOne("c1"), "ClusterIdentityShared", "c1 and c2")
	w.advance(time.Minute)
	w.check(w.openOne("c1"))
}

// TestSameServerTwice: an entry that leads to another one's API server is no copy. It is
// refused, and the other one is not.
func TestSameServerTwice(t *testing.T) {
	w := withCopy(t, copyUID)
	w.write("c2.kubeconfig", string(w.server.Cluster("c1").Kubeconfig(w.url, "first")))
	w.wantBlocked(w.openOne("c2"), "ClusterReplaced", "cluster c2 answers with kube-system UID "+uid)
	w.check(w.openOne("c1"))
}

// A row is what a report says in short.
func rows(reports []fleet.Report) map[string]string {
	all := map[string]string{}
	for _, r := range reports {
		all[r.Entry.Name] = fmt.Sprintf("%s, add-on %s, %s", r.Verdict.Presence, r.AddOn, r.Version)
	}
	return all
}

// TestSurvey: a fleet in which each cluster has another trouble, asked as a whole.
func TestSurvey(t *testing.T) {
	c := newCloud(t, "{gke: "+prod+"}")
	text := file(uid, "")
	text = strings.Replace(text, "{kubeconfig: c1.kubeconfig}", "{gke: "+prod+"}", 1)
	add := func(name, entry string) {
		id := fmt.Sprintf("%08x-4b9b-4c1e-8a53-0d6a2f1f8a11", len(text))
		k := c.server.AddCluster(name, fakekube.WithUID("")) // its own
		k.SetUID("")
		c.write(name+".kubeconfig", string(k.Kubeconfig(c.url, "first")))
		if strings.Contains(entry, "uid: own") {
			k.SetUID("22222222-4b9b-4c1e-8a53-0d6a2f1f8a11")
			id, entry = "22222222-4b9b-4c1e-8a53-0d6a2f1f8a11", strings.Replace(entry, "  uid: own\n", "", 1)
		}
		text += fmt.Sprintf("- name: %s\n  uid: %s\n%s", name, id, entry)
	}
	add("plain", "  uid: own\n  connect: {kubeconfig: plain.kubeconfig}\n")
	add("rebuilt", "  connect: {kubeconfig: rebuilt.kubeconfig}\n")
	add("gone", "  connect: {gke: projects/p1/locations/us-central1/clusters/gone}\n")
	add("typo", "  connect: {gke: projects/p1/locations/us-central1/clusters/lab}\n")
	add("given-up", "  connect: {kubeconfig: given-up.kubeconfig}\n  state: decommissioned\n")
	add("silent", "  connect: {kubeconfig: silent.kubeconfig}\n")
	c.server.RemoveCluster("given-up")
	c.server.RemoveCluster("silent")
	c.check(c.google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "us-east1", Name: "lab"}}}))
	c.write("fleet.yaml", text)
	c.reopen()

	reports, err := c.Survey(t.Context())
	c.check(err)
	if d := cmp.Diff(map[string]string{
		"c1":       "alive, add-on off, v1.37.1-fakekube",
		"plain":    "alive, add-on none, v1.37.1-fakekube",
		"rebuilt":  "unknown, add-on none, v1.37.1-fakekube",
		"gone":     "unknown, add-on unknown, ", // lab in us-east1 is nobody's
		"typo":     "unknown, add-on unknown, ",
		"given-up": "gone, add-on none, ",
		"silent":   "unknown, add-on none, ",
	}, rows(reports)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := reports[4].Verdict.String(); !strings.Contains(got, "has a cluster lab in us-east1") {
		t.Errorf("the mistyped location: %s", got)
	}
	c.google.Remove("p1", "us-east1", "lab")
	v, err := c.Presence(t.Context(), "gone")
	if err != nil || v.String()[:4] != "gone" {
		t.Errorf("with every cluster accounted for: %s, %v", v, err)
	}
	c.check(c.google.AddFaults(fakecontainer.Fault{Method: "clusters.list", MissingZones: []string{"us-east1"}}))
	v, err = c.Presence(t.Context(), "gone")
	if err != nil || v.String()[:7] != "unknown" || !strings.Contains(v.String(), "its list lacks us-east1") {
		t.Errorf("with a partial list: %s, %v", v, err)
	}
	c.google.ClearFaults()
	c.check(c.google.AddFaults(fakecontainer.Fault{Method: "clusters.list", Status: 403}))
	if v, err = c.Presence(t.Context(), "gone"); err != nil || v.String()[:7] != "unknown" {
		t.Errorf("without a list: %s, %v", v, err)
	}
	if _, err := c.Presence(t.Context(), "none"); neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("no such cluster: %v", err)
	}
}

// TestSurveySeesCopies: what no single look would come upon.
func TestSurveySeesCopies(t *testing.T) {
	w := withCopy(t, uid)
	reports, err := w.Survey(t.Context())
	w.check(err)
	for i, other := range []string{"c2", "c1"} {
		if got := reports[i].Verdict.String(); !strings.HasPrefix(got, "unknown: ") || !strings.Contains(got, "and so does that of cluster "+other) {
			t.Errorf("%s: %s", reports[i].Entry.Name, got)
		}
	}
	w.wantBlocked(w.openOne("c1"), "ClusterIdentityShared", "c1 and c2")
}

// TestSurveyOfManyClusters asks for a project's list once.
func TestSurveyOfManyClusters(t *testing.T) {
	c := newCloud(t, "{gke: "+prod+"}")
	text := strings.Replace(file(uid, ""), "{kubeconfig: c1.kubeconfig}", "{gke: "+prod+"}", 1)
	for i := range 40 {
		text += fmt.Sprintf("- name: g%d\n  uid: %08x-4b9b-4c1e-8a53-0d6a2f1f8a11\n  connect: {gke: projects/p1/locations/us-central1/clusters/g%d}\n", i, i, i)
	}
	c.write("fleet.yaml", text)
	var err error
	c.Fleet, err = fleet.New(filepath.Join(c.dir, "fleet.yaml"), slog.New(slog.DiscardHandler), c.clock, fleet.WithGoogle(c.gke))
	c.check(err)
	reports, err := c.Survey(t.Context())
	c.check(err)
	gone := 0
	for _, r := range reports {
		if r.Verdict.String()[:4] == "gone" {
			gone++
		}
	}
	lists := 0
	for _, call := range c.google.Calls() {
		if strings.HasSuffix(call, ".list") {
			lists++
		}
	}
	if gone != 40 || lists != 1 {
		t.Errorf("%d gone, %d lists", gone, lists)
	}
}
