package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

const (
	uid      = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	otherUID = "00000000-4b9b-4c1e-8a53-0d6a2f1f8a11"
)

// A world is a fleet file and kubeconfigs in a folder, and a clock.
type world struct {
	*fleet.Fleet
	t      testing.TB
	dir    string
	url    string
	server *fakekube.Server
	logs   bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), server: fakekube.New(), now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	w.server.AddCluster("c1", fakekube.WithUID(uid))
	server := httptest.NewServer(w.server)
	t.Cleanup(server.Close)
	w.url = server.URL
	w.write("fleet.yaml", file(uid, ""))
	w.write("c1.kubeconfig", string(w.server.Cluster("c1").Kubeconfig(w.url, "first")))
	var err error
	w.Fleet, err = fleet.New(filepath.Join(w.dir, "fleet.yaml"), slog.New(slog.NewTextHandler(&w.logs, nil)), w.clock)
	w.check(err)
	return w
}

// file is a fleet file of the cluster c1; its uid is on line 7.
func file(uid, more string) string {
	return fmt.Sprintf(`version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: %s
  connect: {kubeconfig: c1.kubeconfig}
%s`, uid, more)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// write replaces a file; each one is a second newer than the last, as rotations are.
func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	w.check(os.WriteFile(path, []byte(text), 0o600))
	w.advance(time.Second)
	w.check(os.Chtimes(path, w.now, w.now))
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() error {
	_, _, err := w.Cluster(w.t.Context(), "c1")
	return err
}

func (w *world) wantBlocked(err error, reason, text string) {
	w.t.Helper()
	blocked := neg.BlockedReasons(err)
	if len(blocked) != 1 || blocked[0].Reason != reason || !strings.Contains(err.Error(), text) {
		w.t.Errorf("got %v, want %s: %s", err, reason, text)
	}
}

// TestOpensOnce: a cluster is proved once and kept.
func TestOpensOnce(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		entry, client, err := w.Cluster(t.Context(), "c1")
		if err != nil || entry.Name != "c1" || client == nil {
			t.Fatalf("%+v, %v, %v", entry, client, err)
		}
	}
	if got := w.server.Calls().String(); got != "c1 get namespaces: 1" {
		t.Errorf("calls: %s", got)
	}
}

// TestRebuiltWhileOpen: a cluster that answers as another one stops all work within a minute,
// also for an instance that knows it already.
func TestRebuiltWhileOpen(t *testing.T) {
	w := newWorld(t)
	w.check(w.open())
	w.server.Cluster("c1").SetUID("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11")
	w.check(w.open())
	w.advance(time.Minute)
	w.wantBlocked(w.open(), "ClusterReplaced", "line 7 of the fleet file")
	w.server.Cluster("c1").SetUID(uid)
	w.check(w.open())
}

func TestUnknownCluster(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.Cluster(t.Context(), "c2")
	w.wantBlocked(err, "ClusterUnknown", `cluster "c2" is not in the fleet file`)
}

// TestAnotherCluster: one that answers with another UID is not opened, and the error says
// which line to change. The refusal is not kept.
func TestAnotherCluster(t *testing.T) {
	w := newWorld(t)
	w.server.Cluster("c1").SetUID(types.UID(otherUID))
	for range 2 {
		w.wantBlocked(w.open(), "ClusterReplaced", "cluster c1 answers with kube-system UID "+otherUID+", line 7 of the fleet file says "+uid)
	}
	w.write("fleet.yaml", file(otherUID, ""))
	w.advance(time.Minute)
	w.check(w.open())
}

// TestFailureIsNotKept: whatever kept a cluster from being opened, the next call tries
// again.
func TestFailureIsNotKept(t *testing.T) {
	w := newWorld(t)
	w.server.Inject(fakekube.Fault{Status: 403, Times: 1})
	w.wantBlocked(w.open(), "ClusterPermissionDenied", "get namespace kube-system")
	w.server.Inject(fakekube.Fault{Status: 503, Times: 1})
	if err := w.open(); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("unavailable: %v", err)
	}
	good := string(w.server.Cluster("c1").Kubeconfig(w.url, "first"))
	w.write("c1.kubeconfig", "not: [yaml")
	w.wantBlocked(w.open(), "KubeconfigInvalid", "cluster c1: kubeconfig "+filepath.Join(w.dir, "c1.kubeconfig"))
	w.check(os.Remove(filepath.Join(w.dir, "c1.kubeconfig")))
	w.wantBlocked(w.open(), "KubeconfigInvalid", "no such file")
	w.write("c1.kubeconfig", good)
	w.check(w.open())
}

// TestRotatedKubeconfig: a kubeconfig that changed is used from the next call on, and the
// identity proved again.
func TestRotatedKubeconfig(t *testing.T) {
	w := newWorld(t)
	w.check(w.open())
	moved := fakekube.New()
	moved.AddCluster("c1", fakekube.WithUID(uid))
	server := httptest.NewServer(moved)
	t.Cleanup(server.Close)
	w.write("c1.kubeconfig", string(moved.Cluster("c1").Kubeconfig(server.URL, "second")))
	_, client, err := w.Cluster(t.Context(), "c1")
	w.check(err)
	_, err = client.Service(t.Context(), neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"})
	w.check(err)
	if before, after := w.server.Calls().String(), moved.Calls().String(); before != "c1 get namespaces: 1" || after != "c1 get namespaces: 1\nc1 get services: 1" {
		t.Errorf("calls where it was: %s; where it is: %s", before, after)
	}
}

// TestFleetFileChanges: a change is in force within a minute; a wrong one leaves the last
// good file in force and is logged once.
func TestFleetFileChanges(t *testing.T) {
	w := newWorld(t)
	w.check(w.open())
	policy := func() string {
		t.Helper()
		entry, _, err := w.Cluster(t.Context(), "c1")
		w.check(err)
		return entry.Policy
	}
	w.write("fleet.yaml", file(uid, "  policy: observe\n"))
	w.advance(time.Minute)
	if got := policy(); got != "observe" {
		t.Errorf("a minute after the change the policy is %s", got)
	}
	w.write("fleet.yaml", file("none", ""))
	for range 3 {
		w.advance(time.Minute)
		if got := policy(); got != "observe" {
			t.Errorf("a wrong file changed the policy to %s", got)
		}
	}
	if got := w.logs.String(); strings.Count(got, "FleetFileInvalid") != 1 || !strings.Contains(got, "fleet.yaml:7") {
		t.Errorf("logged: %s", got)
	}
	w.write("fleet.yaml", strings.ReplaceAll(file(uid, ""), "name: c1", "name: c2"))
	w.advance(time.Minute)
	w.wantBlocked(w.open(), "ClusterUnknown", `cluster "c1" is not in the fleet file`)
}

// TestWrongFileTakenBack: when the last good file is back as it was, nothing is wrong.
func TestWrongFileTakenBack(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.dir, "fleet.yaml")
	info, err := os.Stat(path)
	w.check(err)
	w.write("fleet.yaml", file("none", ""))
	w.advance(time.Minute)
	w.check(w.open())
	w.check(os.WriteFile(path, []byte(file(uid, "")), 0o600))
	w.check(os.Chtimes(path, info.ModTime(), info.ModTime()))
	w.advance(time.Minute)
	w.check(w.open())
	w.write("fleet.yaml", file("none", ""))
	w.advance(time.Minute)
	w.check(w.open())
	if n := strings.Count(w.logs.String(), "FleetFileInvalid"); n != 2 {
		t.Errorf("two wrong files were logged %d times", n)
	}
}

// TestSingleFlight: many looks that need a cluster at once open it once; one that goes
// away does not take the others along.
func TestSingleFlight(t *testing.T) {
	w := newWorld(t)
	hold := w.server.Inject(fakekube.Fault{Delay: time.Hour}) // until it is lifted
	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error, 1)
	go func() {
		_, _, err := w.Cluster(ctx, "c1")
		impatient <- err
	}()
	var done, waiting sync.WaitGroup
	for range 50 {
		waiting.Add(1)
		done.Go(func() {
			waiting.Done()
			if err := w.open(); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	cancel()
	if err := <-impatient; neg.OutcomeOf(err) != neg.Again {
		t.Errorf("the one that went: %v", err)
	}
	hold.Lift()
	done.Wait()
	if n := w.server.Calls().Count("get", "namespaces"); n != 1 {
		t.Errorf("opened %d times", n)
	}
}
