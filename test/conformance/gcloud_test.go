package conformance

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestGcloud plays each transcript of testdata/gcloud against an emulator of its own.
func TestGcloud(t *testing.T) {
	for _, c := range []struct{ file, version string }{
		{"loadbalancer", "v1"}, {"regional", "v1"}, {"beside", "v1"}, {"groups", "v1"}, {"errors", "v1"},
		{"versions", "beta"}, {"versions", "alpha"},
	} {
		t.Run(c.file+" "+c.version, func(t *testing.T) {
			t.Parallel()
			server, g := gcloudCompute(t)
			if c.version != "v1" {
				g.use(c.version)
			}
			g.play(filepath.Join("testdata", "gcloud", c.file+".txt"))
			for _, call := range server.Calls(fakegce.CallFilter{}) {
				if !strings.HasPrefix(call.Path, "/compute/"+c.version+"/") {
					t.Errorf("%s %s", call.Method, call.Path)
				}
			}
		})
	}
}

// TestGcloudBatch: gcloud sends one batch to delete several of something.
func TestGcloudBatch(t *testing.T) {
	server, g := gcloudCompute(t)
	if err := server.Seed(fakegce.Seed{Instances: []fakegce.Instance{
		{Project: "p1", Zone: "europe-west1-b", Name: "node-2", IP: "10.132.0.3"},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := g.run("instances delete node-1 node-2 --zone=europe-west1-b"); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	deleted := server.Calls(fakegce.CallFilter{Verb: "instances.delete"})
	if left := server.State().Instances; len(left) > 0 || len(deleted) != 2 || !deleted[0].Batched {
		t.Errorf("calls %v, left %v", deleted, left)
	}
}

// gcloud runs the command line tool, private to the test.
type gcloud struct {
	*testing.T
	group []string // of commands: compute, beta compute, alpha compute
	env   []string
}

// newGcloud makes gcloud call an emulator, or skips the test.
func newGcloud(t *testing.T, base, project string) gcloud {
	t.Helper()
	if testing.Short() {
		t.Skip("each gcloud command takes a second; skipped by -short")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	return gcloud{t, []string{"compute"}, append(os.Environ(),
		"CLOUDSDK_CONFIG="+t.TempDir(),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+base+"/", // gcloud puts a version's path behind it
		"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true",
		"CLOUDSDK_CORE_PROJECT="+project,
		"CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true",
		"CLOUDSDK_SURVEY_DISABLE_PROMPTS=true",
	)}
}

// gcloudCompute is gcloud in front of an emulator whose endpoints all serve.
func gcloudCompute(t *testing.T) (*fakegce.Server, gcloud) {
	t.Helper()
	pod := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(pod.Close)
	server, target := emulator(t, fakegce.Options{
		Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 2},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, pod.Listener.Addr().String())
		},
	})
	return server, newGcloud(t, fakegce.Start(t, server), target.Project)
}

// use takes the commands of beta or alpha, or skips the test where they are not installed.
func (g *gcloud) use(version string) {
	g.Helper()
	out, err := exec.Command("gcloud", "version", "--format=json").Output()
	parts := map[string]any{}
	if err != nil || json.Unmarshal(out, &parts) != nil {
		g.Fatalf("gcloud version: %v\n%s", err, out)
	}
	if parts[version] == nil {
		g.Skipf("gcloud %s is not installed", version)
	}
	g.group = []string{version, "compute"}
}

func (g gcloud) run(args string) (stdout, stderr string, err error) {
	var out, errs strings.Builder
	cmd := exec.Command("gcloud", append(g.group, strings.Fields(args)...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = g.env, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func (g gcloud) must(args string) string {
	g.Helper()
	stdout, stderr, err := g.run(args)
	if err != nil {
		g.Fatalf("%s: %v\n%s", args, err, stderr)
	}
	return stdout
}
