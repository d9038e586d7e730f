// Package hook holds infra/examples/destroy-hook against Terraform itself, with the real
// negfleet before emulators.
package hook

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

const module = "../../infra/examples/destroy-hook"

// root calls the module for a cluster, and says on destruction that the cluster is destroyed.
const root = `
resource "terraform_data" "cluster" {
  provisioner "local-exec" {
    when    = destroy
    command = "touch cluster-destroyed"
  }
}

module "drain" {
  source     = "./destroy-hook"
  cluster    = "c1"
  fleet      = "fleet.yaml"
  project    = "p1"
  timeout    = "1m"
  negfleet   = %q
  depends_on = [terraform_data.cluster]
}
`

// A world is a folder in which Terraform runs.
type world struct {
	t   testing.TB
	dir string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("terraform is not installed: infra/examples/destroy-hook is not checked")
	}
	w := &world{t: t, dir: t.TempDir()}
	w.check(os.CopyFS(filepath.Join(w.dir, "destroy-hook"), os.DirFS(module)))
	t.Setenv("CHECKPOINT_DISABLE", "1")
	t.Setenv("TF_IN_AUTOMATION", "1")
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	w.check(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
}

func (w *world) destroyed() bool {
	_, err := os.Stat(filepath.Join(w.dir, "cluster-destroyed"))
	return err == nil
}

// terraform runs in the folder, or below it.
func (w *world) terraform(below string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), "terraform", args...)
	cmd.Dir = filepath.Join(w.dir, below)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) must(below string, args ...string) {
	w.t.Helper()
	if out, err := w.terraform(below, args...); err != nil {
		w.t.Fatalf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestModule: it is formatted, and valid without any provider.
func TestModule(t *testing.T) {
	w := newWorld(t)
	w.must("destroy-hook", "fmt", "-check", "-diff")
	w.must("destroy-hook", "init", "-input=false", "-backend=false")
	w.must("destroy-hook", "validate")
}

// TestDestroy: as long as the fleet file does not say that the cluster drains nothing is
// destroyed; then it is drained first.
func TestDestroy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	w := newWorld(t)
	program := filepath.Join(t.TempDir(), "negfleet")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "../../cmd/negfleet")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kube, cloud := fakekube.New(), fakegce.New(fakegce.Options{})
	cluster := kube.AddCluster("c1")
	api := httptest.NewServer(kube)
	t.Cleanup(api.Close)
	w.check(cloud.Seed(fakegce.Seed{Projects: []string{"p1"}}))
	bus, err := pubsub.Start(t.Context(), pubsub.Options{Project: "p1", Subscriptions: []pubsub.Subscription{{Topic: event.TopicKeys, Name: "keys"}}})
	w.check(err)
	t.Cleanup(func() { bus.Close() })
	t.Setenv("PUBSUB_EMULATOR_HOST", bus.Addr())
	t.Setenv("NEGFLEET_COMPUTE_ENDPOINT", fakegce.ComputeEndpoint(fakegce.Start(t, cloud)))
	fleet := fmt.Sprintf("version: 1\nproject: p1\nnetwork: default\nsubnetwork: default\nclusters:\n- name: c1\n  uid: %s\n  connect: {kubeconfig: c1.kubeconfig}\n  state: ", cluster.UID())
	w.write("c1.kubeconfig", string(cluster.Kubeconfig(api.URL, "operator")))
	w.write("fleet.yaml", fleet+"active\n")
	w.write("main.tf", fmt.Sprintf(root, program))
	w.must("", "init", "-input=false")
	w.must("", "apply", "-auto-approve", "-input=false", "-no-color")
	if w.destroyed() {
		t.Fatal("destroyed before it began")
	}

	out, err := w.terraform("", "destroy", "-auto-approve", "-input=false", "-no-color")
	if err == nil || w.destroyed() || !strings.Contains(out, "fleet.yaml:9: state: active") {
		t.Errorf("a cluster that does not drain: %v, destroyed: %v\n%s", err, w.destroyed(), out)
	}
	w.write("fleet.yaml", fleet+"draining\n")
	out, err = w.terraform("", "destroy", "-auto-approve", "-input=false", "-no-color")
	drained, gone := strings.Index(out, "cluster c1 holds nothing"), strings.Index(out, "terraform_data.cluster: Destroying")
	if err != nil || !w.destroyed() || drained < 0 || gone < drained {
		t.Errorf("%v, destroyed: %v, drained at %d and destroyed at %d of\n%s", err, w.destroyed(), drained, gone, out)
	}
}
