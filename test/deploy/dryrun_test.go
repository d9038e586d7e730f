package deploy

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

var update = flag.Bool("update", false, "rewrite the golden files")

// Without an account, a configuration or a cluster, so that nobody could be called.
var bare = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "CLOUDSDK_CONFIG=/nonexistent", "KUBECONFIG=/nonexistent"}

// TestDryRun: the whole of what would be run. It calls nobody, so it needs no gcloud.
func TestDryRun(t *testing.T) {
	const list = "NEGFLEET_FUNCTIONS=test/deploy/testdata/functions.list"
	for name, c := range map[string]struct {
		script string
		args   []string
	}{
		"deploy":           {script: "deploy", args: settings("one")},
		"deploy-several":   {script: "deploy", args: settings("several")},
		"deploy-from-logs": {script: "deploy", args: append(settings("one"), "--from", "logs")},
		"undeploy":         {script: "undeploy", args: settings("one")},
		"undeploy-several": {script: "undeploy", args: settings("several")},
		"smoke":            {script: "smoke", args: append(settings("several"), "prod-us")},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := script(t, c.script, append([]string{"--dry-run"}, c.args...), append(bare, list))
			if status != 0 {
				t.Fatalf("exit status %d: %s", status, errs)
			}
			golden(t, name, out)
		})
	}
}

// TestSettings: all that is wrong is said at once, and nothing is done.
func TestSettings(t *testing.T) {
	for name, args := range map[string][]string{
		"settings-wrong":   settings("wrong"),
		"settings-unknown": settings("unknown"),
		"settings-missing": settings("missing"),
		"settings-from":    append(settings("one"), "--from", "lunch"),
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := script(t, "deploy", append([]string{"--dry-run"}, args...), bare)
			if status != 2 || out != "" {
				t.Errorf("exit status %d, output %q; want 2 and none", status, out)
			}
			golden(t, name, errs)
		})
	}
}

// TestExample: the example is complete and right, but for the fleet file, which is everyone's
// own.
func TestExample(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "deploy.env.example"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "deploy.env")
	text := strings.Replace(string(data), "FLEET_FILE=fleet.yaml", "FLEET_FILE=test/deploy/testdata/fleet.yaml", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := script(t, "deploy", []string{"--dry-run", "--settings", file}, bare); status != 0 {
		t.Errorf("exit status %d: %s", status, errs)
	}
}

// TestFleetFileTooLarge: Secret Manager would refuse it in the middle of a deployment.
func TestFleetFileTooLarge(t *testing.T) {
	dir := t.TempDir()
	fleet, file := filepath.Join(dir, "fleet.yaml"), filepath.Join(dir, "deploy.env")
	if err := errors.Join(
		os.WriteFile(fleet, []byte(strings.Repeat("#", 65537)), 0o600),
		os.WriteFile(file, []byte("PROJECT=my-project\nREGION=europe-west1\nFLEET_FILE="+fleet+"\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := script(t, "deploy", []string{"--dry-run", "--settings", file}, bare); status != 2 || !strings.Contains(errs, "65536 bytes") {
		t.Errorf("exit status %d: %s", status, errs)
	}
}

func TestShellcheck(t *testing.T) {
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed")
	}
	c := exec.CommandContext(t.Context(), path, "--external-sources", "scripts/deploy", "scripts/undeploy", "scripts/smoke", "scripts/stage", "scripts/open-gates", "scripts/deployment.bash")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func settings(name string) []string {
	return []string{"--settings", "test/deploy/testdata/" + name + ".env"}
}

// script runs one of scripts.
func script(t *testing.T, name string, args, env []string) (out, errs string, status int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), filepath.Join("scripts", name), args...)
	c.Dir, c.Env = root, env
	var o, e strings.Builder
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), status
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; rewrite it with -update and read the diff):\n%s", file, diff)
	}
}
