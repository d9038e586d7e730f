package deploy

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/functions/readiness"
	"github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/functions/sweep"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// A world is a cluster, its cloud and reconcile.
type world struct {
	*rig.Rig
	t *testing.T
}

// regions are where backend services are, and what the annotation says then.
var regions = map[string]string{"world": "", "inside": `"region":"us-central1","scheme":"INTERNAL_MANAGED",`}

func newWorld(t *testing.T, clusters ...string) world {
	return world{rig.Start(t, rig.Options{
		Project: "permissions", Clusters: append([]string{"c1"}, clusters...), Nodes: 3,
		Env:  map[string]string{"NEGFLEET_DELETION_GRACE": "1ms", "NEGFLEET_LOOK_INTERVAL": "1ms"},
		Push: pubsub.Subscription{AckDeadline: time.Minute},
	}), t}
}

func (w world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w world) look(service string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	// An operator's key has everything looked for that is the key's.
	w.must(w.Publish(ctx, neg.Key{Cluster: "c1", Namespace: "shop", Service: service}, "operator"))
	w.must(w.PubSub.Drained(ctx))
}

// TestReconcileRole: through the life of Services with every kind of object that it keeps,
// and where what a gone cluster left is to be deleted, the function needs the permissions of
// its role, all of them, and no other. That it lists clusters is of the container API.
func TestReconcileRole(t *testing.T) {
	w := newWorld(t, "c2")
	w.leave("c2")
	left := len(w.GCE.Groups())
	kube := w.Clusters[0].World
	for service, region := range regions {
		w.must(kube.Deploy(fakekube.Deployment{Namespace: "shop", Name: service, Replicas: 3}))
		w.must(kube.AddService(backed(service, `{"80":{`+region+`"securityPolicy":"guard","healthCheck":{"requestPath":"/a"}}}`)))
		w.look(service)
		if len(w.GCE.Groups()) == left {
			t.Fatalf("%s: no groups", service)
		}
		w.must(kube.Roll("shop", service)) // attach and detach
		w.look(service)
		w.must(kube.AddService(backed(service, `{"80":{`+region+`"timeoutSec":7,"healthCheck":{"requestPath":"/b"}}}`)))
		w.look(service)
		w.must(kube.RemoveService("shop", service))
		w.look(service)
		if groups := w.GCE.Groups(); len(groups) > left {
			t.Fatalf("%s: %d groups are left", service, len(groups)-left)
		}
	}
	w.lookAnew(neg.Key{Cluster: "c2", Namespace: "shop", Service: "old"})
	// The emulator has no security policies, so it does not ask for the right to use one.
	needed := append(w.GCE.NeededPermissions(), "compute.securityPolicies.use", "compute.regionSecurityPolicies.use", "container.clusters.list")
	slices.Sort(needed)
	if diff := cmp.Diff(role(t, "reconcile"), needed); diff != "" {
		t.Errorf("infra/roles/reconcile.yaml (-role +needed):\n%s", diff)
	}
}

// TestReadinessRole: until gates open, the function needs its role, all of it, and no more.
func TestReadinessRole(t *testing.T) {
	if testing.Short() {
		t.Skip("a gate opens after five seconds; skipped by -short")
	}
	w := newWorld(t)
	env := w.Instances[0].Env
	f, err := readiness.FromEnv(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	w.must(err)
	for service, region := range regions {
		gates := []string{"cloud.google.com/load-balancer-neg-ready"}
		w.must(w.Clusters[0].World.Deploy(fakekube.Deployment{Namespace: "shop", Name: service, Replicas: 1, Gates: gates}))
		w.must(w.Clusters[0].World.AddService(backed(service, `{"80":{`+region+`"healthCheck":{"requestPath":"/a"}}}`)))
		w.look(service)
	}
	w.GCE.NeededPermissions() // those of reconcile
	for service := range regions {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		w.must(f.Follow(ctx, neg.Key{Cluster: "c1", Namespace: "shop", Service: service}))
		cancel()
	}
	if diff := cmp.Diff(role(t, "readiness"), w.GCE.NeededPermissions()); diff != "" {
		t.Errorf("infra/roles/readiness.yaml (-role +needed):\n%s", diff)
	}
}

// TestSweepRole: a sweep of a living cluster and of one that is gone needs its role on
// Compute, all of it, and no more. That it lists clusters is of the container API.
func TestSweepRole(t *testing.T) {
	w := newWorld(t, "c2")
	w.leave("c2")
	env := w.Instances[0].Env
	f, err := sweep.FromEnv(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	w.must(err)
	for service, region := range regions {
		w.must(w.Clusters[0].World.Deploy(fakekube.Deployment{Namespace: "shop", Name: service, Replicas: 1}))
		w.must(w.Clusters[0].World.AddService(backed(service, `{"80":{`+region+`"healthCheck":{"requestPath":"/a"}}}`)))
		w.look(service)
	}
	w.GCE.NeededPermissions() // those of reconcile
	// What it would have reconcile do is not its own need.
	f.Publish = func(context.Context, string, ...event.Message) error { return nil }
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
	needed := append(w.GCE.NeededPermissions(), "container.clusters.list")
	if diff := cmp.Diff(role(t, "sweep"), needed); diff != "" || answer.Code >= 300 {
		t.Errorf("answered %d; infra/roles/sweep.yaml (-role +needed):\n%s", answer.Code, diff)
	}
}

// leave has the second cluster go with its groups, and says so in the fleet file.
func (w world) leave(name string) {
	w.t.Helper()
	w.must(w.Clusters[1].World.Deploy(fakekube.Deployment{Namespace: "shop", Name: "old", Replicas: 1}))
	w.must(w.Clusters[1].World.AddService(backed("old", "{}")))
	w.must(w.Publish(w.t.Context(), neg.Key{Cluster: name, Namespace: "shop", Service: "old"}, "operator"))
	w.must(w.PubSub.Drained(w.t.Context()))
	w.Kube.RemoveCluster(name)
	path := w.Instances[0].Env["NEGFLEET_FLEET"]
	file, err := os.ReadFile(path)
	w.must(err)
	entry := "- name: " + name + "\n"
	w.must(os.WriteFile(path, []byte(strings.Replace(string(file), entry, entry+"  state: decommissioned\n  gone: delete\n", 1)), 0o600))
}

// lookAnew has an instance that begins now look at everything that is a key's.
func (w world) lookAnew(k neg.Key) {
	w.t.Helper()
	env := w.Instances[0].Env
	f, err := reconcile.FromEnv(func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
	w.must(err)
	data, _, err := event.Encode(event.Message{Key: k, Reason: "asked for", Source: "operator", Observed: time.Now()})
	w.must(err)
	body := fmt.Sprintf(`{"message":{"data":%q,"messageId":"1"},"subscription":"projects/permissions/subscriptions/s"}`, base64.StdEncoding.EncodeToString(data))
	answer := httptest.NewRecorder()
	f.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
	if answer.Code >= 300 {
		w.t.Fatalf("%s: answered %d", k, answer.Code)
	}
}

// backed is a Service with groups and a backend service of negfleet's.
func backed(name, backend string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: map[string]string{
			neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, neg.AnnotationBackendService: backend,
		}},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(80)}}},
	}
}

// TestRoles: a role's file is what gcloud takes, sorted, and of Compute alone has what it
// says.
func TestRoles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "infra", "roles", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no roles: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		permissions := role(t, name)
		if !slices.IsSorted(permissions) || len(slices.Compact(slices.Clone(permissions))) != len(permissions) || len(permissions) == 0 {
			t.Errorf("%s: permissions are not sorted, or some stand twice, or there are none", file)
		}
	}
}

// role reads the permissions of infra/roles/NAME.yaml.
func role(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "infra", "roles", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Title, Description, Stage string
		IncludedPermissions       []string `yaml:"includedPermissions"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatalf("role %s: %v", name, err)
	}
	if file.Title == "" || file.Description == "" || file.Stage != "GA" {
		t.Errorf("role %s: want title, description and stage GA: %+v", name, file)
	}
	return file.IncludedPermissions
}
