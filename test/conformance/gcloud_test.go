package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// gcloud runs the command line tool, private to the test, against an emulator.
type gcloud struct {
	t   *testing.T
	env []string
}

func newGcloud(t *testing.T, base, project string) gcloud {
	t.Helper()
	if testing.Short() {
		t.Skip("each gcloud command takes a second; skipped by -short")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	return gcloud{t, append(os.Environ(),
		"CLOUDSDK_CONFIG="+t.TempDir(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+fakegce.ComputeEndpoint(base),
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true",
		"CLOUDSDK_CORE_PROJECT="+project,
		"CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true",
		"CLOUDSDK_SURVEY_DISABLE_PROMPTS=true",
	)}
}

func (g gcloud) run(args string) (stdout, stderr string, err error) {
	var out, errs strings.Builder
	cmd := exec.Command("gcloud", append([]string{"compute"}, strings.Fields(args)...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = g.env, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (g gcloud) must(args string) string {
	g.t.Helper()
	stdout, stderr, err := g.run(args)
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", args, err, stderr)
	}
	return stdout
}

func TestGcloud(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	g := newGcloud(t, fakegce.Start(t, server), target.Project)
	zone := " --zone=" + target.Zone
	for _, name := range []string{"a", "b", "c"} {
		g.must("network-endpoint-groups create " + name + zone + " --network=default --subnet=default --default-port=80")
	}
	g.must("network-endpoint-groups update a" + zone + " --add-endpoint=instance=node-1,ip=10.8.0.1,port=8080 --add-endpoint=instance=node-1")

	var group struct {
		Name, Network, Subnetwork string
		Size                      int
	}
	decode(t, g.must("network-endpoint-groups describe a --format=json"+zone), &group)
	if group.Size != 2 || !strings.HasPrefix(group.Subnetwork, "https://www.googleapis.com/compute/v1/projects/p1/regions/europe-west1/") {
		t.Errorf("described as %+v", group)
	}
	for _, filter := range []string{"", " --filter=ip_address:10.8.0.1"} {
		var listed []struct{ NetworkEndpoint struct{ IPAddress string } }
		decode(t, g.must("network-endpoint-groups list-network-endpoints a --format=json"+filter+zone), &listed)
		if want := 2 - min(len(filter), 1); len(listed) != want {
			t.Errorf("filter %q lists %d endpoints, want %d", filter, len(listed), want)
		}
	}
	g.must("network-endpoint-groups update a" + zone + " --remove-endpoint=instance=node-1,ip=10.8.0.1,port=8080")
	g.listed([]string{"a", "b", "c"})
	g.must("network-endpoint-groups delete a" + zone)
	g.listed([]string{"b", "c"})
	want := []string{"POST /compute/v1/projects/p1/zones/europe-west1-b/networkEndpointGroups/a/attachNetworkEndpoints"}
	for _, call := range server.Calls(fakegce.CallFilter{Verb: "networkEndpointGroups.attachNetworkEndpoints"}) {
		if diff := cmp.Diff(want, []string{call.Method + " " + call.Path}); diff != "" || call.Endpoints != 2 {
			t.Errorf("%d endpoints, -want +got:\n%s", call.Endpoints, diff)
		}
	}
}

// TestGcloudErrors: people see the messages of refusals and of failed operations.
func TestGcloudErrors(t *testing.T) {
	server, target := emulator(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 1}})
	g := newGcloud(t, fakegce.Start(t, server), target.Project)
	zone := " --zone=" + target.Zone
	g.must("network-endpoint-groups create a" + zone)
	for args, want := range map[string]string{
		"network-endpoint-groups create a" + zone: "The resource 'projects/p1/zones/europe-west1-b/networkEndpointGroups/a' already exists",
		"network-endpoint-groups create b" + zone: "Quota 'NETWORK_ENDPOINT_GROUPS' exceeded.  Limit: 1.0 in region europe-west1.",
		"instances delete x y" + zone:             "The resource 'projects/p1/zones/europe-west1-b/instances/y' was not found",
	} {
		if _, stderr, err := g.run(args); err == nil || !strings.Contains(stderr, want) {
			t.Errorf("%s: %v\n%s\nwant %s", args, err, stderr, want)
		}
	}
}

// TestGcloudBatch: gcloud sends one batch to delete several of something.
func TestGcloudBatch(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	g := newGcloud(t, fakegce.Start(t, server), target.Project)
	if err := server.Seed(fakegce.Seed{Instances: []fakegce.Instance{
		{Project: target.Project, Zone: target.Zone, Name: "node-2", IP: "10.132.0.3"},
	}}); err != nil {
		t.Fatal(err)
	}
	g.must("instances delete node-1 node-2 --zone=" + target.Zone)
	deleted := server.Calls(fakegce.CallFilter{Verb: "instances.delete"})
	if left := server.State().Instances; len(left) > 0 || len(deleted) != 2 || !deleted[0].Batched {
		t.Errorf("calls %v, left %v", deleted, left)
	}
}

func (g gcloud) listed(want []string) {
	g.t.Helper()
	var list []struct{ Name string }
	decode(g.t, g.must("network-endpoint-groups list --format=json"), &list)
	var got []string
	for _, item := range list {
		got = append(got, item.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		g.t.Errorf("listed, -want +got:\n%s", diff)
	}
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
