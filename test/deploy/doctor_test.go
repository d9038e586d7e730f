package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/test/fakeapis"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakegce"
)

// ofClusters are the checks that say nothing of what scripts/deploy makes.
var ofClusters = []string{"reach", "add-on", "egress", "vpc-native", "webhook", "lease", "firewall", "quota"}

// command builds negfleet.
func command(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "negfleet")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/negfleet")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// examine has negfleet doctor examine what was deployed, and returns what it finds of the
// deployment, one a line.
func examine(t *testing.T, program string, apis *fakeapis.Server, env []string, args ...string) string {
	t.Helper()
	api := httptest.NewServer(apis)
	defer api.Close()
	c := exec.CommandContext(t.Context(), program, append([]string{"doctor", "--json"}, append(args, "prod-eu")...)...)
	c.Dir = root
	c.Env = append(slices.Clone(env), "NEGFLEET_FLEET=test/deploy/testdata/fleet.yaml", "PUBSUB_PROJECT_ID=my-project", "NEGFLEET_APIS_ENDPOINT="+api.URL,
		"NEGFLEET_COMPUTE_ENDPOINT="+fakegce.ComputeEndpoint(fakegce.Start(t, fakegce.New(fakegce.Options{}))),
		"NEGFLEET_CONTAINER_ENDPOINT="+fakecontainer.Start(t, fakecontainer.New(fakecontainer.Options{})))
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var all []doctor.Finding
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s%s", err, out, errs.String())
	}
	var lines strings.Builder
	for _, f := range all {
		if !slices.Contains(ofClusters, f.Check) && f.Subject != "prod-eu" {
			lines.WriteString(strings.Join([]string{string(f.Status), f.Check, f.Subject, f.Evidence}, " | ") + "\n")
		}
	}
	return counts.ReplaceAllString(ages.ReplaceAllString(lines.String(), "AGE ago"), "N $1")
}

var (
	// ages are of the test's own making, and grow while it runs.
	ages = regexp.MustCompile(`\d+ (s|min) ago`)
	// counts are of roles, which another test holds.
	counts = regexp.MustCompile(`\d+ (permissions|more)`)
)

// lived is what happens in a deployment that works: the Scheduler calls, GKE logs a write, and
// the events function takes its delivery.
func lived(apis *fakeapis.Server, at time.Time) {
	apis.SetStatus("projects/my-project/locations/europe-west1/jobs/negfleet-reconcile", at, 0)
	apis.Log(fakeapis.Entry{Project: "my-project", Words: []string{`protoPayload.serviceName="k8s.io"`}, At: at})
	apis.Log(fakeapis.Entry{Project: "my-project", Words: []string{"negfleet-events", "httpRequest.status<300"}, At: at.Add(time.Second)})
}
