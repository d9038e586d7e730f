package sweep_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// A world is the real adapters before an emulated cluster and cloud: the Service web with
// its group, and a group that the Service left has left. An hour has passed since.
type world struct {
	t       testing.TB
	kube    *fakekube.Server
	cluster *fakekube.Cluster
	cloud   *fakegce.Server
	gce     *gce.Client
	reader  sweep.Reader
	uid     string
	is      presence.Presence
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, kube: fakekube.New(), cloud: fakegce.New(fakegce.Options{}), is: presence.Alive}
	w.cluster = w.kube.AddCluster("c1")
	w.uid = string(w.cluster.UID())
	api := httptest.NewServer(w.kube)
	t.Cleanup(api.Close)
	w.check(w.cloud.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	var err error
	w.gce, err = gce.New(t.Context(), gce.Options{
		Project: "p1", Network: "default", Subnetwork: "default", Endpoint: fakegce.ComputeEndpoint(fakegce.Start(t, w.cloud)),
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	})
	w.check(err)
	w.reader = sweep.Reader{
		Clouds: map[string]sweep.Cloud{"p1": w.gce},
		Survey: func(context.Context) ([]sweep.Cluster, error) {
			return []sweep.Cluster{{Name: "c1", UID: w.uid, Project: "p1", Gone: "delete", Presence: presence.Verdict{Presence: w.is}}}, nil
		},
		Open: func(context.Context, string) (sweep.Kubernetes, error) {
			return kube.New("c1", w.cluster.Config(api.URL, "negfleet-sweep"), time.Now)
		},
		Holder: "negfleet-sweep",
		Now:    func() time.Time { return time.Now().Add(time.Hour) },
	}
	w.check(w.cluster.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}))
	w.service("default", "kubernetes", nil)
	w.service("shop", "web", map[string]string{
		neg.AnnotationNEG:    `{"exposed_ports":{"80":{}}}`,
		neg.AnnotationStatus: fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":["us-central1-a"]}`, w.name("web")),
	})
	w.group("web")
	w.group("left")
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) service(namespace, name string, annotations map[string]string) {
	w.t.Helper()
	w.check(w.cluster.Apply(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: annotations},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}))
}

func key(service string) neg.Key { return neg.Key{Cluster: "c1", Namespace: "shop", Service: service} }

func (w *world) name(service string) string { return neg.GroupName(w.uid, key(service), 80) }

func (w *world) group(service string) {
	w.t.Helper()
	w.check(w.gce.CreateGroup(w.t.Context(), neg.GroupID{Zone: "us-central1-a", Name: w.name(service)}, neg.OwnerOf(w.uid, key(service), 80)))
}

func (w *world) read() sweep.Inventory {
	w.t.Helper()
	in, err := w.reader.Read(w.t.Context())
	w.check(err)
	return in
}

// verdicts are those on web and left, and all evidence.
func (w *world) verdicts() (web, left sweep.Verdict, evidence string) {
	w.t.Helper()
	for _, f := range sweep.Judge(w.read()) {
		switch f.Key.Service {
		case "web":
			web = f.Verdict
		case "left":
			left = f.Verdict
		}
		evidence += strings.Join(f.Evidence, "; ") + "\n"
	}
	return web, left, evidence
}

// TestRead: an API server or a cloud that does not answer, whole, makes its own scope
// unknown, and nothing is an orphan by it.
func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*world)
		web, left sweep.Verdict
		because   string
	}{
		"all answer":         {func(*world) {}, sweep.Wanted, sweep.Orphan, "cluster c1 has no Service shop/left"},
		"Services forbidden": {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 403}) }, 0, 0, "list services"},
		"Services broken":    {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 500}) }, 0, 0, "list services"},
		"slices forbidden":   {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "endpointslices", Status: 403}) }, 0, 0, "list endpointslices"},
		"Pods forbidden":     {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "pods", Status: 403}) }, 0, 0, "list pods"},
		"Services fail on page two": {func(w *world) {
			for i := range 600 {
				w.service("shop", fmt.Sprintf("many-%d", i), nil)
			}
			w.kube.Inject(fakekube.Fault{Resource: "services", Continued: true, Status: 410})
		}, 0, 0, "list services"},
		"another UID answers": {func(w *world) { w.uid = "00000000-1111-2222-3333-444444444444" }, 0, 0, "the fleet file has no such cluster"},
		"the cluster is made anew between the groups and the lists": {func(w *world) {
			open := w.reader.Open
			w.reader.Open = func(ctx context.Context, c string) (sweep.Kubernetes, error) {
				k, err := open(ctx, c)
				return otherUID{k}, err
			}
		}, 0, 0, "it answers with kube-system UID"},
		"the Service is made again between the groups and the lists": {func(w *world) {
			survey := w.reader.Survey
			w.reader.Survey = func(ctx context.Context) ([]sweep.Cluster, error) {
				w.service("shop", "left", map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`})
				return survey(ctx)
			}
		}, sweep.Wanted, sweep.Drifted, ""},
		"backend services are listed in part": {func(w *world) {
			w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "backendServices.aggregatedList", Unreachable: "regions/us-central1"}))
		}, sweep.Wanted, 0, "whether something uses it is not known"},
		"the cluster is unknown": {func(w *world) { w.is = presence.Unknown }, 0, 0, "cluster c1 is unknown"},
		"gone":                   {func(w *world) { w.is = presence.Gone }, sweep.OrphanOfGone, sweep.OrphanOfGone, "cluster c1 is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			web, left, evidence := w.verdicts()
			if web != c.web || left != c.left || !strings.Contains(evidence, c.because) {
				t.Errorf("web %s, left %s; want %s, %s, because %q\n%s", web, left, c.web, c.left, c.because, evidence)
			}
		})
	}
}

// otherUID is a cluster that is another one by the time it is asked.
type otherUID struct{ sweep.Kubernetes }

func (otherUID) UID(context.Context) (string, error) {
	return "00000000-1111-2222-3333-444444444444", nil
}

// TestGroupsInPart: of a zone that does not answer nothing is known, and nothing missed by it.
func TestGroupsInPart(t *testing.T) {
	w := newWorld(t)
	w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.aggregatedList", Unreachable: "zones/us-central1-a"}))
	in := w.read()
	if d := cmp.Diff([]string{"us-central1-a"}, in.Projects[0].Missing); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
	if found := sweep.Judge(in); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
}

// TestGroupsToPageTwo: of a list that fails on its second page nothing is concluded, not from
// what its first page has either.
func TestGroupsToPageTwo(t *testing.T) {
	w := newWorld(t)
	for i := range 500 {
		w.group(fmt.Sprintf("many-%d", i))
	}
	w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.aggregatedList", Nth: 2, Status: 400}))
	in := w.read()
	if p := in.Projects[0]; p.Failed == "" || len(p.Resources) != 0 {
		t.Errorf("failed %q, and %d resources", p.Failed, len(p.Resources))
	}
	r, s := sweep.Conclude(in, sweep.Budget)
	if len(r.Findings) != 0 || len(r.Unread) != 1 || r.Published["orphans"] != 0 || len(s.Publications) > 1 {
		t.Errorf("%+v", r)
	}
}

// TestManaged: a backend service and a health check that a Service left are orphans too, and
// the one using the other is no stranger's use.
func TestManaged(t *testing.T) {
	w := newWorld(t)
	check, id, owner := neg.HealthCheckID{Name: "left"}, neg.BackendServiceID{Name: "left"}, neg.OwnerOf(w.uid, key("left"), 0)
	w.check(w.gce.CreateHealthCheck(t.Context(), check, owner, neg.Fields{"type": "TCP"}))
	w.check(w.gce.CreateBackendService(t.Context(), id, owner, neg.Fields{"protocol": "HTTP", "loadBalancingScheme": "EXTERNAL_MANAGED"}, check))
	verdicts := map[string]sweep.Verdict{}
	for _, f := range sweep.Judge(w.read()) {
		verdicts[string(f.Kind)+" "+f.Resource] = f.Verdict
	}
	for _, name := range []string{"backend service global/left", "health check global/left"} {
		if verdicts[name] != sweep.Orphan {
			t.Errorf("%s: %s", name, verdicts[name])
		}
	}
}

// TestInstances: a gone cluster's group with endpoints is unknown while one of their
// instances is there.
func TestInstances(t *testing.T) {
	w := newWorld(t)
	w.is = presence.Gone
	w.check(w.cloud.Seed(fakegce.Seed{Instances: []fakegce.Instance{{Project: "p1", Zone: "us-central1-a", Name: "vm-1", IP: "10.128.0.9", AliasRanges: []string{"10.1.0.0/24"}}}}))
	id := neg.GroupID{Zone: "us-central1-a", Name: w.name("left")}
	rejected, err := w.gce.Attach(t.Context(), id, []neg.Endpoint{{Instance: "vm-1", Addr: netip.MustParseAddrPort("10.1.0.2:80")}})
	if err != nil || len(rejected) != 0 {
		t.Fatal(rejected, err)
	}
	if _, left, evidence := w.verdicts(); left != sweep.Unknown || !strings.Contains(evidence, "instance us-central1-a/vm-1 is there") {
		t.Errorf("left is %s: %s", left, evidence)
	}
	w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "instances.get", Status: 404}))
	if _, left, evidence := w.verdicts(); left != sweep.OrphanOfGone || !strings.Contains(evidence, "no instance is left behind its 1 endpoint") {
		t.Errorf("left is %s: %s", left, evidence)
	}
}

// TestCalls: a sweep lists a project in as few calls as there are pages, and two for quotas,
// and a cluster in six and one for each namespace; it writes one Lease.
func TestCalls(t *testing.T) {
	w := newWorld(t)
	for i := range 600 {
		w.group(fmt.Sprintf("many-%d", i))
	}
	w.cloud.ClearCalls()
	w.read()
	for verb, want := range map[string]int64{
		"networkEndpointGroups.aggregatedList": 2, "backendServices.aggregatedList": 1, "healthChecks.aggregatedList": 1, "projects.get": 1, "regions.list": 1,
		"networkEndpointGroups.listNetworkEndpoints": 0, "instances.get": 0,
	} {
		if got := int64(w.cloud.Stats().Verbs[verb]); got != want {
			t.Errorf("%d calls of %s, want %d", got, verb, want)
		}
	}
	leases := fakekube.List[*coordinationv1.Lease](w.cluster, neg.LeaseNamespace, nil)
	if len(leases) != 1 || *leases[0].Spec.HolderIdentity != "negfleet-sweep" {
		t.Errorf("leases: %+v", leases)
	}
	if calls := w.kube.Calls(); len(calls) > 7 {
		t.Errorf("%d kinds of calls to the cluster: %v", len(calls), calls)
	}
}

// A crowd is the cloud of a gone cluster that left many groups.
type crowd struct {
	groups    []neg.ListedGroup
	instances int             // of each group
	there     bool            // so are the instances
	asked     map[string]bool // groups
	calls     int             // about instances
}

func (c *crowd) Groups(_ context.Context, page func([]neg.ListedGroup) error) ([]string, error) {
	return nil, page(c.groups)
}
func (*crowd) BackendServices(context.Context) ([]neg.BackendService, error) { return nil, nil }
func (*crowd) HealthChecks(context.Context) ([]neg.HealthCheck, error)       { return nil, nil }
func (*crowd) Quotas(context.Context) ([]neg.Quota, error)                   { return nil, nil }
func (c *crowd) InstanceExists(context.Context, neg.Zone, string) (bool, error) {
	c.calls++
	return c.there, nil
}

func (c *crowd) Endpoints(_ context.Context, id neg.GroupID) ([]neg.Endpoint, bool, error) {
	c.asked[id.Name] = true
	var all []neg.Endpoint
	for i := range c.instances {
		all = append(all, neg.Endpoint{Instance: fmt.Sprintf("vm-%d", i)})
	}
	return all, true, nil
}

// reader reads what a gone cluster left there: n groups.
func (c *crowd) reader(n int, now func() time.Time) sweep.Reader {
	const uid = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	c.asked = map[string]bool{}
	for i := range n {
		k := key(fmt.Sprintf("s%d", i))
		c.groups = append(c.groups, neg.ListedGroup{
			GroupID: neg.GroupID{Zone: "us-central1-a", Name: neg.GroupName(uid, k, 80)}, Description: neg.OwnerOf(uid, k, 80).Description(),
			Size: c.instances, Created: now().Add(-time.Hour),
		})
	}
	return sweep.Reader{
		Clouds: map[string]sweep.Cloud{"p1": c}, Now: now,
		Survey: func(context.Context) ([]sweep.Cluster, error) {
			return []sweep.Cluster{{Name: "c1", UID: uid, Project: "p1", Gone: "delete", Presence: presence.Verdict{Presence: presence.Gone}}}, nil
		},
	}
}

// TestEveryGroupIsAskedAbout: a run asks about some groups of a gone cluster, and those that stay
// keep no other from its turn.
func TestEveryGroupIsAskedAbout(t *testing.T) {
	cloud, now := &crowd{instances: 1, there: true}, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	reader := cloud.reader(250, func() time.Time { return now })
	for range 36 { // six hours
		in, err := reader.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := len(in.Clusters[0].Instances); n != 100 {
			t.Fatalf("%d groups in one run", n)
		}
		now = now.Add(sweep.Every)
	}
	if len(cloud.asked) != len(cloud.groups) {
		t.Errorf("%d of %d groups were ever asked about", len(cloud.asked), len(cloud.groups))
	}
}

// TestManyInstances: a large cluster's groups are proved left over too, by one question about each
// instance.
func TestManyInstances(t *testing.T) {
	cloud := &crowd{instances: 300}
	in, err := cloud.reader(3, time.Now).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sweep.Judge(in) {
		if f.Verdict != sweep.OrphanOfGone {
			t.Errorf("%s is %s: %v", f.Resource, f.Verdict, f.Evidence)
		}
	}
	if cloud.calls != cloud.instances {
		t.Errorf("%d questions about %d instances", cloud.calls, cloud.instances)
	}
}
