package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// resyncWorld is newWorld's with two more Services and three groups: one that the first
// Service's status names, one that is left of a Service that is gone, and one of another
// cluster that bears the same name.
func resyncWorld(t *testing.T, more string) *world {
	w := newWorld(t, more)
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	cluster := w.kube.AddCluster("c2") // not in the fleet file
	for _, s := range []*corev1.Service{
		{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "plain"}},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "old", Name: "status", Annotations: map[string]string{neg.AnnotationStatus: "{}"}}},
	} {
		s.Spec.Ports = []corev1.ServicePort{{Port: 80}}
		w.check(w.cluster.Apply(s))
	}
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) {
		s.Annotations[neg.AnnotationStatus] = `{"network_endpoint_groups":{"80":"` + neg.GroupName(uid, web, 80) + `"},"zones":["us-central1-a"]}`
	}))
	w.check(w.gce.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	gone := neg.Key{Cluster: "c1", Namespace: "shop", Service: "gone"}
	w.group("us-central1-a", neg.GroupName(uid, web, 80), neg.OwnerOf(uid, web, 80))
	for _, zone := range []string{"us-central1-a", "us-central1-b"} {
		w.group(zone, neg.GroupName(uid, gone, 80), neg.OwnerOf(uid, gone, 80))
	}
	w.group("us-central1-a", "other", neg.OwnerOf(string(cluster.UID()), gone, 80))
	return w
}

// published starts a Pub/Sub server and returns what is published to the keys' topic, as
// KEY SOURCE.
func (w *world) published() func() []string {
	w.t.Helper()
	s, err := pubsub.Start(w.t.Context(), pubsub.Options{Project: "p1", Subscriptions: []pubsub.Subscription{{Topic: event.TopicKeys, Name: "keys"}}})
	w.check(err)
	w.t.Cleanup(func() { s.Close() })
	w.t.Setenv("PUBSUB_EMULATOR_HOST", s.Addr())
	w.env["PUBSUB_PROJECT_ID"] = "p1"
	box, err := event.OpenDeadLetterBox(w.t.Context(), "p1", "keys")
	w.check(err)
	w.t.Cleanup(func() { box.Close() })
	return func() (keys []string) {
		for {
			letters, err := box.Pull(w.t.Context(), 100, pullPatience/10)
			w.check(err)
			if len(letters) == 0 {
				return keys
			}
			w.check(box.Hold(w.t.Context(), holdFor, letters...))
			for _, l := range letters {
				m, err := l.Message()
				w.check(err)
				keys = append(keys, m.Key.String()+" "+m.Source)
			}
		}
	}
}

// TestResync: the keys of Services that ask for groups or have some and of whatever owned
// groups are for are published, each once; nothing else is, and nothing is written.
func TestResync(t *testing.T) {
	w := resyncWorld(t, "")
	published := w.published()
	code, out, errs := w.run("resync", "c1")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	want := []string{"c1/old/status resync", "c1/shop/gone resync-groups", "c1/shop/web resync"}
	got := published()
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
	if d := cmp.Diff("CLUSTER  SERVICES  GROUPS  KEYS PUBLISHED\nc1       2         3       3", trimmed(out)); d != "" {
		t.Errorf("printed (-want +got):\n%s", d)
	}
	if writes := w.kube.Writes(); len(writes) != 0 {
		t.Errorf("a resync wrote: %v", writes)
	}
}

// TestResyncDryRun: the keys are printed, one a line, and not published.
func TestResyncDryRun(t *testing.T) {
	w := resyncWorld(t, "")
	delete(w.env, "PUBSUB_PROJECT_ID") // not even asked for
	for args, want := range map[string]string{
		"resync --dry-run c1": "c1/old/status\t# has groups\nc1/shop/web\t# asks for groups\nc1/shop/gone\t# group us-central1-a/" +
			neg.GroupName(uid, neg.Key{Namespace: "shop", Service: "gone"}, 80) + " that no neg-status names",
		"resync --dry-run --json": `{"key":"c1/old/status","thorough":false,"why":"has groups"}`,
	} {
		code, out, errs := w.run(strings.Fields(args)...)
		if code != 0 || errs != "" || !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 3 {
			t.Errorf("%s: exit %d, %s%s\nwant %s", args, code, errs, out, want)
		}
	}
}

// TestResyncSkipped: a cluster that negfleet leaves alone is said, and is no failure; one
// that does not answer is a failure, and what could be found is told all the same.
func TestResyncSkipped(t *testing.T) {
	w := resyncWorld(t, "  state: decommissioned\n")
	w.published()
	if code, out, _ := w.run("resync"); code != 0 || !strings.Contains(out, "the fleet file says state: decommissioned") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out, errs := w.run("resync", "--dry-run"); code != 0 || out != "" || errs != "# c1: skipped: the fleet file says state: decommissioned\n" {
		t.Errorf("exit %d: %s, %s", code, out, errs)
	}
	w = resyncWorld(t, "")
	w.published()
	w.kube.Inject(fakekube.Fault{Resource: "services", Status: 403})
	code, out, errs := w.run("resync", "--json")
	if code != 1 || !strings.Contains(errs, "negfleet: resync cluster c1: cluster c1: list services: ") || !strings.Contains(out, `"error": "resync cluster c1`) {
		t.Errorf("exit %d: %s, %s", code, out, errs)
	}
}

// trimmed is a table without what pads its lines.
func trimmed(table string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}
