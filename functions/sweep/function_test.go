package sweep_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestSweep: a leak is published and, by a look, removed; a gone cluster's group is reported
// and, where the fleet file says so, removed; what is not ours stays. A second sweep at the
// same time changes nothing about that.
func TestSweep(t *testing.T) {
	for name, c := range map[string]struct {
		more    string
		removed []string
		left    []string
	}{
		"report": {"", []string{"c1/shop/left sweep-groups", "c1/shop/left sweep-groups"}, []string{"shop-old-80", "shop-web-80", "stranger"}},
		"delete": {"  gone: delete\n", []string{"c1/shop/left sweep-groups", "c1/shop/left sweep-groups", "c2/shop/old sweep-groups", "c2/shop/old sweep-groups"}, []string{"shop-web-80", "stranger"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.more)
			for range 2 {
				if rec := w.post("/", "", ""); rec.Code != http.StatusOK {
					t.Fatalf("%d: %s", rec.Code, w.logs.String())
				}
			}
			if d := cmp.Diff(c.removed, w.removals()); d != "" {
				t.Errorf("published (-want +got):\n%s", d)
			}
			if got := len(w.groups()); got != 4 {
				t.Errorf("the sweep itself left %d groups", got)
			}
			w.look()
			if d := cmp.Diff(c.left, w.groups()); d != "" {
				t.Errorf("groups (-want +got):\n%s", d)
			}
			w.messages = map[string][]event.Message{}
			if w.post("/", "", ""); len(w.removals()) != 0 {
				t.Errorf("afterwards: %v", w.removals())
			}
		})
	}
}

// TestReport: the answer says what was found and why, as JSON and as Markdown, and the log
// counts it. The first report says how deletion is turned on. Every cluster that was reached
// has its Lease renewed.
func TestReport(t *testing.T) {
	w := newWorld(t, "")
	r := decode(t, w.post("/", "", ""))
	want := map[string]int{"owned and wanted": 1, "orphan of a living cluster": 1, "orphan of a gone cluster": 1, "unknown": 1}
	if d := cmp.Diff(want, r.Verdicts); d != "" || r.Published["orphans"] != 1 || len(r.Unread) != 0 {
		t.Errorf("verdicts (-want +got):\n%s%+v", d, r)
	}
	text := w.post("/", "", "text/markdown").Body.String()
	for _, line := range []string{
		"say gone: delete for cluster c2 in the fleet file", "| c1 | alive | 1 |", "| c2 | gone | 0 |", "cluster c1 has no Service shop/left",
		"the fleet file has no such cluster",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	for _, field := range []string{`"message":"swept"`, `"orphan of a gone cluster":1`, `"held":1`, `"unread":0`, `"pods_waiting":0`, `"pods_without_gate":0`, `"leases_not_renewed":0`, `"quota_percent":0`} {
		if log := w.logs.String(); !strings.Contains(log, field) {
			t.Errorf("no %s in the log: %s", field, log)
		}
	}
	leases := fakekube.List[*coordinationv1.Lease](w.cluster, neg.LeaseNamespace, nil)
	if len(leases) != 1 || *leases[0].Spec.HolderIdentity != "negfleet-sweep" {
		t.Errorf("leases: %v", leases)
	}
}

// TestSilentCluster: of a cluster that does not answer nothing is published, and no Lease is
// renewed; the others are swept.
func TestSilentCluster(t *testing.T) {
	w := newWorld(t, "  gone: delete\n")
	w.kube.Inject(fakekube.Fault{Status: http.StatusForbidden})
	r := decode(t, w.post("/", "", ""))
	if d := cmp.Diff([]string{"c2/shop/old sweep-groups"}, w.removals()); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
	if r.Clusters[0].Presence != "unknown" || r.Verdicts["unknown"] != 3 || len(r.Unread) != 1 {
		t.Errorf("%+v", r)
	}
	if log := w.logs.String(); !strings.Contains(log, `"reason":"ScopeUnknown"`) {
		t.Errorf("log: %s", log)
	}
}

// TestProjects: every project that a cluster has its groups in is listed, and a group goes only
// where its cluster has them.
func TestProjects(t *testing.T) {
	w := newWorld(t, "  project: p2\n  gone: delete\n")
	w.check(w.cloud.Seed(fakegce.Seed{Projects: []string{"p2"}}))
	old := neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"}
	w.insertIn("p2", "zones/us-central1-a/networkEndpointGroups", fmt.Sprintf(`{"name":"shop-in-p2","networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, neg.OwnerOf(gone, old, 80).Description()))
	r := decode(t, w.post("/", "", ""))
	want := map[string]int{"owned and wanted": 1, "orphan of a living cluster": 1, "orphan of a gone cluster": 1, "unknown": 2}
	if d := cmp.Diff(want, r.Verdicts); d != "" || len(r.Quotas) != 2 {
		t.Errorf("verdicts (-want +got):\n%s%+v", d, r)
	}
	w.look()
	if d := cmp.Diff([]string{"shop-old-80", "shop-web-80", "stranger"}, w.groups()); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
}

// TestPodsAndQuotas: Pods that went by the webhook and a quota that is nearly used up are
// told of, each by a line and by a field of the run's.
func TestPodsAndQuotas(t *testing.T) {
	w := newWorldOn(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 5}}, "  state: decommissioned\n")
	w.check(fakekube.Edit(w.cluster, "", "shop", func(ns *corev1.Namespace) { ns.Labels[neg.Inject] = neg.InjectEnabled }))
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "web"} }))
	for name, gates := range map[string][]corev1.PodReadinessGate{"by": nil, "gated": {{ConditionType: neg.GateNEG}}} {
		w.check(w.cluster.Apply(&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": "web"}},
			Spec:       corev1.PodSpec{ReadinessGates: gates, Containers: []corev1.Container{{Name: "main", Image: "example.test/app:1"}}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}}},
		}))
	}
	r := decode(t, w.post("/", "", ""))
	if c := r.Clusters[0]; c.Waiting["shop"] != 1 || c.Ungated["shop"].Count != 1 || c.Ungated["shop"].Names[0] != "by" {
		t.Errorf("%+v", c)
	}
	if q := r.Quotas; len(q) == 0 || q[0].Region != "us-central1" || q[0].Used != 4 || q[0].New != 4 || q[0].Days == nil || *q[0].Days != 1 {
		t.Errorf("%+v", q)
	}
	for _, part := range []string{
		`"reason":"PodsWithoutGate"`, "no readiness gate in namespace shop: by; restart to gate", `"pods_without_gate":1`, `"pods_waiting":1`,
		`"reason":"QuotaLow"`, "4 of 5 used", `"quota_percent":80`, `"quota_days":1`,
	} {
		if !strings.Contains(w.logs.String(), part) {
			t.Errorf("no %s in the log: %s", part, w.logs.String())
		}
	}
	if gates := w.messages[event.TopicGates]; len(gates) != 1 || gates[0].Key.String() != "c1/shop/" {
		t.Errorf("%+v", gates)
	}
}

// TestLeft: clusters that a run over the fleet has no time for get runs of their own; one that
// comes when there has been another run since does nothing.
func TestLeft(t *testing.T) {
	w := newWorld(t, "  gone: delete\n")
	// Listing the projects takes five minutes.
	now, asked := w.Now, atomic.Int64{}
	w.Now = func() time.Time { return now().Add(time.Duration(asked.Add(1)) * 5 * time.Minute) }
	w.scopes(w.Now)
	r := decode(t, w.post("/", "", ""))
	if d := cmp.Diff([]string{"c1", "c2"}, r.Left); d != "" || len(w.removals()) != 0 || len(w.clusters) != 2 {
		t.Fatalf("left (-want +got):\n%s%v", d, w.clusters)
	}
	w.Now = now
	w.scopes(w.Now)
	for _, m := range w.clusters {
		m.Observed = now().Add(-time.Minute)
		w.post("/clusters", w.message(m), "")
	}
	if d := cmp.Diff([]string{"c1/shop/left sweep-groups", "c2/shop/old sweep-groups"}, w.removals()); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
	w.messages = map[string][]event.Message{}
	m := w.clusters[0]
	m.Observed = now().Add(-11 * time.Minute)
	if rec := w.post("/clusters", w.message(m), ""); rec.Code != 204 || len(w.messages) != 0 {
		t.Errorf("an old message: answered %d, published %v", rec.Code, w.messages)
	}
}

// TestClusterMessages: a resync publishes every key of its cluster; the news of a deletion
// makes a look at that cluster alone, and proves nothing by itself.
func TestClusterMessages(t *testing.T) {
	w := newWorld(t, "  gone: delete\n")
	for _, c := range []struct {
		cluster string
		reason  event.ClusterReason
		want    []string // key and source
		status  int
	}{
		{"c1", event.ClusterResync, []string{"c1/shop/web resync", "c1/shop/left resync-groups"}, 204},
		{"c1", "some-new-word", []string{"c1/shop/web resync", "c1/shop/left resync-groups"}, 204},
		{"c2", event.ClusterResync, nil, 204},
		{"c2", event.ClusterDeleting, []string{"c2/shop/old sweep-groups"}, 204},
		{"c2", event.ClusterDeleted, []string{"c2/shop/old sweep-groups"}, 204},
		{"c9", event.ClusterDeleted, nil, 204},
	} {
		w.messages = map[string][]event.Message{}
		rec := w.post("/clusters", w.about(c.cluster, c.reason), "")
		var got []string
		for _, m := range w.messages[event.TopicKeys] {
			got = append(got, m.Key.String()+" "+m.Source)
		}
		if d := cmp.Diff(c.want, got); d != "" || rec.Code != c.status {
			t.Errorf("%s %s: answered %d (-want +got):\n%s", c.cluster, c.reason, rec.Code, d)
		}
	}
	// c1 is said to be deleted, and answers: nothing of it goes but what is a leak anyway.
	w.messages = map[string][]event.Message{}
	w.post("/clusters", w.about("c1", event.ClusterDeleted), "")
	if d := cmp.Diff([]string{"c1/shop/left sweep-groups"}, w.removals()); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
}

// TestFaults: while one call in ten fails, nothing is published for removal but what may be
// removed, and that in the end is.
func TestFaults(t *testing.T) {
	w := newWorld(t, "  gone: delete\n")
	w.kube.Inject(fakekube.Fault{Probability: 0.1, Status: http.StatusForbidden})
	w.check(w.cloud.AddFaults(fakegce.Fault{Probability: 0.1, Status: http.StatusForbidden}))
	for range 30 {
		w.post("/", "", "")
	}
	if d := cmp.Diff([]string{"c1/shop/left sweep-groups", "c2/shop/old sweep-groups"}, slices.Compact(w.removals())); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
}

// TestRefused: what is no request of ours is answered as such, and what could not be
// published comes again.
func TestRefused(t *testing.T) {
	w := newWorld(t, "")
	for path, status := range map[string]int{"/else": 404, "/clusters": 204} {
		if rec := w.post(path, `{"hello":1}`, ""); rec.Code != status {
			t.Errorf("%s: answered %d, want %d", path, rec.Code, status)
		}
	}
	if !strings.Contains(w.logs.String(), event.ReasonBadMessage) {
		t.Errorf("log: %s", w.logs.String())
	}
	w.publishes = errors.New("unavailable")
	for path, body := range map[string]string{"/": "", "/clusters": w.about("c1", event.ClusterResync)} {
		if rec := w.post(path, body, ""); rec.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: answered %d", path, rec.Code)
		}
	}
}
