package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pretend has programs that answer as told stand before the real ones. calls is what was
// called by now, one a line.
func pretend(t *testing.T, programs map[string]string) (env []string, calls func() string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls.log")
	for name, body := range programs {
		text := "#!/usr/bin/env bash\necho \"" + name + " $*\" >>" + log + "\n" + body + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH")), func() string {
		text, _ := os.ReadFile(log) // none before the first call
		return string(text)
	}
}

// wanted is a settings file of what is told.
func wanted(t *testing.T, lines ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deploy.env")
	text := strings.Join(append([]string{"PROJECT=my-project", "REGION=europe-west1"}, lines...), "\n") + "\n"
	if !strings.Contains(text, "FLEET_FILE=") {
		text += "FLEET_FILE=test/deploy/testdata/fleet.yaml\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--settings", file}
}

// TestDeployStops: what could not be read is not taken for nothing.
func TestDeployStops(t *testing.T) {
	const denied = `echo "ERROR: (gcloud) PERMISSION_DENIED: no" >&2; exit 1`
	for name, c := range map[string]struct {
		gcloud, from string
		never        string // is called
	}{
		"a cluster's UID": {gcloud: `exit 0`, from: "identities", never: "gcloud"},
		"a function's URL": {
			gcloud: `case "$*" in "functions describe"*) ` + denied + `;; *describe*) echo NOT_FOUND >&2; exit 1;; esac`,
			from:   "subscriptions", never: "pubsub subscriptions create",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, calls := pretend(t, map[string]string{"gcloud": c.gcloud, "kubectl": `echo "no route to host" >&2; exit 1`, "go": `exit 1`})
			_, errs, status := script(t, "deploy", append(wanted(t, "CLUSTERS=prod-eu=eu"), "--from", c.from), env)
			if status == 0 || !strings.Contains(errs, "stopped in step "+c.from) {
				t.Errorf("exit status %d: %s", status, errs)
			}
			if called := calls(); strings.Contains(called, c.never) || strings.Contains(called, "go build") {
				t.Errorf("went on to\n%s", called)
			}
		})
	}
}

// TestKeysAreKept: keys that could not be asked for get no new version, by which every path in
// use would be refused.
func TestKeysAreKept(t *testing.T) {
	env, calls := pretend(t, map[string]string{
		"gcloud": `case "$*" in "secrets versions describe"*) echo "HTTPError 503: try again" >&2; exit 1;; *versions\ access*) cat test/deploy/testdata/fleet.yaml;; esac`,
	})
	_, errs, status := script(t, "deploy", append(wanted(t), "--from", "secrets"), env)
	if called := calls(); status == 0 || strings.Contains(called, "secrets versions add negfleet-caller-keys") {
		t.Errorf("exit status %d: %s\n%s", status, errs, called)
	}
}

// TestUndeployStops: only what an API says is not there is passed over.
func TestUndeployStops(t *testing.T) {
	for _, denied := range []string{
		"logging sinks describe negfleet-audit", "logging sinks describe _Default", "scheduler jobs describe", "pubsub subscriptions describe",
		"functions describe", "pubsub topics describe", "secrets describe", "projects get-iam-policy", "iam roles describe", "",
	} {
		env, calls := pretend(t, map[string]string{"gcloud": `case "$*" in
			"` + denied + `"*) echo "ERROR: (gcloud) PERMISSION_DENIED: denied (or it may not exist)" >&2; exit 1;;
			"functions describe"*) echo "ERROR: (gcloud.functions.describe) ResponseError: status=[404], code=[Not Found], message=[gone]" >&2; exit 1;;
			"iam service-accounts describe"*) echo "ERROR: (gcloud) PERMISSION_DENIED: denied (or it may not exist)" >&2; exit 1;;
			*_Default*|*get-iam-policy*) ;;
			*describe*) echo "ERROR: (gcloud) NOT_FOUND: gone" >&2; exit 1;;
		esac`})
		if denied == "" {
			env, calls = pretend(t, map[string]string{"gcloud": `case "$*" in *_Default*|*get-iam-policy*) ;; *) echo NOT_FOUND >&2; exit 1;; esac`})
		}
		_, errs, status := script(t, "undeploy", wanted(t), env)
		if want := denied != ""; want != (status != 0) || want && !strings.Contains(errs, "PERMISSION_DENIED") {
			t.Errorf("denied %q: exit status %d: %s\n%s", denied, status, errs, calls())
		}
	}
}

// TestSmokeStops: a namespace that was made goes, whatever failed, and a question that fails is
// no word that the group is deleted.
func TestSmokeStops(t *testing.T) {
	const named = `case "$*" in *" apply "*) cat >/dev/null;; *neg-status*) echo '{"network_endpoint_groups":{"80":"g"}}';; esac`
	t.Run("what is applied is refused", func(t *testing.T) {
		env, calls := pretend(t, map[string]string{"kubectl": `case "$*" in *" apply "*) cat >/dev/null; exit 1;; esac`})
		_, _, status := script(t, "smoke", append(wanted(t, "CLUSTERS=prod-eu=eu"), "prod-eu"), env)
		if called := calls(); status == 0 || !strings.Contains(called, "delete namespace negfleet-smoke") {
			t.Errorf("exit status %d\n%s", status, called)
		}
	})
	t.Run("a list fails after the deletion", func(t *testing.T) {
		asked := filepath.Join(t.TempDir(), "asked")
		env, calls := pretend(t, map[string]string{
			"kubectl": named, "sleep": "",
			"gcloud": `echo x >>` + asked + `; case $(wc -l <` + asked + `) in 1) echo "g 1";; 2) ;; 3) exit 1;; 4) exit 0;; esac`,
		})
		_, errs, status := script(t, "smoke", append(wanted(t, "CLUSTERS=prod-eu=eu", "CLUSTER_PROJECTS=my-project my-other-project"), "prod-eu"), env)
		if lists := strings.Count(calls(), "network-endpoint-groups list"); status != 0 || lists < 5 || !strings.Contains(errs, "the group is deleted") {
			t.Errorf("exit status %d after %d lists: %s", status, lists, errs)
		}
	})
}

// TestOpenGatesStops: a gate that stays shut is told of, the others are opened all the same.
func TestOpenGatesStops(t *testing.T) {
	for name, c := range map[string]struct {
		pod    string // what is answered about the Pod whose gate stays shut
		status int
	}{
		"it is there":       {"echo pod/one", 1},
		"nobody knows":      {"exit 1", 1},
		"it is gone by now": {"", 0},
	} {
		env, calls := pretend(t, map[string]string{"kubectl": `case "$*" in
			*" get pods "*) echo "shop one gate"; echo "shop two gate";;
			*" patch pod one "*) exit 1;;
			*" get pod one "*) ` + c.pod + `;;
		esac`})
		_, errs, status := script(t, "open-gates", []string{"eu", "gate"}, env)
		if called := calls(); status != c.status || !strings.Contains(called, "patch pod two") || strings.Contains(errs, "still shut") != (c.status != 0) {
			t.Errorf("%s: exit status %d, want %d: %s\n%s", name, status, c.status, errs, called)
		}
	}
}

// TestGatesOfGKE: however an entry of the fleet file is written, GKE's gate is left alone in a
// cluster with negs: gke, and opened in others.
func TestGatesOfGKE(t *testing.T) {
	const head = "version: 1\nproject: my-project\nnetwork: default\nsubnetwork: default\nclusters:\n"
	for name, c := range map[string]struct {
		entries string
		left    bool
	}{
		"name first":      {"- name: a\n  negs: gke\n- name: b\n", true},
		"name last":       {"- negs: gke\n  name: a\n- name: b\n  negs: managed\n", true},
		"indented":        {"  - uid: 1\n    zones:\n    - z\n    negs: gke\n    name: 'a'\n  - name: b\n", true},
		"on one line":     {"- {uid: 1, negs: gke, name: a}\n- {name: b}\n", true},
		"that of another": {"- uid: 1\n  name: a\n- uid: 2\n  negs: gke\n  name: b\n", false},
		"of a namespace":  {"- name: b\n  inject:\n    namespaces:\n    - {name: a}\n  negs: gke\n- name: a\n", false},
		"in a comment":    {"- name: a # negs: gke\n- name: b\n  negs: gke\n", false},
	} {
		fleet := filepath.Join(t.TempDir(), "fleet.yaml")
		if err := os.WriteFile(fleet, []byte(head+c.entries), 0o600); err != nil {
			t.Fatal(err)
		}
		out, errs, status := script(t, "undeploy", append(wanted(t, "CLUSTERS=a=eu", "FLEET_FILE="+fleet), "--dry-run"), bare)
		if left := !strings.Contains(out, "cloud.google.com/load-balancer-neg-ready"); status != 0 || left != c.left {
			t.Errorf("%s: exit status %d, GKE's gate left alone: %t, want %t\n%s%s", name, status, left, c.left, out, errs)
		}
	}
}
