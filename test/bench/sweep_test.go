package bench

import (
	"encoding/json"
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
	looks "github.com/negfleet/negfleet/shared/reconcile"
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
		Project: "bench-sweep", Clusters: names, Nodes: 6, Env: map[string]string{"NEGFLEET_LOOK_INTERVAL": "0s"},
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
		body := fmt.Sprintf(`{"name":"stranger-%d","networkEndpointType":"GCE_VM_IP_PORT"}`, i)
		answer := httptest.NewRecorder()
		f.GCE.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/compute/v1/projects/bench-sweep/zones/us-central1-a/networkEndpointGroups", strings.NewReader(body)))
		if answer.Code != http.StatusOK {
			t.Fatalf("%d: %s", answer.Code, answer.Body)
		}
	}
	if n := len(f.GCE.Groups()); n != size.groups()+size.strangers {
		t.Fatalf("%d groups, want %d", n, size.groups()+size.strangers)
	}
	f.GCE.ClearCalls()
	f.Kube.ResetCalls()
	return f
}

// fill makes a cluster's Services and has reconcile make what they ask for.
func (f sweptFleet) fill(c *rig.Cluster, size fleetSize) error {
	if err := c.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}}); err != nil {
		return err
	}
	for i := range size.services {
		// Ten Services share a namespace.
		ns, name := fmt.Sprintf("%s-%d", namespace, i/10), service(i)
		if err := c.World.Deploy(fakekube.Deployment{Namespace: ns, Name: name, Replicas: size.pods, Gates: []string{neg.GateNEG}}); err != nil {
			return err
		}
		annotations := map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}
		if i < size.backends {
			annotations[neg.AnnotationBackendService] = `{"80":{}}`
		}
		if err := c.World.AddService(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Annotations: annotations},
			Spec: corev1.ServiceSpec{
				Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
			},
		}); err != nil {
			return err
		}
		k := neg.Key{Cluster: c.Name(), Namespace: ns, Service: name}
		if _, err := f.Instances[0].Function.Look(f.t.Context(), k, looks.Turn{Began: func() {}, Rereads: func() {}}); err != nil {
			return err
		}
	}
	return nil
}

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
