package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

// gated is the world with three Pods more whose gates wait, two in namespace jobs.
func gated(t *testing.T) *world {
	w := newWorld(t, "")
	pods, err := w.kube.AddCluster("c2").NewWorld(fakekube.Layout{Project: "p1"})
	w.check(err)
	w.cluster = w.kube.Cluster("c2")
	w.check(pods.Deploy(fakekube.Deployment{Namespace: "jobs", Name: "job", Replicas: 2, Gates: []string{neg.GateNEG}}))
	w.check(pods.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 1, Gates: []string{"theirs.test/gate", neg.GateLoadBalancer}}))
	fleet, err := os.ReadFile(w.env["NEGFLEET_FLEET"])
	w.check(err)
	kubeconfig, err := os.ReadFile(filepath.Join(filepath.Dir(w.env["NEGFLEET_FLEET"]), "c1.kubeconfig"))
	w.check(err)
	url := strings.Fields(string(kubeconfig)[strings.Index(string(kubeconfig), "server:"):])[1]
	own := w.cluster.Kubeconfig(strings.TrimSuffix(strings.Trim(url, `"`), "/clusters/c1"), "operator")
	w.write(filepath.Join(filepath.Dir(w.env["NEGFLEET_FLEET"]), "c2.kubeconfig"), own)
	w.write(w.env["NEGFLEET_FLEET"], append(fleet, "- name: c2\n  uid: "+string(w.cluster.UID())+"\n  connect: {kubeconfig: c2.kubeconfig}\n"...))
	return w
}

// open counts the Pods of a namespace whose gates of ours are all open.
func (w *world) openGates(namespace string) (n int) {
	for _, p := range fakekube.List[*corev1.Pod](w.cluster, namespace, nil) {
		for _, c := range p.Status.Conditions {
			if (c.Type == neg.GateNEG || c.Type == neg.GateLoadBalancer) && c.Status == corev1.ConditionTrue {
				n++
			}
		}
	}
	return n
}

func TestGates(t *testing.T) {
	w := gated(t)
	code, out, errs := w.run("gates", "list", "c2")
	if code != 0 || strings.Count(out, "nobody has written the condition yet") != 3 || strings.Contains(out, "theirs.test") {
		t.Errorf("list: exit %d\n%s%s", code, out, errs)
	}
	nobody, _, err := os.Pipe()
	w.check(err)
	defer nobody.Close()
	err = gatesCommand(t.Context(), []string{"open", "c2"}, func(name string) string { return w.env[name] }, nobody, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "say --yes") || w.openGates("") != 0 {
		t.Errorf("nobody to ask: %v, %d open", err, w.openGates(""))
	}
	code, out, errs = w.run("gates", "open", "c2", "--namespace", "jobs", "--yes")
	if code != 0 || strings.Count(out, "opened") != 2 || w.openGates("jobs") != 2 || w.openGates("shop") != 0 {
		t.Errorf("open: exit %d, %d and %d open\n%s%s", code, w.openGates("jobs"), w.openGates("shop"), out, errs)
	}
	code, out, _ = w.run("gates", "open", "--yes", "--json", "c2")
	var opened []jsonGate
	if err := json.Unmarshal([]byte(out), &opened); err != nil || code != 0 || len(opened) != 1 || !opened[0].Opened || opened[0].Gate != neg.GateLoadBalancer {
		t.Errorf("open --json: exit %d, %v\n%s", code, err, out)
	}
	if code, out, _ := w.run("gates", "list", "c2"); code != 0 || out != "no gate waits\n" {
		t.Errorf("list after it: exit %d\n%s", code, out)
	}
}

// TestGatesFail: one that cannot be opened is told, and the others are.
func TestGatesFail(t *testing.T) {
	w := gated(t)
	w.kube.Inject(fakekube.Fault{Resource: "pods/status", Status: 403, Times: 1})
	code, out, errs := w.run("gates", "open", "--yes", "c2")
	if code != 1 || strings.Count(out, "failed") != 1 || w.openGates("") != 2 || !strings.Contains(errs, "forbidden") {
		t.Errorf("exit %d, %d open\n%s%s", code, w.openGates(""), out, errs)
	}
}

// TestGatesByKubeconfig: without a fleet file CLUSTER is a context.
func TestGatesByKubeconfig(t *testing.T) {
	w := gated(t)
	t.Setenv("KUBECONFIG", filepath.Join(filepath.Dir(w.env["NEGFLEET_FLEET"]), "c2.kubeconfig"))
	w.env = nil
	if code, out, errs := w.run("gates", "list", "c2"); code != 0 || !strings.Contains(out, "jobs/job-") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := w.run("gates", "list", "nowhere"); code != 1 || !strings.Contains(errs, `context "nowhere"`) {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestAgreed(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, " YES \n": true, "yes": true, "\n": false, "": false, "no\n": false, "yo\n": false} {
		if agreed(strings.NewReader(answer)) != want {
			t.Errorf("%q is taken for %v", answer, !want)
		}
	}
}
