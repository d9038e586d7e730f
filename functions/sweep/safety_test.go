package sweep_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

var left = neg.Key{Cluster: "c1", Namespace: "shop", Service: "left"}

// TestSafety: in the world of TestSweep the group of c1/shop/left goes, and that of c2 if it
// is to be deleted. Each row does one thing that makes it wrong to delete one of them, or that
// makes a group look like ours, and the group it is about must stay whatever a run publishes.
func TestSafety(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		stays  string // a group
	}{
		"a foreign group with our prefix": {func(w *world) { w.foreign("nf1-foreign", "mine") }, "nf1-foreign"},
		"a foreign group with our token":  {func(w *world) { w.foreign("foreign", "see "+neg.Token(alive, left)) }, "foreign"},
		"our description with another UID": {func(w *world) {
			w.foreign("foreign", strings.Replace(neg.OwnerOf(alive, left, 80).Description(), alive, other, 1))
		}, "foreign"},
		"our description with another Service": {func(w *world) {
			w.foreign("foreign", strings.Replace(neg.OwnerOf(alive, left, 80).Description(), "left", "right", 1))
		}, "foreign"},
		"our description, cut off": {func(w *world) { w.foreign("foreign", neg.OwnerOf(alive, left, 80).Description()[:80]) }, "foreign"},
		"a group of GKE's own controller": {func(w *world) {
			w.foreign("k8s1-foreign", `{"cluster-uid":"`+gone+`","namespace":"shop","service-name":"old","port":"80"}`)
		}, "k8s1-foreign"},

		"the cluster was made anew under its name": {func(w *world) { w.cluster.SetUID(other) }, "shop-left-80"},
		"the cluster is missing from the fleet file": {func(w *world) {
			w.rewrite("name: c1", "name: c3")
			w.rewrite("uid: "+alive, "uid: "+other)
		}, "shop-left-80"},
		"the API server answers 403":      {func(w *world) { w.kube.Inject(fakekube.Fault{Status: 403}) }, "shop-left-80"},
		"the API server answers 500":      {func(w *world) { w.kube.Inject(fakekube.Fault{Status: 500}) }, "shop-left-80"},
		"Services are answered with 403":  {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 403}) }, "shop-left-80"},
		"Services are answered with 500":  {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 500}) }, "shop-left-80"},
		"namespaces are not listed":       {func(w *world) { w.kube.Inject(fakekube.Fault{Verb: "list", Resource: "namespaces", Status: 403}) }, "shop-left-80"},
		"the API server hangs":            {func(w *world) { w.hang(fakekube.Fault{}) }, "shop-left-80"},
		"the API server hangs at its UID": {func(w *world) { w.hang(fakekube.Fault{Resource: "namespaces", Nth: 3}) }, "shop-left-80"},
		"an empty list of Services": {func(w *world) {
			for _, s := range []string{"default/kubernetes", "shop/web"} {
				ns, name, _ := strings.Cut(s, "/")
				w.check(w.cluster.Delete(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}))
			}
		}, "shop-left-80"},
		"an API server restored from last week": {func(w *world) {
			for i := range 4 { // six keys, five of which it does not know
				name := fmt.Sprintf("new-%d", i)
				w.group(name, alive, neg.Key{Cluster: "c1", Namespace: "shop", Service: name})
			}
		}, "shop-left-80"},
		"our clock is behind":               {func(w *world) { w.at(-time.Hour) }, "shop-left-80"},
		"a group of a moment ago":           {func(w *world) { w.at(0) }, "shop-left-80"},
		"a foreign backend service uses it": {func(w *world) { w.use(left, "by hand") }, "shop-left-80"},
		"a foreign backend service uses a gone cluster's": {func(w *world) {
			w.use(neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"}, "by hand")
		}, "shop-old-80"},
		"Services fail on page two": {func(w *world) {
			for i := range 500 {
				w.service("shop", fmt.Sprintf("many-%d", i), nil)
			}
			w.kube.Inject(fakekube.Fault{Resource: "services", Continued: true, Status: 500})
		}, "shop-left-80"},
		"groups fail on page two": {func(w *world) {
			for i := range 500 {
				w.foreign(fmt.Sprintf("many-%d", i), "")
			}
			w.fail("networkEndpointGroups.aggregatedList", 2)
		}, "shop-left-80"},
		"backend services fail on page two": {func(w *world) {
			for i := range 501 {
				w.insert("global/backendServices", fmt.Sprintf(`{"name":"many-%d","protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED"}`, i))
			}
			w.fail("backendServices.aggregatedList", 2)
		}, "shop-left-80"},
		"backend services lack a region": {func(w *world) {
			w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "backendServices.aggregatedList", Unreachable: "regions/us-central1"}))
		}, "shop-left-80"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "  gone: delete\n")
			c.change(w)
			w.post("/", "", "")
			w.cloud.ClearFaults()
			w.kube.ClearFaults()
			w.look()
			if !slices.Contains(w.groups(), c.stays) {
				t.Errorf("%s is gone: %v, published %v", c.stays, w.groups(), w.removals())
			}
		})
	}
}

// TestWitnesses: a cluster that does not answer is gone only if the container API lists every
// location, all clusters there are entries of the fleet file, and it is none of them.
func TestWitnesses(t *testing.T) {
	const c2 = "  resource: projects/p1/locations/us-central1/clusters/old\n  gone: delete\n"
	c1 := fakecontainer.Cluster{Project: "p1", Location: "us-central1", Name: "c1"}
	for name, c := range map[string]struct {
		clusters []fakecontainer.Cluster
		fault    fakecontainer.Fault
		goes     bool
	}{
		"proved":                       {[]fakecontainer.Cluster{c1}, fakecontainer.Fault{}, true},
		"a typo in its location":       {[]fakecontainer.Cluster{c1, {Project: "p1", Location: "us-east1", Name: "old"}}, fakecontainer.Fault{}, false},
		"a cluster that no entry is":   {[]fakecontainer.Cluster{c1, {Project: "p1", Location: "us-central1", Name: "lab"}}, fakecontainer.Fault{}, false},
		"it is listed":                 {[]fakecontainer.Cluster{c1, {Project: "p1", Location: "us-central1", Name: "old"}}, fakecontainer.Fault{}, false},
		"a project without clusters":   {nil, fakecontainer.Fault{}, false},
		"a list without a zone":        {[]fakecontainer.Cluster{c1}, fakecontainer.Fault{Method: "clusters.list", MissingZones: []string{"us-east1"}}, false},
		"a list that is forbidden":     {[]fakecontainer.Cluster{c1}, fakecontainer.Fault{Method: "clusters.list", Status: 403}, false},
		"a container API that is down": {[]fakecontainer.Cluster{c1}, fakecontainer.Fault{Status: 503}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			google := fakecontainer.New(fakecontainer.Options{})
			w := newWorldOn(t, fakegce.Options{}, c2)
			w.check(google.Seed(fakecontainer.Seed{Clusters: c.clusters}))
			if c.fault.Status != 0 || c.fault.MissingZones != nil {
				w.check(google.AddFaults(c.fault))
			}
			w.env.ContainerEndpoint = fakecontainer.Start(t, google)
			w.scopes(w.Now)
			w.post("/", "", "")
			_ = w.lookAt(neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"}, true) // whatever was published
			w.look()
			if stays := slices.Contains(w.groups(), "shop-old-80"); stays == c.goes {
				t.Errorf("c2's group stays: %t\n%s", stays, w.logs.String())
			}
		})
	}
}

// TestLeftByGKE: what GKE's own controller left of a gone cluster goes by the same way, if the
// fleet file says so, whoever kept the cluster's groups.
func TestLeftByGKE(t *testing.T) {
	const name = "k8s1-01234567-shop-old-80-45d4ba4f"
	description := func(uid string) string {
		return `{"cluster-uid":"` + uid + `","namespace":"shop","service-name":"old","port":"80"}`
	}
	for title, c := range map[string]struct {
		more   string // in c2's entry
		change func(*world)
		goes   bool
	}{
		"to be reported":                           {"", func(*world) {}, false},
		"only ours to be deleted":                  {"  gone: delete\n", func(*world) {}, false},
		"to be deleted":                            {"  gone: delete\n  gone_gke: delete\n", func(*world) {}, true},
		"to be deleted, where GKE kept the groups": {"  gone: delete\n  gone_gke: delete\n  negs: gke\n", func(*world) {}, true},
		"used by a backend service":                {"  gone: delete\n  gone_gke: delete\n", func(w *world) { w.useGroup(name, "old", neg.BackendMark(other, left)) }, false},
		"it answers all the same": {"  gone: delete\n  gone_gke: delete\n", func(w *world) {
			c2 := w.kube.AddCluster("c2", fakekube.WithUID(gone))
			w.check(os.WriteFile(filepath.Join(filepath.Dir(w.env.FleetFile), "c2.kubeconfig"), c2.Kubeconfig(w.api, "negfleet-sweep"), 0o600))
		}, false},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t, c.more)
			w.foreign(name, description(gone))
			w.foreign("custom", description(gone))
			w.foreign("k8s1-01234567-shop-old-81-45d4ba4f", strings.Replace(description(gone), "80", "81", 1))
			w.foreign("k8s1-89abcdef-shop-old-80-f9e10c3d", description(alive))
			c.change(w)
			w.post("/", "", "")
			_ = w.lookAt(neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"}, true) // whatever was published
			w.look()
			var others []string
			for _, g := range w.cloud.Groups() {
				if g.Name == "custom" || strings.HasPrefix(g.Name, "k8s1-") && g.Name != name {
					others = append(others, g.Name)
				}
			}
			if stays := w.has(name); stays == c.goes || len(others) != 3 {
				t.Errorf("it stays: %t; others %v, published %v\n%s", stays, others, w.removals(), w.logs.String())
			}
		})
	}
}

// TestEntriesLeft: where GKE's own controller keeps the groups, an entry of negfleet's in a backend
// service of somebody else's goes when its Service is gone or asks for none, and no entry that
// carries another mark.
func TestEntriesLeft(t *testing.T) {
	const name = "k8s1-01234567-shop-lost-80-45d4ba4f"
	asking := map[string]string{neg.AnnotationStatus: `{"network_endpoint_groups":{"80":"` + name + `"},"zones":["us-central1-a"]}`}
	for title, c := range map[string]struct {
		cluster, more string
		mark          func(uid string, k neg.Key) string
		change        func(*world)
		goes          bool
	}{
		"its Service is gone":                 {"c1", "  negs: gke\n", neg.BackendMark, func(*world) {}, true},
		"its Service asks for groups alone":   {"c1", "  negs: gke\n", neg.BackendMark, func(w *world) { w.service("shop", "lost", asking) }, true},
		"its cluster drains":                  {"c1", "  negs: gke\n  state: draining\n", neg.BackendMark, func(*world) {}, true},
		"its cluster is gone":                 {"c2", "  negs: gke\n  state: decommissioned\n  gone: delete\n", neg.BackendMark, func(*world) {}, true},
		"its cluster is gone, to be reported": {"c2", "  negs: gke\n  state: decommissioned\n", neg.BackendMark, func(*world) {}, false},
		"its Service asks for backends": {"c1", "  negs: gke\n", neg.BackendMark, func(w *world) {
			w.service("shop", "lost", map[string]string{neg.AnnotationStatus: asking[neg.AnnotationStatus], neg.AnnotationAutoneg: "{}"})
		}, false},
		"the mark of another cluster": {"c1", "  negs: gke\n", func(_ string, k neg.Key) string { return neg.BackendMark(other, k) }, func(*world) {}, false},
		"no mark":                     {"c1", "  negs: gke\n", func(string, neg.Key) string { return "" }, func(*world) {}, false},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorldOn(t, fakegce.Options{}, "  state: active\n")
			uid, lost := map[string]string{"c1": alive, "c2": gone}[c.cluster], neg.Key{Cluster: c.cluster, Namespace: "shop", Service: "lost"}
			w.rewrite("  state: active\n", "")
			w.rewrite(c.cluster+".kubeconfig}\n", c.cluster+".kubeconfig}\n"+c.more)
			w.foreign(name, `{"cluster-uid":"`+uid+`","namespace":"shop","service-name":"lost","port":"80"}`)
			w.useGroup(name, "lost", c.mark(uid, lost))
			c.change(w)
			rec := w.post("/", "", "")
			w.look()
			left, found, err := w.gce.BackendService(t.Context(), neg.BackendServiceID{Name: "theirs-lost"})
			if w.check(err); !found || (len(left.Backends) == 0) != c.goes {
				t.Errorf("%d entries left, published %v\n%s", len(left.Backends), w.removals(), rec.Body)
			}
		})
	}
}

// TestEntryUnasked: where negfleet keeps the groups, an entry goes too whose Service asks for groups and
// for no backend service any more, as after a replacement that left no annotation of ours; the group stays.
func TestEntryUnasked(t *testing.T) {
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	for title, c := range map[string]struct {
		mark string
		asks bool
		goes bool
	}{
		"it asks for none":          {neg.BackendMark(alive, web), false, true},
		"it asks for some":          {neg.BackendMark(alive, web), true, false},
		"the mark of another fleet": {neg.BackendMark(other, web), false, false},
		"an entry of somebody else": {"by hand", false, false},
	} {
		t.Run(title, func(t *testing.T) {
			w := newWorld(t, "")
			w.use(web, c.mark)
			for i := range 30 { // of so many keys two are not too many at once
				w.service("shop", fmt.Sprintf("more-%d", i), map[string]string{neg.AnnotationNEG: `{"ingress":true}`})
			}
			if c.asks {
				w.service("shop", "web", map[string]string{
					neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, neg.AnnotationAutoneg: `{"backend_services":{"80":[{"name":"theirs-web","max_rate_per_endpoint":1}]}}`,
				})
			}
			rec := w.post("/", "", "")
			w.look()
			entries, found, err := w.gce.BackendService(t.Context(), neg.BackendServiceID{Name: "theirs-web"})
			if w.check(err); !found || (len(entries.Backends) == 0) != c.goes || !slices.Contains(w.groups(), "shop-web-80") {
				t.Errorf("%d entries, groups %v, published %v\n%s", len(entries.Backends), w.groups(), w.removals(), rec.Body)
			}
		})
	}
}

// TestBackendsLeft: a backend service and a health check that a Service left go with its group,
// whose entry is in it; so do those that it left without a group. What says so without proof
// stays, and what a load balancer uses.
func TestBackendsLeft(t *testing.T) {
	w := newWorld(t, "")
	alone := neg.Key{Cluster: "c1", Namespace: "shop", Service: "alone"}
	used := neg.Key{Cluster: "c1", Namespace: "shop", Service: "used"}
	for i := range 30 { // of so many keys these are not too many at once
		w.service("shop", fmt.Sprintf("more-%d", i), map[string]string{neg.AnnotationNEG: `{"ingress":true}`})
	}
	w.backend("left", neg.OwnerOf(alive, left, 0).Description(), fmt.Sprintf(
		`,"backends":[{"group":"projects/p1/zones/us-central1-a/networkEndpointGroups/%s","balancingMode":"RATE","maxRatePerEndpoint":1,"description":%q}]`,
		neg.GroupName(alive, left, 80), neg.BackendMark(alive, left)))
	w.backend("alone", neg.OwnerOf(alive, alone, 0).Description(), "")
	w.backend("used", neg.OwnerOf(alive, used, 0).Description(), "")
	w.insert("global/urlMaps", `{"name":"theirs","defaultService":"global/backendServices/used"}`)
	w.backend("foreign", strings.Replace(neg.OwnerOf(alive, left, 0).Description(), alive, other, 1), "")
	w.post("/", "", "")
	// The health check of used is an orphan that nobody else uses: its look finds out.
	if d := cmp.Diff([]string{"c1/shop/alone sweep-groups", "c1/shop/left sweep-groups", "c1/shop/used sweep-groups"}, w.removals()); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
	w.look()
	services, err := w.gce.BackendServices(t.Context())
	w.check(err)
	checks, err := w.gce.HealthChecks(t.Context())
	w.check(err)
	var names []string
	for _, s := range services {
		names = append(names, s.ID.String())
	}
	for _, h := range checks {
		names = append(names, h.ID.String())
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"global/foreign", "global/foreign", "global/used", "global/used"}, names); d != "" {
		t.Errorf("backend services and health checks (-want +got):\n%s", d)
	}
	if slices.Contains(w.groups(), "shop-left-80") {
		t.Error("the group is left")
	}
}

// backend makes a backend service and its health check, both with a description.
func (w *world) backend(name, description, more string) {
	w.t.Helper()
	w.insert("global/healthChecks", fmt.Sprintf(`{"name":%q,"type":"TCP","description":%q}`, name, description))
	w.insert("global/backendServices", fmt.Sprintf(
		`{"name":%[1]q,"description":%[2]q,"healthChecks":["global/healthChecks/%[1]s"],"protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED"%[3]s}`, name, description, more))
}

// TestMadeAgain: a Service that is made again after the sweep saw it missing keeps its group.
func TestMadeAgain(t *testing.T) {
	w := newWorld(t, "")
	w.post("/", "", "")
	if d := cmp.Diff([]string{"c1/shop/left sweep-groups"}, w.removals()); d != "" {
		t.Fatalf("published (-want +got):\n%s", d)
	}
	w.service("shop", "left", map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`})
	w.look()
	if !slices.Contains(w.groups(), "shop-left-80") {
		t.Errorf("groups: %v", w.groups())
	}
}

// TestSideBySide: four sweeps at once, and then four looks at everything they published,
// remove what one would.
func TestSideBySide(t *testing.T) {
	w := newWorld(t, "  gone: delete\n")
	var runs sync.WaitGroup
	for range 4 {
		runs.Go(func() {
			if rec := w.post("/", "", ""); rec.Code != http.StatusOK {
				t.Errorf("answered %d", rec.Code)
			}
		})
	}
	runs.Wait()
	if n := len(w.removals()); n != 8 {
		t.Errorf("%d published: %v", n, w.removals())
	}
	for range 4 {
		runs.Go(func() {
			for _, m := range w.messages[event.TopicKeys] {
				_ = w.lookAt(m.Key, true) // another one may be quicker
			}
		})
	}
	runs.Wait()
	w.look()
	if d := cmp.Diff([]string{"shop-web-80", "stranger"}, w.groups()); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
}

// TestKilledAnywhere: whichever call a run dies at, what it has published may be removed, and
// the next run does the rest.
func TestKilledAnywhere(t *testing.T) {
	proved := []string{"c1/shop/left sweep-groups", "c2/shop/old sweep-groups"}
	w := newWorld(t, "  gone: delete\n")
	for at := 1; ; at++ {
		ctx, kill := context.WithCancel(t.Context())
		w.ctx, w.messages = ctx, map[string][]event.Message{}
		w.scopes(w.Now)
		w.calls.from(at, kill)
		code := w.post("/", "", "").Code
		kill()
		if w.calls.count() < at { // it ended before
			if d := cmp.Diff(proved, w.removals()); d != "" || code != http.StatusOK || at < 15 {
				t.Errorf("after %d calls, answered %d (-want +got):\n%s", at, code, d)
			}
			return
		}
		for _, r := range w.removals() {
			if !slices.Contains(proved, r) {
				t.Fatalf("killed at call %d: published %s", at, r)
			}
		}
	}
}

const other = "99999999-0000-4c1e-8a53-0d6a2f1f8a11"

// at sets the function's clock, an hour ahead otherwise, to the time and some.
func (w *world) at(d time.Duration) {
	w.Now = func() time.Time { return time.Now().Add(d) }
	w.scopes(w.Now)
}

// hang leaves calls without an answer until the run's time is over. What it publishes then
// would still be sent.
func (w *world) hang(f fakekube.Fault) {
	f.Unreachable = true
	w.kube.Inject(f)
	ctx, cancel := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
	w.t.Cleanup(cancel)
	w.ctx, w.late = ctx, true
}

// fail answers the nth call of a verb with an error that is no use to repeat.
func (w *world) fail(verb string, nth int) {
	w.t.Helper()
	w.check(w.cloud.AddFaults(fakegce.Fault{Verb: verb, Nth: nth, Status: http.StatusBadRequest}))
}

// insert makes something that no client of ours makes.
func (w *world) insert(path, body string) {
	w.t.Helper()
	w.insertIn("p1", path, body)
}

func (w *world) insertIn(project, path, body string) {
	w.t.Helper()
	answer := httptest.NewRecorder()
	w.cloud.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/compute/v1/projects/"+project+"/"+path, strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		w.t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
}

// foreign makes a group with a description of somebody else's.
func (w *world) foreign(name, description string) {
	w.t.Helper()
	w.insert("zones/us-central1-a/networkEndpointGroups", fmt.Sprintf(`{"name":%q,"networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, name, description))
}

// has tells whether the cloud has a group of exactly that name.
func (w *world) has(name string) bool {
	return slices.ContainsFunc(w.cloud.Groups(), func(g fakegce.Group) bool { return g.Name == name })
}

// use puts a key's group into a backend service of somebody else's.
func (w *world) use(k neg.Key, mark string) {
	w.t.Helper()
	w.useGroup(neg.GroupName(map[string]string{"c1": alive, "c2": gone}[k.Cluster], k, 80), k.Service, mark)
}

func (w *world) useGroup(group, name, mark string) {
	w.t.Helper()
	w.insert("global/healthChecks", fmt.Sprintf(`{"name":"theirs-%s","type":"TCP"}`, name))
	w.insert("global/backendServices", fmt.Sprintf(
		`{"name":"theirs-%[1]s","healthChecks":["global/healthChecks/theirs-%[1]s"],"protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED","backends":[{"group":"projects/p1/zones/us-central1-a/networkEndpointGroups/%[2]s","balancingMode":"RATE","maxRatePerEndpoint":1,"description":%[3]q}]}`,
		name, group, mark))
}
