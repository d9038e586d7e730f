package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/shared/caller"
)

const auditURL = "https://audit-abc.a.run.app"

// auditWorld has the keys, and a folder for what is written.
func auditWorld(t *testing.T) (w *world, keys caller.Keys, dir string) {
	t.Helper()
	w = newWorld(t, "")
	secret := strings.Repeat("5e", 32)
	w.env["NEGFLEET_CALLER_KEYS"] = secret
	keys, err := caller.ParseKeys(secret)
	w.check(err)
	return w, keys, t.TempDir()
}

// written is what a command put into a file, which nobody else can read.
func written(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %s", path, info.Mode())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAuditURL(t *testing.T) {
	w, keys, dir := auditWorld(t)
	file := filepath.Join(dir, "url")
	code, out, errs := w.run("audit", "url", "--url", auditURL+"/", "--out", file, "c1")
	if code != 0 || errs != "" || out != "wrote the url of cluster c1 to "+file+", mode 0600\n" {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	path, found := strings.CutPrefix(strings.TrimSpace(written(t, file)), auditURL)
	if cluster, err := keys.Verify(path); !found || cluster != "c1" || err != nil {
		t.Errorf("a URL of cluster %q, %v", cluster, err)
	}
	if code, out, _ := w.run("audit", "url", "c1", "--url", auditURL, "--out", "-"); code != 0 || out != auditURL+path+"\n" {
		t.Errorf("flags after the cluster: exit %d, %q", code, out)
	}
	w.env["NEGFLEET_AUDIT_URL"] = auditURL
	if code, out, _ := w.run("audit", "url", "--out", "-", "c1"); code != 0 || out != auditURL+path+"\n" {
		t.Errorf("exit %d, %q", code, out)
	}
}

// A kube-apiserver reads what is rendered as a kubeconfig whose server is the URL.
func TestAuditKubeconfig(t *testing.T) {
	w, keys, dir := auditWorld(t)
	file := filepath.Join(dir, "webhook.kubeconfig")
	if code, _, errs := w.run("audit", "kubeconfig", "--url", auditURL, "--out", file, "c1"); code != 0 {
		t.Fatal(errs)
	}
	signed, err := keys.Sign("c1")
	w.check(err)
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(written(t, file)))
	w.check(err)
	if config.Host != auditURL+signed || config.BearerToken+config.BearerTokenFile != "" {
		t.Errorf("server %s, token %q %q", config.Host, config.BearerToken, config.BearerTokenFile)
	}
	// The other way, to the same file.
	token := filepath.Join(dir, "token")
	if code, _, errs := w.run("audit", "kubeconfig", "--url", auditURL, "--token-file", "/etc/kubernetes/negfleet/token", "--out", file, "c1"); code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := w.run("audit", "token", "--out", token, "c1"); code != 0 {
		t.Fatal(errs)
	}
	text := written(t, file)
	loaded, err := clientcmd.Load([]byte(text))
	w.check(err)
	context := loaded.Contexts[loaded.CurrentContext]
	if server, user := loaded.Clusters[context.Cluster].Server, loaded.AuthInfos[context.AuthInfo]; server != auditURL+"/v1/c1" || user.TokenFile != "/etc/kubernetes/negfleet/token" {
		t.Errorf("server %s, token file %q", server, user.TokenFile)
	}
	if secret := strings.TrimSpace(written(t, token)); "/v1/c1/"+secret != signed || strings.Contains(text, secret) {
		t.Errorf("token %q; the kubeconfig must not have it:\n%s", secret, text)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAuditRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"audit":                        "audit: want url, token or kubeconfig",
		"audit path c1":                `audit: "path": want url`,
		"audit url --url https://x c1": "it is a secret; name a file with --out",
		"audit url --out - c1":         `--url "": want the audit function's URL`,
		"audit url --out - --url https://x/v1 c1": `--url "https://x/v1": want`,
		"audit url --out - --url ftp://x c1":      `--url "ftp://x": want`,
		"audit url --out - --url https://x":       "want one CLUSTER",
		"audit url --out - --url https://x c1 c2": "want one CLUSTER",
		"audit url --token-file t --out - c1":     "flag provided but not defined",
		"audit token --url https://x --out - c1":  "flag provided but not defined",
	} {
		w := &world{t: t}
		if code, out, errs := w.run(strings.Fields(args)...); code != 2 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("negfleet %s: exit %d, %q, %q", args, code, out, errs)
		}
	}
	w, _, dir := auditWorld(t)
	for args, want := range map[string]string{
		"audit token --out - c2":                      `cluster "c2" is not in the fleet file`,
		"audit token --out " + dir + "/none/token c1": "write " + dir + "/none/token",
	} {
		if code, out, errs := w.run(strings.Fields(args)...); code != 1 || out != "" || !strings.Contains(errs, want) {
			t.Errorf("negfleet %s: exit %d, %q, %q", args, code, out, errs)
		}
	}
	w.env["NEGFLEET_CALLER_KEYS"] = "short"
	if code, _, errs := w.run("audit", "token", "--out", "-", "c1"); code != 1 || !strings.Contains(errs, "NEGFLEET_CALLER_KEYS: parse caller keys: key 1 has") {
		t.Errorf("exit %d, %q", code, errs)
	}
}
