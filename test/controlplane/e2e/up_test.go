package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

const prefix = "sandbox.negfleet.dev/"

func TestUp(t *testing.T) {
	c := up(t, filepath.Join(t.TempDir(), "c"), "--user", "reconcile")
	t.Run("nodes", func(t *testing.T) { testNodes(t, c) })
	t.Run("user", func(t *testing.T) { testUser(t, c) })
	t.Run("deployment", func(t *testing.T) { testDeployment(t, c) })
	t.Run("readiness gate", func(t *testing.T) { testGate(t, c) })
	t.Run("behaviour", func(t *testing.T) { testBehaviour(t, c) })
	t.Run("drain", func(t *testing.T) { testDrain(t, c) })
	t.Run("node loss", func(t *testing.T) { testNodeLoss(t, c) })
	t.Run("directory in use", func(t *testing.T) { testInUse(t, c) })
	c.stop(t)
	if left := processes(c.dir); len(left) > 0 {
		t.Errorf("processes left after SIGTERM: %v", left)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "ready.json")); err == nil {
		t.Error("ready.json left after SIGTERM")
	}
}

func testNodes(t *testing.T, c *cluster) {
	if len(c.Nodes) != 6 || c.UID == "" {
		t.Fatalf("ready.json: got %+v", c.ready)
	}
	for _, want := range c.Nodes {
		n, err := c.client.CoreV1().Nodes().Get(ctx, want.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n.Spec.ProviderID != want.ProviderID || n.Labels[v1.LabelTopologyZone] != want.Zone {
			t.Errorf("node %s: got %s in %s", n.Name, n.Spec.ProviderID, n.Labels[v1.LabelTopologyZone])
		}
		if want.Instance == want.Name {
			t.Errorf("node %s: instance has the same name", n.Name)
		}
		if _, err := c.client.CoordinationV1().Leases("kube-node-lease").Get(ctx, n.Name, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func testUser(t *testing.T, c *cluster) {
	_, err := client(t, c.Users["reconcile"]).CoreV1().Services("default").List(ctx, metav1.ListOptions{})
	if !errors.IsForbidden(err) {
		t.Errorf("list by a user without roles: got %v, want forbidden", err)
	}
}

func testDeployment(t *testing.T, c *cluster) {
	c.namespace(t, "shop")
	c.deployment(t, "shop", "web", 3)
	eventually(t, 20*time.Second, "3 endpoints", func() bool { return len(c.endpoints(t, "shop", "web")) == 3 })
	zones := map[string]bool{}
	for _, e := range c.endpoints(t, "shop", "web") {
		if e.NodeName == nil || e.Zone == nil {
			t.Fatalf("endpoint without node or zone: %+v", e)
		}
		zones[*e.Zone] = true
		if code, body := get(t, e.Addresses[0], "/"); code != 200 || body != e.TargetRef.Name {
			t.Errorf("answer of %s: got %d %q", e.TargetRef.Name, code, body)
		}
	}
	if len(zones) != 3 {
		t.Errorf("3 pods are in the zones %v, want one in each", zones)
	}
	for _, n := range []int{50, 0} {
		c.scale(t, "shop", "web", n)
		eventually(t, 60*time.Second, "scaled", func() bool {
			pods, err := c.client.CoreV1().Pods("shop").List(ctx, metav1.ListOptions{})
			return err == nil && len(pods.Items) == n && len(c.endpoints(t, "shop", "web")) == n
		})
	}
	c.scale(t, "shop", "web", 5)
	if err := c.client.CoreV1().Namespaces().Delete(ctx, "shop", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 60*time.Second, "namespace gone", func() bool {
		_, err := c.client.CoreV1().Namespaces().Get(ctx, "shop", metav1.GetOptions{})
		return errors.IsNotFound(err)
	})
}

func testGate(t *testing.T, c *cluster) {
	c.pod(t, "default", "gated", nil, func(s *v1.PodSpec) {
		s.ReadinessGates = []v1.PodReadinessGate{{ConditionType: gate}}
	})
	pod := c.waitPod(t, "default", "gated", v1.ContainersReady, v1.ConditionTrue)
	if got := condition(pod, v1.PodReady); got != v1.ConditionFalse {
		t.Errorf("ready while the gate is unset: got %q", got)
	}
	for _, status := range []string{"True", "False"} {
		patch := []byte(`{"status":{"conditions":[{"type":"` + gate + `","status":"` + status + `"}]}}`)
		_, err := c.client.CoreV1().Pods("default").Patch(ctx, "gated", types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
		if err != nil {
			t.Fatal(err)
		}
		pod = c.waitPod(t, "default", "gated", v1.PodReady, v1.ConditionStatus(status))
		if got := condition(pod, gate); got != v1.ConditionStatus(status) {
			t.Errorf("gate: got %q, want %q as it was set", got, status)
		}
	}
}

func testBehaviour(t *testing.T, c *cluster) {
	c.pod(t, "default", "never", map[string]string{prefix + "never-ready": "true"}, nil)
	c.pod(t, "default", "sick", map[string]string{prefix + "unhealthy-path": "/healthz"}, nil)
	c.pod(t, "default", "slow", map[string]string{prefix + "start-delay": "2s"}, nil)
	c.pod(t, "default", "crashing", map[string]string{prefix + "crash-after": "1s"}, nil)
	slow := c.waitPod(t, "default", "slow", v1.ContainersReady, v1.ConditionFalse)
	if code, _ := get(t, slow.Status.PodIP, "/"); code != 0 {
		t.Errorf("slow pod answers %d before its delay", code)
	}
	sick := c.waitPod(t, "default", "sick", v1.PodReady, v1.ConditionTrue)
	if code, _ := get(t, sick.Status.PodIP, "/healthz"); code != 503 {
		t.Errorf("unhealthy path: got %d, want 503", code)
	}
	if code, _ := get(t, sick.Status.PodIP, "/"); code != 200 {
		t.Errorf("healthy path: got %d, want 200", code)
	}
	if code, _ := get(t, c.waitPod(t, "default", "slow", v1.PodReady, v1.ConditionTrue).Status.PodIP, "/"); code != 200 {
		t.Errorf("slow pod after its delay: got %d, want 200", code)
	}
	eventually(t, 20*time.Second, "restart", func() bool {
		s := c.getPod(t, "default", "crashing").Status.ContainerStatuses
		return len(s) == 1 && s[0].RestartCount > 0 && s[0].LastTerminationState.Terminated != nil
	})
	if pod := c.getPod(t, "default", "never"); condition(pod, v1.PodReady) != v1.ConditionFalse {
		t.Error("never-ready pod is ready")
	}
}

func testDrain(t *testing.T, c *cluster) {
	c.pod(t, "default", "draining", map[string]string{prefix + "drain-delay": "1s"}, func(s *v1.PodSpec) {
		s.Containers[0].Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 1}}}
	})
	c.pod(t, "default", "cut-off", map[string]string{prefix + "drain-delay": "1h"}, func(s *v1.PodSpec) {
		s.TerminationGracePeriodSeconds = ptr.To[int64](1)
	})
	c.waitPod(t, "default", "cut-off", v1.PodReady, v1.ConditionTrue)
	pod := c.waitPod(t, "default", "draining", v1.PodReady, v1.ConditionTrue)
	start := time.Now()
	for _, name := range []string{"draining", "cut-off"} {
		if err := c.client.CoreV1().Pods("default").Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "cut-off pod gone", func() bool { return c.getPod(t, "default", "cut-off") == nil })
	time.Sleep(time.Until(start.Add(1500 * time.Millisecond)))
	if code, _ := get(t, pod.Status.PodIP, "/"); code != 200 {
		t.Errorf("draining pod: got %d, want 200", code)
	}
	eventually(t, 20*time.Second, "draining pod gone", func() bool { return c.getPod(t, "default", "draining") == nil })
	if took := time.Since(start); took < 2*time.Second || took > 6*time.Second {
		t.Errorf("draining pod went after %v, want about 2s", took)
	}
	if code, _ := get(t, pod.Status.PodIP, "/"); code != 0 {
		t.Errorf("deleted pod answers %d", code)
	}
}

func testNodeLoss(t *testing.T, c *cluster) {
	c.pod(t, "default", "stranded", nil, func(s *v1.PodSpec) { s.NodeName = "node-b-1" })
	ip := c.waitPod(t, "default", "stranded", v1.PodReady, v1.ConditionTrue).Status.PodIP
	command := func(verb string) {
		t.Helper()
		if out, err := exec.Command(binary(t), verb, "--dir", c.dir, "node-b-1").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", verb, err, out)
		}
	}
	command("node-loss")
	if code, _ := get(t, ip, "/"); code != 0 {
		t.Errorf("pod on a lost node answers %d", code)
	}
	c.waitPod(t, "default", "stranded", v1.PodReady, v1.ConditionFalse)
	command("node-back")
	c.waitPod(t, "default", "stranded", v1.PodReady, v1.ConditionTrue)
	if code, _ := get(t, ip, "/"); code != 200 {
		t.Errorf("pod on a node that is back: got %d, want 200", code)
	}
}

func testInUse(t *testing.T, c *cluster) {
	out, err := exec.Command(binary(t), "up", "--dir", c.dir, "--name", "other").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by a running cluster") {
		t.Errorf("second cluster in the same directory: got %v, %s", err, out)
	}
}

func TestKilledClusterLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	c := up(t, dir)
	other := up(t, filepath.Join(t.TempDir(), "c"))
	if c.PodOctet == other.PodOctet {
		t.Errorf("two clusters share the pod octet %d", c.PodOctet)
	}
	if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
	eventually(t, 5*time.Second, "children gone", func() bool { return len(processes(dir)) == 0 })
	up(t, dir)
}

func TestInterruptedAtAnyMoment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "c")
	for _, after := range []time.Duration{5, 50, 300, 800, 1500, 2200} {
		cmd := exec.Command(binary(t), "up", "--dir", dir, "--name", "brief")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGINT)
		start := time.Now()
		// The first milliseconds belong to the Go runtime, which dies of the
		// signal; all that matters is that nothing stays.
		if err := cmd.Wait(); err != nil && after > 100 {
			t.Errorf("interrupted after %d ms: %v", after, err)
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("interrupted after %d ms: stopped only after %v", after, took)
		}
		if left := processes(dir); len(left) > 0 {
			t.Errorf("interrupted after %d ms: processes left: %v", after, left)
		}
	}
}
