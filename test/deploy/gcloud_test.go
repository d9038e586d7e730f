package deploy

import (
	"archive/zip"
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakeapis"
)

// TestGcloud takes a deployment through its life with the real gcloud: made, made again,
// removed, removed again, made anew. What the APIs hold then is compared with golden files.
func TestGcloud(t *testing.T) {
	apis, env := gcloud(t)
	env = append(env, "NEGFLEET_FUNCTIONS=test/deploy/testdata/kinds.list")
	must := func(name string, args ...string) {
		t.Helper()
		if out, errs, status := script(t, name, append(settings("gcloud"), args...), env); status != 0 {
			t.Fatalf("scripts/%s %v: exit status %d, calls not known: %q\n%s%s", name, args, status, apis.Unknown(), out, errs)
		}
	}

	must("deploy")
	golden(t, "gcloud-state", state(apis))
	golden(t, "gcloud-grants", strings.Join(apis.Grants(), "\n")+"\n")
	sourcesAreClean(t, apis)
	for _, permission := range role(t, "reconcile") {
		if !strings.Contains(apis.Resource("projects/my-project/roles/negfleet.reconcile"), `"`+permission+`"`) {
			t.Errorf("role negfleet.reconcile has no %s", permission)
		}
	}
	if !slices.Contains(apis.Enabled(), "secretmanager.googleapis.com") {
		t.Errorf("APIs that are on: %q", apis.Enabled())
	}
	keys := apis.Secret("negfleet-caller-keys")
	if len(keys) != 1 || len(strings.TrimSpace(keys[0])) != 64 {
		t.Errorf("%d versions of the caller keys, want one of 64 digits", len(keys))
	}

	before := state(apis)
	must("deploy")
	if diff := cmp.Diff(before, state(apis)); diff != "" {
		t.Errorf("a second deployment changed (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(keys, apis.Secret("negfleet-caller-keys")); diff != "" {
		t.Errorf("a second deployment changed the caller keys:\n%s", diff)
	}
	if n := len(apis.Secret("negfleet-fleet")); n != 1 {
		t.Errorf("%d versions of an unchanged fleet file, want 1", n)
	}

	lived(apis, time.Now().Add(-4*time.Minute-30*time.Second))
	program := command(t)
	golden(t, "doctor", examine(t, program, apis, env))
	if found := examine(t, program, apis, env, "--impersonate"); !strings.Contains(found, "ok | roles | negfleet-reconcile in my-project | N permissions, by testIamPermissions as the account") {
		t.Errorf("asked as the account:\n%s", found)
	}

	must("undeploy")
	golden(t, "doctor-undeployed", examine(t, program, apis, env))
	left := slices.DeleteFunc(apis.Resources(), func(path string) bool {
		return strings.Contains(path, "/roles/") && strings.Contains(apis.Resource(path), `"deleted": true`)
	})
	if diff := cmp.Diff([]string{"projects/my-project/sinks/_Default"}, left); diff != "" {
		t.Errorf("left after removal (-want +got):\n%s", diff)
	}
	if grants := apis.Grants(); len(grants) > 0 {
		t.Errorf("grants left after removal: %q", grants)
	}
	if strings.Contains(apis.Resource("projects/my-project/sinks/_Default"), "negfleet") {
		t.Error("the log exclusion is left after removal")
	}

	must("undeploy") // what is gone is passed over
	env = append(env, "NEGFLEET_FUNCTIONS=test/deploy/testdata/admission.list")
	connected := wanted(t, "VPC_CONNECTOR=projects/my-project/locations/europe-west1/connectors/negfleet")
	if _, errs, status := script(t, "deploy", append(connected, "--from", "accounts"), env); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	const admission = "projects/my-project/locations/europe-west1/functions/negfleet-admission"
	if function := apis.Resource(admission); !strings.Contains(function, "connectors/negfleet") {
		t.Errorf("deployed with a connector, it has none: %s", function)
	}
	must("deploy", "--from", "functions")
	if function := apis.Resource(admission); strings.Contains(function, "onnector") {
		t.Errorf("deployed without a connector, it has one: %s", function)
	}
	if role := apis.Resource("projects/my-project/roles/negfleet.clusters"); strings.Contains(role, "deleted") {
		t.Errorf("deployed anew, the role is still deleted: %s", role)
	}
	if unknown := apis.Unknown(); len(unknown) > 0 {
		t.Errorf("calls that the stand-in does not know: %q", unknown)
	}
}

// gcloud starts the APIs, and returns the environment in which gcloud calls nobody else, or
// skips the test.
func gcloud(t *testing.T) (*fakeapis.Server, []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("each gcloud command takes a second; skipped by -short")
	}
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Skip("gcloud is not installed")
	}
	apis := fakeapis.New("my-project", "123456789012")
	server := httptest.NewServer(apis)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("no-token-of-anybody"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(),
		"CLOUDSDK_CONFIG="+dir,
		"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="+token,
		"CLOUDSDK_CORE_DISABLE_PROMPTS=1",
		"CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true",
		"CLOUDSDK_SURVEY_DISABLE_PROMPTS=true",
	)
	for _, api := range []string{
		"ARTIFACTREGISTRY", "CLOUDBUILD", "CLOUDFUNCTIONS", "CLOUDRESOURCEMANAGER", "CLOUDSCHEDULER", "IAM", "LOGGING", "PUBSUB", "RUN",
		"SECRETMANAGER", "SERVICEUSAGE",
	} {
		env = append(env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_"+api+"="+server.URL+"/")
	}
	return apis, env
}

// state is what the APIs hold as text, but for Cloud Run's services, the number of an upload,
// and roles, which are as their files.
func state(apis *fakeapis.Server) string {
	var b strings.Builder
	for _, path := range apis.Resources() {
		if !strings.Contains(path, "/services/") && !strings.Contains(path, "/roles/") {
			b.WriteString(path + " " + objects.ReplaceAllString(apis.Resource(path), `"source.zip"`) + "\n")
		}
	}
	return b.String()
}

// sourcesAreClean: what was uploaded has the function and no tests, no secrets and nothing
// that git ignores.
func sourcesAreClean(t *testing.T, apis *fakeapis.Server) {
	t.Helper()
	for name, pkg := range map[string]string{"reconcile": "functions/reconcile", "admission": "admission"} {
		data := apis.Source("projects/my-project/locations/europe-west1/functions/negfleet-" + name)
		archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("source of %s, %d bytes: %v", name, len(data), err)
			continue
		}
		own := 0
		for _, file := range archive.File {
			if strings.HasPrefix(file.Name, pkg+"/") {
				own++
			}
			if unwanted.MatchString(file.Name) {
				t.Errorf("source of %s: %s", name, file.Name)
			}
		}
		if own == 0 {
			t.Errorf("source of %s has nothing of %s", name, pkg)
		}
		t.Logf("source of %s: %d files, %.1f MB", name, len(archive.File), float64(len(data))/1e6)
	}
}

var (
	// objects are the names of uploads, which count up.
	objects = regexp.MustCompile(`"source-\d+\.zip"`)
	// unwanted is what has no business in an upload.
	unwanted = regexp.MustCompile(`_test\.go$|testdata/|^test/|^scripts/|^infra/roles|^\.git/|\.env$|fleet\.yaml$|kubeconfig$|\.pem$|\.key$|^build/|^\.sandbox/`)
)
