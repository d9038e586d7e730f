package resync_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// A world is the real adapters before an emulated cluster and cloud.
type world struct {
	t       testing.TB
	kube    *fakekube.Server
	cluster *fakekube.Cluster
	cloud   *fakegce.Server
	gce     *gce.Client
	target  resync.Target
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, kube: fakekube.New(), cloud: fakegce.New(fakegce.Options{})}
	w.cluster = w.kube.AddCluster("c1")
	api := httptest.NewServer(w.kube)
	t.Cleanup(api.Close)
	cluster, err := kube.New("c1", w.cluster.Config(api.URL, "negfleet"), time.Now)
	w.check(err)
	w.check(w.cloud.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	w.gce, err = gce.New(t.Context(), gce.Options{Project: "p1", Network: "default", Subnetwork: "default", Endpoint: fakegce.ComputeEndpoint(fakegce.Start(t, w.cloud))})
	w.check(err)
	w.target = resync.Target{Name: "c1", UID: string(w.cluster.UID()), Cluster: cluster, Cloud: w.gce}
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) service(name string, annotations map[string]string) {
	w.t.Helper()
	w.check(w.cluster.Apply(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: annotations},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}))
}

func (w *world) group(zone, name, service string, owner string) {
	w.t.Helper()
	k := neg.Key{Cluster: "c1", Namespace: "shop", Service: service}
	w.check(w.gce.CreateGroup(w.t.Context(), neg.GroupID{Zone: neg.Zone(zone), Name: name}, neg.OwnerOf(owner, k, 80)))
}

// find returns what was found as KEY or KEY thorough, and how many pages it came in.
func (w *world) find() (found []string, pages int) {
	w.t.Helper()
	_, err := w.target.Find(w.t.Context(), func(page []resync.Find) error {
		pages++
		for _, f := range page {
			line := f.Key.String()
			if f.Thorough {
				line += " thorough"
			}
			found = append(found, line)
		}
		return nil
	})
	w.check(err)
	return found, pages
}

// TestFind: a group needs a thorough look only where neg-status does not name it, by name
// and zone; each key comes once for its Service and once for its groups.
func TestFind(t *testing.T) {
	w := newWorld(t)
	ask := map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}
	status := func(name string) map[string]string {
		return map[string]string{neg.AnnotationNEG: "{}", neg.AnnotationStatus: fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":["us-central1-a"]}`, name)}
	}
	w.service("asks", ask)
	w.service("named", status("named"))
	w.service("unreadable", map[string]string{neg.AnnotationStatus: "{"})
	w.service("elsewhere", status("elsewhere"))
	w.service("plain", nil)
	w.service("plain-with-group", nil)
	uid := w.target.UID
	w.group("us-central1-a", "named", "named", uid)
	w.group("us-central1-a", "unreadable", "unreadable", uid)
	w.group("us-central1-b", "elsewhere", "elsewhere", uid)
	w.group("us-central1-a", "left", "plain-with-group", uid)
	w.group("us-central1-b", "left", "plain-with-group", uid)
	w.group("us-central1-a", "gone", "gone", uid)
	w.group("us-central1-a", "theirs", "asks", "11111111-2222-3333-4444-555555555555")
	want := []string{
		"c1/shop/asks", "c1/shop/elsewhere", "c1/shop/named", "c1/shop/unreadable",
		"c1/shop/gone thorough", "c1/shop/plain-with-group thorough", "c1/shop/unreadable thorough", "c1/shop/elsewhere thorough",
	}
	got, _ := w.find()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestLeftWithoutGroups: backend services, health checks and entries that no Service asks for have
// their keys found too, each once, and those of Services that ask for some do not.
func TestLeftWithoutGroups(t *testing.T) {
	w := newWorld(t)
	uid := w.target.UID
	w.service("asks", map[string]string{neg.AnnotationStatus: "{}", neg.AnnotationAutoneg: "{}"})
	w.service("alone", map[string]string{neg.AnnotationStatus: "{}"}) // GKE's own controller has groups for it
	for _, service := range []string{"asks", "backend", "strange"} {
		k := neg.Key{Cluster: "c1", Namespace: "shop", Service: service}
		of := neg.OwnerOf(uid, k, 0)
		if service == "strange" {
			of = neg.OwnerOf("11111111-2222-3333-4444-555555555555", k, 0)
		}
		w.check(w.gce.CreateHealthCheck(t.Context(), neg.HealthCheckID{Name: service}, of, neg.Fields{"type": "TCP"}))
		w.check(w.gce.CreateBackendService(t.Context(), neg.BackendServiceID{Name: service}, of, neg.Fields{"protocol": "HTTP", "loadBalancingScheme": "EXTERNAL_MANAGED"}, neg.HealthCheckID{Name: service}))
	}
	w.check(w.gce.CreateHealthCheck(t.Context(), neg.HealthCheckID{Name: "check"}, neg.OwnerOf(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "check"}, 0), neg.Fields{"type": "TCP"}))
	for _, service := range []string{"asks", "alone", "lost"} {
		w.byGKE(service)
	}
	w.service("groups", map[string]string{neg.AnnotationNEG: "{}", neg.AnnotationStatus: `{"network_endpoint_groups":{"80":"groups"},"zones":["us-central1-a"]}`})
	w.group("us-central1-a", "groups", "groups", uid)
	w.use("groups", "groups")
	want := []string{"c1/shop/alone", "c1/shop/asks", "c1/shop/groups", "c1/shop/backend thorough", "c1/shop/check thorough", "c1/shop/alone thorough", "c1/shop/groups thorough", "c1/shop/lost thorough"}
	got, _ := w.find()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// byGKE makes a group as GKE's own controller does, and uses it.
func (w *world) byGKE(service string) {
	w.t.Helper()
	w.insert("zones/us-central1-a/networkEndpointGroups", fmt.Sprintf(`{"name":"k8s1-%s","networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, service,
		fmt.Sprintf(`{"cluster-uid":%q,"namespace":"shop","service-name":%q,"port":"80"}`, w.target.UID, service)))
	w.use("k8s1-"+service, service)
}

// use puts a group into a backend service of somebody else's, by an entry that is negfleet's.
func (w *world) use(group, service string) {
	w.t.Helper()
	w.insert("global/healthChecks", fmt.Sprintf(`{"name":"theirs-%s","type":"TCP"}`, service))
	w.insert("global/backendServices", fmt.Sprintf(
		`{"name":"theirs-%[1]s","healthChecks":["global/healthChecks/theirs-%[1]s"],"protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED","backends":[{"group":"projects/p1/zones/us-central1-a/networkEndpointGroups/%[2]s","balancingMode":"RATE","maxRatePerEndpoint":1,"description":%[3]q}]}`,
		service, group, neg.BackendMark(w.target.UID, neg.Key{Cluster: "c1", Namespace: "shop", Service: service})))
}

func (w *world) insert(path, body string) {
	w.t.Helper()
	answer := httptest.NewRecorder()
	w.cloud.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/compute/v1/projects/p1/"+path, strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		w.t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
}

// TestPages: a large cluster is handed on by pages.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for i := range 1100 {
		w.service(fmt.Sprintf("web-%04d", i), map[string]string{neg.AnnotationNEG: "{}"})
	}
	for i := range 510 {
		w.group("us-central1-a", fmt.Sprintf("left-%04d", i), fmt.Sprintf("left-%04d", i), w.target.UID)
	}
	found, pages := w.find()
	seen := map[string]bool{}
	for _, line := range found {
		seen[line] = true
	}
	if len(found) != 1610 || len(seen) != 1610 || pages != 5 {
		t.Errorf("%d keys, %d different ones, in %d pages; want 1610 in 3 and 2", len(found), len(seen), pages)
	}
}

// TestFailures: half a list is an error that names the cluster, and so is what emit says.
func TestFailures(t *testing.T) {
	full := errors.New("the topic is full")
	for name, c := range map[string]struct {
		prepare func(*world)
		emit    error
		outcome neg.Outcome
	}{
		"no Services": {func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "services", Status: 403}) }, nil, neg.Blocked},
		"no groups":   {func(w *world) { w.check(w.cloud.AddFaults(fakegce.Fault{Status: 403, Message: "denied"})) }, nil, neg.Blocked},
		"half the groups": {func(w *world) {
			w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "networkEndpointGroups.aggregatedList", Unreachable: "zones/us-central1-a"}))
		}, nil, neg.Again},
		"no backend services": {func(w *world) {
			w.check(w.cloud.AddFaults(fakegce.Fault{Verb: "backendServices.aggregatedList", Status: 403}))
		}, nil, neg.Blocked},
		"not published": {func(*world) {}, full, neg.Again},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.service("web", map[string]string{neg.AnnotationNEG: "{}"})
			c.prepare(w)
			_, err := w.target.Find(context.Background(), func([]resync.Find) error { return c.emit })
			if err == nil || neg.OutcomeOf(err) != c.outcome || c.emit != nil && !errors.Is(err, c.emit) {
				t.Errorf("error %v, want one of outcome %s", err, c.outcome)
			}
		})
	}
}
