package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/functions/sweep"
	"github.com/negfleet/negfleet/shared/neg"
	reports "github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/shared/telemetry"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// A fleetSize is how much there is to sweep, of each cluster. A Service has a group in each
// of three zones; the first of them have backend services and health checks of ours.
// Strangers are groups of nobody's here.
type fleetSize struct{ clusters, services, pods, backends, strangers int }

var (
	// smallFleet has more groups than a page.
	smallFleet = fleetSize{clusters: 3, services: 6, pods: 3, backends: 2, strangers: 500}
	// largeFleet is what the target is about: 10,000 groups, 100,000 endpoints and 2,000
	// backend services.
	largeFleet = fleetSize{clusters: 100, services: 34, pods: 30, backends: 20}
)

func (s fleetSize) groups() int  { return s.clusters * s.services * len(rig.Zones) }
func (s fleetSize) managed() int { return s.clusters * s.backends }

// lists is how many calls of a list of so many there are, at 500 a page.
func lists(n int) int { return (n + 499) / 500 }

// TestSweepCalls: a sweep lists a project in as many calls as there are pages, whatever
// the number of clusters.
func TestSweepCalls(t *testing.T) {
	f := newFleet(t, smallFleet)
	env := f.Instances[0].Env
	fn, err := sweep.FromEnv(func(name string) string { return env[name] }, telemetry.New(os.Stderr, 100))
	f.check(err)
	got, err := sweepOnce(fn)
	f.check(err)
	f.judge(smallFleet, got)
}

// TestSweepScale has a process of its own sweep a large fleet.
func TestSweepScale(t *testing.T) {
	timed(t)
	f := newFleet(t, largeFleet)
	var got swept
	f.check(f.inChild(&got))
	f.judge(largeFleet, got)
	measured(t, "sweep-time", got.Took.Seconds(), 30, "s")
	measured(t, "sweep-rss", got.PeakMiB, 256, "MiB")
	measured(t, "sweep-rss-before", got.StartMiB, 0, "MiB")
}

// A sweptFleet is clusters whose Services have all that they ask for.
type sweptFleet struct {
	*rig.Rig
	t *testing.T
}

func newFleet(t *testing.T, size fleetSize) sweptFleet {
	var names []string
	for i := range size.clusters {
		names = append(names, fmt.Sprintf("c%03d", i))
	}
	f := sweptFleet{rig.Start(t, rig.Options{
		Project: sweptProject, Clusters: names, Nodes: 6,
		GCE: fakegce.Options{CallLog: 1, TimelineLog: 1, MaxOperations: 1000}, Push: pubsub.Subscription{AckDeadline: patience, MaxOutstanding: 1},
		// What a sweep publishes is not looked at: those calls are not its own.
		Pick: func() int { <-t.Context().Done(); panic(http.ErrAbortHandler) },
	}), t}
	var g errgroup.Group
	g.SetLimit(8)
	for _, c := range f.Clusters {
		g.Go(func() error { return f.fill(c, size) })
	}
	f.check(g.Wait())
	for i := range size.strangers {
		f.check(f.post("zones/us-central1-a/networkEndpointGroups", fmt.Sprintf(`{"name":"stranger-%d","networkEndpointType":"GCE_VM_IP_PORT"}`, i)))
	}
	if n := len(f.GCE.Groups()); n != size.groups()+size.strangers {
		t.Fatalf("%d groups, want %d", n, size.groups()+size.strangers)
	}
	f.GCE.ClearCalls()
	f.Kube.ResetCalls()
	return f
}

// fill makes a cluster's Services and, as reconcile would leave it, what they ask for.
func (f sweptFleet) fill(c *rig.Cluster, size fleetSize) error {
	if err := c.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}); err != nil {
		return err
	}
	for i := range size.services {
		// Ten Services share a namespace.
		k := neg.Key{Cluster: c.Name(), Namespace: fmt.Sprintf("%s-%d", namespace, i/10), Service: service(i)}
		if err := c.World.Deploy(fakekube.Deployment{Namespace: k.Namespace, Name: k.Service, Replicas: size.pods, Gates: []string{neg.GateNEG}}); err != nil {
			return err
		}
		if err := c.World.AddService(f.service(c, k)); err != nil {
			return err
		}
		if err := f.groups(c, k, i < size.backends); err != nil {
			return err
		}
	}
	return nil
}

// service asks for groups, and its status names them.
func (f sweptFleet) service(c *rig.Cluster, k neg.Key) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.Namespace, Name: k.Service, Annotations: map[string]string{
			neg.AnnotationNEG:    `{"exposed_ports":{"80":{}}}`,
			neg.AnnotationStatus: fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":["%s"]}`, neg.GroupName(string(c.UID()), k, 80), strings.Join(rig.Zones, `","`)),
		}},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": k.Service}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}
}

// groups makes those of a key, with its Pods in them, and with backend a backend service and
// its health check.
func (f sweptFleet) groups(c *rig.Cluster, k neg.Key, backend bool) error {
	uid := string(c.UID())
	name, members := neg.GroupName(uid, k, 80), f.members(c, k)
	var entries []string
	for _, zone := range rig.Zones {
		at := "zones/" + zone + "/networkEndpointGroups"
		err := errors.Join(
			f.post(at, fmt.Sprintf(`{"name":%q,"networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, name, neg.OwnerOf(uid, k, 80).Description())),
			f.post(at+"/"+name+"/attachNetworkEndpoints", `{"networkEndpoints":[`+strings.Join(members[zone], ",")+`]}`),
		)
		if err != nil {
			return err
		}
		entries = append(entries, fmt.Sprintf(
			`{"group":"projects/%s/%s/%s","balancingMode":"RATE","maxRatePerEndpoint":100,"description":%q}`, sweptProject, at, name, neg.BackendMark(uid, k)))
	}
	if !backend {
		return nil
	}
	description := neg.OwnerOf(uid, k, 0).Description()
	return errors.Join(
		f.post("global/healthChecks", fmt.Sprintf(`{"name":%q,"type":"TCP","description":%q}`, name, description)),
		f.post("global/backendServices", fmt.Sprintf(
			`{"name":%[1]q,"protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED","healthChecks":["global/healthChecks/%[1]s"],"description":%[2]q,"backends":[%[3]s]}`,
			name, description, strings.Join(entries, ","))),
	)
}

// members are the endpoints of a key's Pods, by zone.
func (f sweptFleet) members(c *rig.Cluster, k neg.Key) map[string][]string {
	members := map[string][]string{}
	for _, p := range fakekube.List[*corev1.Pod](c.Cluster, k.Namespace, map[string]string{"app": k.Service}) {
		n, _ := fakekube.Get[*corev1.Node](c.Cluster, "", p.Spec.NodeName)
		at, err := neg.ParseProviderID(n.Spec.ProviderID)
		f.check(err)
		members[string(at.Zone)] = append(members[string(at.Zone)], fmt.Sprintf(`{"instance":%q,"ipAddress":%q,"port":8080}`, at.Instance, p.Status.PodIP))
	}
	return members
}

// post makes something in the cloud, without the network between.
func (f sweptFleet) post(path, body string) error {
	answer := httptest.NewRecorder()
	f.GCE.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/compute/v1/projects/"+sweptProject+"/"+path, strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		return fmt.Errorf("%s: %d: %s", path, answer.Code, answer.Body)
	}
	return nil
}

const sweptProject = "bench-sweep"

func (f sweptFleet) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// judge holds what a sweep found, and how often it asked, against what there is.
func (f sweptFleet) judge(size fleetSize, got swept) {
	f.t.Helper()
	want := size.groups() + 2*size.managed()
	if n := got.Report.Verdicts[reports.Wanted.String()]; n != want || len(got.Report.Unread) != 0 || len(got.Report.Clusters) != size.clusters {
		f.t.Errorf("%d owned and wanted, want %d; %v, %v, %d clusters", n, want, got.Report.Verdicts, got.Report.Unread, len(got.Report.Clusters))
	}
	calls, all := f.GCE.Stats().Verbs, 0
	for _, verb := range slices.Sorted(maps.Keys(calls)) {
		all += int(calls[verb])
	}
	groups := size.groups() + size.strangers
	counted(f.t, fmt.Sprintf("sweep-compute-calls-%d-groups", groups), all, lists(groups)+2*lists(size.managed())+10)
	counted(f.t, fmt.Sprintf("sweep-cluster-calls-%d-clusters", size.clusters), f.Kube.Calls().Count("", ""), 14*size.clusters)
}

// A swept is what a process says of its sweep.
type swept struct {
	Report            reports.Report
	Took              time.Duration
	StartMiB, PeakMiB float64
}

// sweepOnce has the function answer as it answers the Scheduler.
func sweepOnce(f *sweep.Function) (s swept, err error) {
	started, answer := time.Now(), httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
	s.Took = time.Since(started)
	if answer.Code != http.StatusOK {
		return s, fmt.Errorf("sweep: answered %d", answer.Code)
	}
	return s, json.NewDecoder(answer.Body).Decode(&s.Report)
}

func (f sweptFleet) inChild(into *swept) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(f.t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"=sweep")
	for name, value := range f.Instances[0].Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("child: %w", err)
	}
	return json.Unmarshal(out, into)
}

// sweepChild sweeps once and reports.
func sweepChild() (s swept, err error) {
	f, err := sweep.FromEnv(os.Getenv, telemetry.New(os.Stderr, 100))
	if err != nil {
		return s, err
	}
	start, err := peak()
	if err != nil {
		return s, err
	}
	if s, err = sweepOnce(f); err != nil {
		return s, err
	}
	s.StartMiB = start
	s.PeakMiB, err = peak()
	return s, err
}
