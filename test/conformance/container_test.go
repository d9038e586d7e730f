package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/test/fakecontainer"
)

// containerDiscovery reads the GKE API's document: its methods lie some resources deep and
// are known by their flat paths.
func containerDiscovery(t *testing.T) (schemas *discovery, methods map[string]fakecontainer.Method, answers map[string]string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("finding the client's module: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "container/v1/container-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	type resource struct {
		Methods map[string]struct {
			ID, HTTPMethod, FlatPath string
			Response                 struct {
				Ref string `json:"$ref"`
			}
		}
		Resources map[string]json.RawMessage
	}
	methods, answers = map[string]fakecontainer.Method{}, map[string]string{}
	var walk func([]byte)
	walk = func(text []byte) {
		var r resource
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		for _, m := range r.Methods {
			methods[m.ID] = fakecontainer.Method{ID: m.ID, HTTP: m.HTTPMethod, Path: m.FlatPath}
			answers[m.ID] = m.Response.Ref
		}
		for _, inner := range r.Resources {
			walk(inner)
		}
	}
	walk(raw)
	schemas = &discovery{}
	var doc struct{ Schemas map[string]schema }
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	schemas.Schemas = doc.Schemas
	return schemas, methods, answers
}

func TestContainerMethodsExist(t *testing.T) {
	_, want, _ := containerDiscovery(t)
	for _, m := range fakecontainer.Methods() {
		if w := want[m.ID]; m.HTTP != w.HTTP || m.Path != w.Path {
			t.Errorf("%s is %s %s, want %s %s", m.ID, m.HTTP, m.Path, w.HTTP, w.Path)
		}
	}
}

// prodSeed is one cluster with all that negfleet reads.
func prodSeed() fakecontainer.Seed {
	return fakecontainer.Seed{
		Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "europe-west1", Name: "prod", Cluster: map[string]any{
			"endpoint": "203.0.113.7", "masterAuth": map[string]any{"clusterCaCertificate": "Y2E="},
			"controlPlaneEndpointsConfig": map[string]any{
				"dnsEndpointConfig": map[string]any{"endpoint": "gke-1.europe-west1.gke.goog", "allowExternalTraffic": true},
				"ipEndpointsConfig": map[string]any{"enabled": true, "enablePublicEndpoint": true, "publicEndpoint": "203.0.113.7"},
			},
			"nodePools": []any{map[string]any{"name": "pool-1", "initialNodeCount": 3, "locations": []any{"europe-west1-b"}}},
		}}},
		MissingZones: map[string][]string{"p1": {"us-east1-b"}},
	}
}

// TestContainerAnswersConform holds every field of every answer against its schema.
func TestContainerAnswersConform(t *testing.T) {
	d, _, answers := containerDiscovery(t)
	server := fakecontainer.New(fakecontainer.Options{})
	if err := server.Seed(prodSeed()); err != nil {
		t.Fatal(err)
	}
	base := fakecontainer.Start(t, server) + "/v1/projects/p1/locations/"
	operation := ""
	for _, c := range []struct{ verb, path, body string }{
		{"GET", "-/clusters", ""},
		{"GET", "europe-west1/clusters/prod", ""},
		{"POST", "europe-west1/clusters/prod:setAddons", `{"addonsConfig":{"httpLoadBalancing":{"disabled":true}}}`},
		{"PUT", "europe-west1/clusters/prod", `{"update":{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"enabled":false}}}}`},
		{"GET", "europe-west1/clusters/prod", ""},
		{"DELETE", "europe-west1/clusters/prod", ""},
		{"GET", "europe-west1/operations/OP", ""},
		{"GET", "-/operations", ""},
		{"GET", "-/clusters", ""},
	} {
		answer := ask(t, c.verb, base+strings.Replace(c.path, "OP", operation, 1), c.body)
		calls := server.Calls()
		id := calls[len(calls)-1]
		if name, ok := answer["name"].(string); ok && answers[id] == "Operation" {
			operation = name
		}
		for _, bad := range d.conforms(id, answer, schema{Ref: answers[id]}) {
			t.Error(bad)
		}
	}
	called := server.Calls()
	for _, m := range fakecontainer.Methods() {
		if !slices.Contains(called, m.ID) {
			t.Errorf("%s was not called", m.ID)
		}
	}
}

// gcloudContainer runs gcloud against an emulated GKE API; a kubeconfig it writes is at file.
func gcloudContainer(t *testing.T, base, file string) func(args string) (string, string, error) {
	t.Helper()
	g := newGcloud(t, base, "p1")
	env := append(g.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER="+base+"/", "KUBECONFIG="+file)
	return func(args string) (string, string, error) {
		var out, errs strings.Builder
		cmd := exec.Command("gcloud", append([]string{"container"}, strings.Fields(args)...)...)
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
		err := cmd.Run()
		return out.String(), errs.String(), err
	}
}

// TestGcloudContainer: gcloud lists, describes, connects to, changes and deletes clusters.
func TestGcloudContainer(t *testing.T) {
	server := fakecontainer.New(fakecontainer.Options{})
	if err := server.Seed(prodSeed()); err != nil {
		t.Fatal(err)
	}
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	run := gcloudContainer(t, fakecontainer.Start(t, server), kubeconfig)
	must := func(args string) string {
		t.Helper()
		out, errs, err := run(args)
		if err != nil {
			t.Fatalf("%s: %v\n%s", args, err, errs)
		}
		return out
	}
	out, errs, err := run("clusters list --format=value(name,location,status)")
	if err != nil || out != "prod\teurope-west1\tRUNNING\n" || !strings.Contains(errs, "zones did not respond: us-east1-b") {
		t.Errorf("list: %q, %v\n%s", out, err, errs)
	}
	var described struct {
		Endpoint  string
		NodePools []struct{ Name string }
	}
	decode(t, must("clusters describe prod --location=europe-west1 --format=json"), &described)
	if described.Endpoint != "203.0.113.7" || len(described.NodePools) != 1 {
		t.Errorf("described as %+v", described)
	}
	must("clusters get-credentials prod --location=europe-west1")
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil || config.Host != "https://203.0.113.7" || string(config.CAData) != "ca" {
		t.Errorf("credentials %+v, %v", config, err)
	}
	must("clusters get-credentials prod --location=europe-west1 --dns-endpoint")
	if config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil || config.Host != "https://gke-1.europe-west1.gke.goog" {
		t.Errorf("credentials by DNS %+v, %v", config, err)
	}
	must("clusters update prod --location=europe-west1 --update-addons=HttpLoadBalancing=DISABLED")
	addons := server.State().Clusters[0].Cluster["addonsConfig"]
	if d := cmp.Diff(map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}}, addons); d != "" {
		t.Errorf("add-ons (-want +got):\n%s", d)
	}
	_, errs, err = run("clusters describe none --location=europe-west1")
	if err == nil || !strings.Contains(errs, "Not found: projects/p1/locations/europe-west1/clusters/none.") {
		t.Errorf("describe none: %v\n%s", err, errs)
	}
	must("clusters delete prod --location=europe-west1 --quiet")
	if left := server.State().Clusters; len(left) > 0 {
		t.Errorf("left %v", left)
	}
}
