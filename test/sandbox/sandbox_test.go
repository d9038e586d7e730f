//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube/conformance"
	"github.com/negfleet/negfleet/test/sandbox"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
	"github.com/negfleet/negfleet/test/sandbox/story"
)

// options needs the programs that make build controlplane builds: without them a test
// skips, and under make test it fails.
func options(t *testing.T) sandbox.Options {
	t.Helper()
	o := sandbox.Options{
		Dir: filepath.Join(t.TempDir(), "s"), Bin: os.Getenv("NEGFLEET_BIN"), ControlPlane: os.Getenv("NEGFLEET_CONTROLPLANE"),
		Clusters: 1, Nodes: 9, Progress: testWriter{t},
	}
	if testing.Short() {
		t.Skip("needs the control plane; make test runs it")
	}
	if o.Bin == "" || o.ControlPlane == "" {
		message := "needs the control plane: make build controlplane, then set NEGFLEET_BIN and NEGFLEET_CONTROLPLANE; make test does"
		if os.Getenv("NEGFLEET_TEST_ALL") != "" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return o
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

func start(t *testing.T, o sandbox.Options) *sandbox.World {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w, err := sandbox.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestStory is make demo as a test, with operations that take their time.
func TestStory(t *testing.T) {
	o := options(t)
	o.OpLatency, o.Clusters, o.Guest, o.AuditLog = 200*time.Millisecond, story.Clusters, true, true
	w := start(t, o)
	if err := story.Tell(t.Context(), w, testWriter{t}); err != nil {
		t.Fatal(err)
	}
	t.Run("rights", func(t *testing.T) { checkRights(t, w) })
}

// TestTwoClusters: two clusters share a project and neither touches the other's groups; the
// real API server passes the suite that the fake one passes; a second sandbox on a live
// folder is refused; a killed one leaves nothing that stops the next.
func TestTwoClusters(t *testing.T) {
	o := options(t)
	o.Clusters, o.Nodes = 2, 3
	w := start(t, o)
	config, err := w.Clusters[1].Config()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("conformance", func(t *testing.T) { conformance.Run(t, config) })
	t.Run("a live folder is refused", func(t *testing.T) {
		_, err := sandbox.Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "DIR=") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("groups of both", func(t *testing.T) { checkGroups(t, w) })
	t.Run("clusters", func(t *testing.T) { checkClusterMessages(t, w) })
	t.Run("missed injection", func(t *testing.T) { checkMissedInjection(t, w) })
	t.Run("the README's commands", func(t *testing.T) { checkReadme(t, w) })
	t.Run("doctor", func(t *testing.T) { checkDoctor(t, w) }) // which needs the Services of both
	t.Run("both ways", func(t *testing.T) { checkBothWays(t, w) })
	t.Run("env", func(t *testing.T) { checkEnv(t, w) })
	t.Run("audit", func(t *testing.T) { checkAudit(t, w) })
}

// TestOnGoogleEmulator: the functions publish to Google's own emulator, and are pushed to from
// there, with the same end. Skips where it is not installed.
func TestOnGoogleEmulator(t *testing.T) {
	o := options(t)
	address, stop, err := pubsub.StartGoogle(t.Context(), t.TempDir())
	if errors.Is(err, pubsub.ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	o.Clusters, o.Nodes, o.PubSub = 2, 3, address
	w := start(t, o)
	checkGroups(t, w)
	checkBothWays(t, w)
}

// checkGroups: the same Service in both clusters gets its own groups in each. The first
// cluster's events come by its audit webhook, the second's as entries of a log sink.
func checkGroups(t *testing.T, w *sandbox.World) {
	for _, c := range w.Clusters {
		config, err := c.Config()
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		svc := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}},
		}
		if _, err := client.CoreV1().Services("default").Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{"app": "web"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1", Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}},
		}
		if _, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{}
	for _, c := range w.Clusters {
		want[neg.GroupName(c.UID, neg.Key{Cluster: c.Name, Namespace: "default", Service: "web"}, 80)] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var since uint64
	for attached := map[string]bool{}; len(attached) < len(want); {
		list, err := w.GCE.Timeline(ctx, since, 5*time.Second)
		if err != nil {
			t.Fatalf("attached in %v of %v: %v", attached, want, err)
		}
		for _, tr := range list {
			since = tr.Seq
			if tr.Event == "attached" && want[tr.Group] {
				attached[tr.Group] = true
			}
		}
	}
	for _, function := range []string{"audit", "events"} {
		line, err := w.LogLine(function, "published keys")
		if err != nil || line == "" {
			t.Errorf("%s published nothing: %v", function, err)
		}
	}
}

// checkBothWays: the same writes in both clusters, one told of by its audit webhook and one by
// a log sink, end in the same groups, step by step to none.
func checkBothWays(t *testing.T, w *sandbox.World) {
	pod := func(name string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(int64), Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}}}
	}
	for _, step := range []struct {
		what              string
		do                func(kubernetes.Interface) error
		groups, endpoints int
	}{
		{"a second Pod", func(c kubernetes.Interface) error {
			_, err := c.CoreV1().Pods("default").Create(t.Context(), pod("more"), metav1.CreateOptions{})
			return err
		}, 3, 2},
		{"the first Pod deleted", func(c kubernetes.Interface) error {
			return c.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{GracePeriodSeconds: new(int64)})
		}, 3, 1},
		{"another port", func(c kubernetes.Interface) error {
			patch := []byte(`{"metadata":{"annotations":{"cloud.google.com/neg":"{\"exposed_ports\":{\"80\":{},\"81\":{}}}"}},"spec":{"ports":[{"name":"http","port":80,"targetPort":8080},{"name":"more","port":81,"targetPort":8081}]}}`)
			_, err := c.CoreV1().Services("default").Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{})
			return err
		}, 6, 2},
		{"the Service deleted", func(c kubernetes.Interface) error {
			return c.CoreV1().Services("default").Delete(t.Context(), "web", metav1.DeleteOptions{})
		}, 0, 0},
	} {
		for _, c := range w.Clusters {
			config, err := c.Config()
			if err != nil {
				t.Fatal(err)
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			if err := step.do(client); err != nil {
				t.Fatalf("%s: %s: %v", c.Name, step.what, err)
			}
		}
		for _, c := range w.Clusters {
			eventually(t, c.Name+": "+step.what, func() bool {
				groups, endpoints := groupsOf(t, w, c.UID)
				return groups == step.groups && endpoints == step.endpoints
			})
		}
	}
}

// groupsOf counts what the cloud has of default/web of one cluster.
func groupsOf(t *testing.T, w *sandbox.World, uid string) (groups, endpoints int) {
	t.Helper()
	state, err := w.GCE.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := neg.Token(uid, neg.Key{Namespace: "default", Service: "web"})
	for _, g := range state.Groups {
		if strings.HasPrefix(g.Name, token) {
			groups, endpoints = groups+1, endpoints+len(g.Endpoints)
		}
	}
	return groups, endpoints
}

// checkEnv sources the file as a person does and reaches the cluster by it.
func checkEnv(t *testing.T, w *sandbox.World) {
	out, err := exec.Command("bash", "-c", `. "$1" && printf '%s %s %s' "$KUBECONFIG" "$NEGFLEET_COMPUTE_ENDPOINT" "$NEGFLEET_FLEET"`, "-", w.Dir.Path("env")).Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(out))
	if len(f) != 3 || !filepath.IsAbs(f[0]) || !strings.HasSuffix(f[1], "/compute/v1/") || !filepath.IsAbs(f[2]) {
		t.Fatalf("env: %s", out)
	}
	config, err := w.Clusters[0].Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil || string(ns.UID) != w.Clusters[0].UID {
		t.Errorf("kube-system: %v, %v", ns.UID, err)
	}
}

// checkAudit: the public function answers nothing to those without a cluster's MAC.
func checkAudit(t *testing.T, w *sandbox.World) {
	for _, path := range []string{"/", "/v1/cluster-1/", "/v1/cluster-1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		resp, err := http.Post(w.Env()["NEGFLEET_AUDIT_URL"]+path, "application/json", strings.NewReader(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s: %s, want 404", path, resp.Status)
		}
	}
}

// TestKilled: a sandbox that was killed leaves nothing that stops the next on its folder.
func TestKilled(t *testing.T) {
	o := options(t)
	argv := []string{"up", "--dir", o.Dir, "--bin", o.Bin, "--controlplane", o.ControlPlane, "--nodes", "3"}
	cmd := exec.Command(filepath.Join(o.Bin, "sandbox"), argv...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ready := func() bool { _, err := os.Stat(filepath.Join(o.Dir, "env")); return err == nil }
	for giveUp := time.After(4 * time.Minute); !ready(); {
		select {
		case err := <-ended:
			t.Fatalf("the sandbox ended: %v\n%s", err, said.String())
		case <-giveUp:
			_ = cmd.Process.Kill()
			<-ended
			t.Fatalf("no env file within four minutes\n%s", said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended // killed, so it has an error
	o.Nodes = 3
	start(t, o)
}
