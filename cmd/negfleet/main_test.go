package main

import (
	"bytes"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

var update = flag.Bool("update", false, "write the goldens anew")

const uid = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

// A world is a cluster with a Service of four Pods, an emulated cloud, and the files that
// lead the command to them.
type world struct {
	t    testing.TB
	env  map[string]string
	kube *fakekube.Server
	gce  *fakegce.Server

	cluster *fakekube.Cluster
}

// newWorld has the Service ask for groups of port 80 and of a port that it does not have;
// more are further lines of the cluster's entry.
func newWorld(t testing.TB, more string) *world {
	t.Helper()
	w := &world{t: t, kube: fakekube.New(), gce: fakegce.New(fakegce.Options{})}
	w.cluster = w.kube.AddCluster("c1", fakekube.WithUID(uid))
	pods, err := w.cluster.NewWorld(fakekube.Layout{Project: "p1", Nodes: 2, Zones: []string{"us-central1-a", "us-central1-b"}})
	w.check(err)
	w.check(pods.Deploy(fakekube.Deployment{Namespace: "shop", Name: "web", Replicas: 4}))
	w.check(pods.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{"cloud.google.com/neg": `{"exposed_ports":{"80":{},"9":{}}}`}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}))
	api := httptest.NewServer(w.kube)
	t.Cleanup(api.Close)
	dir := t.TempDir()
	w.write(filepath.Join(dir, "c1.kubeconfig"), w.cluster.Kubeconfig(api.URL, "operator"))
	w.write(filepath.Join(dir, "fleet.yaml"), fmt.Appendf(nil, `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: %s
  zones: [us-central1-a, us-central1-b]
  connect: {kubeconfig: c1.kubeconfig}
%s`, uid, more))
	w.env = map[string]string{
		"NEGFLEET_FLEET":            filepath.Join(dir, "fleet.yaml"),
		"NEGFLEET_COMPUTE_ENDPOINT": fakegce.ComputeEndpoint(fakegce.Start(t, w.gce)),
	}
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(path string, data []byte) {
	w.t.Helper()
	w.check(os.WriteFile(path, data, 0o600))
}

// group makes a group as reconcile does.
func (w *world) group(zone, name string, owner neg.Owner) {
	w.t.Helper()
	c, err := gce.New(w.t.Context(), gce.Options{Project: "p1", Network: "default", Subnetwork: "default", Endpoint: w.env["NEGFLEET_COMPUTE_ENDPOINT"]})
	w.check(err)
	w.check(c.CreateGroup(w.t.Context(), neg.GroupID{Zone: neg.Zone(zone), Name: name}, owner))
}

// run runs the command and returns its exit code and what it wrote.
func (w *world) run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(w.t.Context(), args, func(name string) string { return w.env[name] }, &o, &e)
	return code, o.String(), e.String()
}

// TestPlan holds the output against testdata/*.txt and *.json, and that a plan writes
// nothing.
func TestPlan(t *testing.T) {
	for golden, c := range map[string]struct {
		more string
		args []string
	}{
		"plan.txt":           {"", []string{"plan", "c1/shop/web"}},
		"plan.json":          {"", []string{"plan", "--json", "c1/shop/web"}},
		"observe.txt":        {"  policy: observe\n", []string{"plan", "c1/shop/web"}},
		"observe.json":       {"  policy: observe\n", []string{"plan", "--json", "c1/shop/web"}},
		"draining.txt":       {"  state: draining\n", []string{"plan", "c1/shop/web"}},
		"decommissioned.txt": {"  state: decommissioned\n", []string{"plan", "c1/shop/web"}},
		"nothing.txt":        {"", []string{"plan", "c1/shop/none"}},
		"nothing.json":       {"", []string{"plan", "--json", "c1/shop/none"}},
	} {
		t.Run(golden, func(t *testing.T) {
			w := newWorld(t, c.more)
			code, out, errs := w.run(c.args...)
			if code != 0 || errs != "" {
				t.Fatalf("exit %d: %s", code, errs)
			}
			path := filepath.Join("testdata", golden)
			if *update {
				w.check(os.MkdirAll("testdata", 0o755))
				w.check(os.WriteFile(path, []byte(out), 0o644))
			}
			want, err := os.ReadFile(path)
			w.check(err)
			if d := cmp.Diff(string(want), out); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if writes := w.kube.Writes(); len(writes) != 0 || len(w.gce.Groups()) != 0 {
				t.Errorf("a plan wrote: %v, %v", writes, w.gce.Groups())
			}
		})
	}
}

// TestPlanNamesTargets: programs are told what each step is about, a backend service too.
func TestPlanNamesTargets(t *testing.T) {
	var out bytes.Buffer
	forecast := reconcile.Forecast{Steps: []plan.Step{
		{Op: plan.CreateHealthCheck, Check: neg.HealthCheckID{Region: "us-central1", Name: "shop"}},
		{Op: plan.AddBackend, Service: neg.BackendServiceID{Name: "shop"}},
	}}
	if err := printJSON(&out, neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}, forecast, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"target": "us-central1/shop"`, `"target": "global/shop"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
}

// TestUsage: whoever calls it wrongly is told what is wrong, and how it is called.
func TestUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":                           "negfleet keeps container-native load balancing",
		"plam":                       `negfleet: unknown command "plam"`,
		"plan":                       "negfleet: plan: want one CLUSTER/NAMESPACE/SERVICE",
		"plan c1/shop/web c1/shop/x": "negfleet: plan: want one CLUSTER/NAMESPACE/SERVICE",
		"plan shop/web":              `negfleet: plan: key "shop/web": want CLUSTER/NAMESPACE/SERVICE`,
		"plan c1/shop/":              `negfleet: plan: key "c1/shop/" names no Service`,
		"plan C1/shop/web":           `negfleet: plan: cluster "C1": want an RFC 1035 label`,
		"plan --yaml c1/shop/web":    "negfleet: plan: flag provided but not defined: -yaml",
		"resync c1 c2":               "negfleet: resync: want one CLUSTER, or none for all",
		"resync --all":               "negfleet: resync: flag provided but not defined: -all",
		"drain":                      "negfleet: drain: want one CLUSTER",
		"drain c1 c2":                "negfleet: drain: want one CLUSTER",
		"drain c1 --timeout 0s":      "negfleet: drain: --timeout must be more than nothing",
		"drain c1 --wait --dry-run":  "negfleet: drain: a dry run has nothing to wait for",
		"replay a b":                 "negfleet: replay: want one SUBSCRIPTION, or none for negfleet-dead",
		"replay --limit -1":          "negfleet: replay: --limit must not be negative",
		"version 2":                  "negfleet: version: takes no arguments",
		"version --short":            "negfleet: version: flag provided but not defined: -short",
	} {
		w := &world{t: t}
		code, out, errs := w.run(strings.Fields(args)...)
		if code != 2 || out != "" || !strings.HasPrefix(errs, want) || !strings.Contains(errs, "usage: negfleet COMMAND") {
			t.Errorf("negfleet %s: exit %d, stdout %q, stderr:\n%s", args, code, out, errs)
		}
	}
}

// TestFailure: what keeps a plan from being made is said in one line, with exit code 1.
func TestFailure(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*world)
		key     string
		want    string
	}{
		"no fleet file named": {func(w *world) { delete(w.env, "NEGFLEET_FLEET") }, "c1/shop/web", "negfleet: NEGFLEET_FLEET: missing"},
		"no fleet file there": {func(w *world) { w.env["NEGFLEET_FLEET"] += "x" }, "c1/shop/web", "negfleet: fleet file: "},
		"unknown cluster":     {func(*world) {}, "c2/shop/web", `negfleet: cluster "c2" is not in the fleet file`},
		"forbidden in the cluster": {
			func(w *world) { w.kube.Inject(fakekube.Fault{Resource: "endpointslices", Status: 403}) }, "c1/shop/web",
			"negfleet: cluster c1: list endpointslices of service shop/web: ",
		},
		"forbidden in the cloud": {
			func(w *world) { w.check(w.gce.AddFaults(fakegce.Fault{Status: 403, Message: "Required permission"})) }, "c1/shop/web",
			"Required permission (HTTP 403)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			c.prepare(w)
			code, out, errs := w.run("plan", c.key)
			if code != 1 || out != "" || !strings.HasPrefix(errs, "negfleet: ") || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, stdout %q, stderr %q; want %q", code, out, errs, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"help", "-h", "--help", "plan -h", "version --help"} {
		w := &world{t: t}
		if code, out, errs := w.run(strings.Fields(args)...); code != 0 || out != usage || errs != "" {
			t.Errorf("%s: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	for args, want := range map[string]string{
		"version":        `^negfleet dev \(commit [0-9a-z]+, go1\.\S+\)\n$`,
		"version --json": `^\{"commit":"[0-9a-z]+","go":"go1\.[^"]+","version":"dev"\}\n$`,
	} {
		w := &world{t: t}
		if code, out, errs := w.run(strings.Fields(args)...); code != 0 || errs != "" || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: exit %d, %q, %q", args, code, out, errs)
		}
	}
}
