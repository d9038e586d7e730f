package drain_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

const (
	uid   = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	other = "99999999-4b9b-4c1e-8a53-0d6a2f1f8a11"
)

// A world is two clusters with the same Services, in one project, and what reconcile made
// for them: groups, a backend service with its health check, entries in the user's own
// backend service shop. Beside them stands a group of a stranger under the first cluster's
// name. Then the fleet file says that c1 drains.
type world struct {
	t      testing.TB
	kube   *fakekube.Server
	cloud  *fakegce.Server
	at     string // Compute's base URL
	env    config.Env
	scopes *scope.Scopes
	drain  *drain.Drain

	clock  time.Time
	queue  []resync.Find
	looks  bool // reconcile runs, and works the queue off while the drain sleeps
	sleeps int
	told   []string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, kube: fakekube.New(), cloud: fakegce.New(fakegce.Options{}), clock: time.Now(), looks: true}
	server := httptest.NewServer(w.kube)
	t.Cleanup(server.Close)
	w.at = fakegce.ComputeEndpoint(fakegce.Start(t, w.cloud))
	w.env = config.Env{FleetFile: filepath.Join(t.TempDir(), "fleet.yaml"), ComputeEndpoint: w.at}
	w.check(w.cloud.Seed(fakegce.Seed{Projects: []string{"p1", "p2"}}))
	w.api("healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"]}`)
	for i, id := range []string{uid, other} {
		c := w.kube.AddCluster(fmt.Sprintf("c%d", i+1), fakekube.WithUID(types.UID(id)))
		w.check(os.WriteFile(filepath.Join(filepath.Dir(w.env.FleetFile), c.Name()+".kubeconfig"), c.Kubeconfig(server.URL, "negfleet"), 0o600))
		w.fill(c, i)
	}
	w.open("state: active")
	for _, cluster := range []string{"c1", "c2"} {
		for _, service := range []string{"web", "api"} {
			w.look(resync.Find{Key: neg.Key{Cluster: cluster, Namespace: "shop", Service: service}})
		}
	}
	web := neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	w.group("p1", neg.GroupID{Zone: "us-central1-c", Name: neg.GroupName(uid, web, 80)}, neg.OwnerOf("00000000-4b9b-4c1e-8a53-0d6a2f1f8a11", web, 80).Description())
	w.open("state: draining")
	return w
}

// fill makes nodes, Pods and two Services: web has a backend service of negfleet's, api is
// in the user's.
func (w *world) fill(c *fakekube.Cluster, i int) {
	w.t.Helper()
	pods, err := c.NewWorld(fakekube.Layout{Project: "p1", Nodes: 2, Zones: []string{"us-central1-a", "us-central1-b"}, PodRange: netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", i+1))})
	w.check(err)
	seed := fakegce.Seed{Projects: []string{"p1"}}
	for j, n := range fakekube.List[*corev1.Node](c, "", nil) {
		node, err := neg.ParseProviderID(n.Spec.ProviderID)
		w.check(err)
		seed.Instances = append(seed.Instances, fakegce.Instance{Zone: string(node.Zone), Name: node.Instance, IP: fmt.Sprintf("10.128.%d.%d", i, j+2), AliasRanges: []string{n.Spec.PodCIDR}})
	}
	w.check(w.cloud.Seed(seed))
	for name, more := range map[string]string{"web": neg.AnnotationBackendService, "api": neg.AnnotationAutoneg} {
		value := `{"80":{}}`
		if name == "api" {
			value = `{"backend_services":{"80":[{"name":"shop","max_rate_per_endpoint":100}]}}`
		}
		w.check(pods.Deploy(fakekube.Deployment{Namespace: "shop", Name: name, Replicas: 2}))
		w.check(pods.AddService(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, more: value}},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		}))
	}
}

// open writes the fleet file with those lines in c1's entry, and has everybody read it.
func (w *world) open(c1 string) {
	w.t.Helper()
	w.check(os.WriteFile(w.env.FleetFile, fmt.Appendf(nil, `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: %s
  zones: [us-central1-a]
  connect: {kubeconfig: c1.kubeconfig}
  %s
- name: c2
  uid: %s
  zones: [us-central1-a]
  connect: {kubeconfig: c2.kubeconfig}
- name: far
  uid: 11111111-4b9b-4c1e-8a53-0d6a2f1f8a11
  project: p2
  connect: {kubeconfig: c2.kubeconfig}
`, uid, c1, other), 0o600))
	var err error
	w.scopes, err = scope.New(w.env, slog.New(slog.DiscardHandler), time.Now)
	w.check(err)
	w.reopen()
}

// reopen is another run of the drain.
func (w *world) reopen() {
	w.t.Helper()
	var err error
	w.drain, err = w.scopes.Drain(w.t.Context(), "c1")
	w.check(err)
	w.drain.Publish = func(_ context.Context, found []resync.Find) error {
		w.queue = append(w.queue, found...)
		return nil
	}
	w.drain.Tell = func(l drain.Look) { w.told = append(w.told, drain.CountOf(l.Held).String()) }
	w.drain.Patience, w.drain.Now, w.drain.Sleep = 90*time.Second, func() time.Time { return w.clock }, w.sleep
}

// sleep lets reconcile work while the drain waits. A quarter of an hour of that is an end without one.
func (w *world) sleep(ctx context.Context, d time.Duration) error {
	w.clock = w.clock.Add(d)
	if w.sleeps++; w.sleeps > 100 {
		return context.DeadlineExceeded
	}
	queue := w.queue
	w.queue = nil
	for _, f := range queue {
		if w.looks {
			w.look(f)
		}
	}
	return ctx.Err()
}

func (w *world) look(f resync.Find) {
	w.t.Helper()
	r := &reconcile.Reconciler{
		Open: w.scopes.Open, Publish: func(context.Context, neg.Key, int) error { return nil },
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Grace: time.Millisecond,
	}
	_, err := r.Look(w.t.Context(), f.Key, reconcile.Turn{Began: func() {}, Rereads: func() {}, Thorough: func() bool { return f.Thorough }})
	if neg.OutcomeOf(err) == neg.Again {
		w.queue = append(w.queue, f) // as Pub/Sub delivers it again
	}
}

// run is the command's: begin, follow.
func (w *world) run() (l drain.Look, silent, err error) {
	w.t.Helper()
	if l, silent, err = w.drain.Begin(w.t.Context()); err != nil {
		return l, silent, err
	}
	l, err = w.drain.Follow(w.t.Context())
	return l, silent, err
}

// group makes one with that description, whoever's.
func (w *world) group(project string, id neg.GroupID, description string) {
	w.t.Helper()
	w.post(project, "zones/"+string(id.Zone)+"/networkEndpointGroups", fmt.Sprintf(`{"name":%q,"networkEndpointType":"GCE_VM_IP_PORT","description":%q}`, id.Name, description))
}

// api makes a global resource, as a user would.
func (w *world) api(collection, body string) {
	w.t.Helper()
	w.post("p1", "global/"+collection, body)
}

func (w *world) post(project, path, body string) {
	w.t.Helper()
	res, err := http.Post(w.at+"projects/"+project+"/"+path, "application/json", strings.NewReader(body))
	w.check(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.check(err)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s: %s", path, res.Status, raw)
	}
}

// left is what there is, beside what the world's c1 had: nothing must be missing of it, and
// nothing more be there.
func (w *world) left() []string {
	var lines []string
	for _, g := range w.cloud.Groups() {
		lines = append(lines, fmt.Sprintf("group %s/%s with %d of %s", g.Zone, g.Name, len(g.Endpoints), ownerUID(g.Description)))
	}
	for _, r := range w.cloud.State().Resources {
		if r.Collection == "healthChecks" || r.Collection == "backendServices" {
			lines = append(lines, fmt.Sprintf("%s %s with %d backends", r.Collection, r.Name, len(r.Backends)))
		}
	}
	slices.Sort(lines)
	return lines
}

func ownerUID(description string) string {
	o, err := neg.ParseOwner(description)
	if err != nil {
		return "nobody"
	}
	return o.UID
}

// others is all that is there when nothing of c1 is left.
func (w *world) others() []string {
	web, api := neg.Key{Cluster: "c2", Namespace: "shop", Service: "web"}, neg.Key{Cluster: "c2", Namespace: "shop", Service: "api"}
	mine := neg.GroupName(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}, 80)
	lines := []string{
		"backendServices shop with 2 backends", "healthChecks theirs with 0 backends",
		"backendServices " + neg.GroupName(other, web, 80) + " with 2 backends", "healthChecks " + neg.GroupName(other, web, 80) + " with 0 backends",
		"group us-central1-c/" + mine + " with 0 of 00000000-4b9b-4c1e-8a53-0d6a2f1f8a11",
	}
	for _, zone := range []string{"us-central1-a", "us-central1-b"} {
		for _, k := range []neg.Key{web, api} {
			lines = append(lines, fmt.Sprintf("group %s/%s with 1 of %s", zone, neg.GroupName(other, k, 80), other))
		}
	}
	slices.Sort(lines)
	return lines
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
