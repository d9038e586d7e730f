package events

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/audit"
	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// policy is audit.k8s.io/v1 Policy, as far as the shipped one uses it.
type policy struct {
	OmitStages        []string `yaml:"omitStages"`
	OmitManagedFields bool     `yaml:"omitManagedFields"`
	Rules             []struct {
		Level      string   `yaml:"level"`
		Verbs      []string `yaml:"verbs"`
		Namespaces []string `yaml:"namespaces"`
		Resources  []struct {
			Group     string   `yaml:"group"`
			Resources []string `yaml:"resources"`
		} `yaml:"resources"`
	} `yaml:"rules"`
}

// level is that of the first rule that matches, as a kube-apiserver decides.
func (p policy) level(verb, group, resource, namespace string) string {
	for _, r := range p.Rules {
		if len(r.Verbs) > 0 && !slices.Contains(r.Verbs, verb) || len(r.Namespaces) > 0 && !slices.Contains(r.Namespaces, namespace) {
			continue
		}
		if len(r.Resources) == 0 {
			return r.Level
		}
		for _, s := range r.Resources {
			if s.Group == group && slices.Contains(s.Resources, resource) {
				return r.Level
			}
		}
	}
	return "None"
}

// The shipped policy logs what shared/audit reads, and nothing besides.
func TestAuditPolicy(t *testing.T) {
	raw, err := os.ReadFile("../../infra/audit-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	if err := yaml.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	if !p.OmitManagedFields || !slices.Equal(p.OmitStages, []string{"RequestReceived"}) {
		t.Errorf("omits %v, managed fields %v", p.OmitStages, p.OmitManagedFields)
	}
	const slices, ingresses = "discovery.k8s.io", "networking.k8s.io"
	for _, c := range []struct{ verb, group, resource, namespace, level string }{
		{"create", "", "services", "shop", "RequestResponse"}, // generateName
		{"deletecollection", "", "services", "shop", "RequestResponse"},
		{"update", "", "services", "shop", "Metadata"},
		{"delete", "", "services", "shop", "Metadata"},
		{"patch", "", "services/status", "shop", "None"},
		{"update", slices, "endpointslices", "shop", "RequestResponse"},
		{"delete", slices, "endpointslices", "shop", "Metadata"},
		{"patch", ingresses, "ingresses", "shop", "RequestResponse"},
		{"patch", ingresses, "ingresses/status", "shop", "None"},
		{"delete", ingresses, "ingresses", "shop", "Metadata"},
		{"delete", "", "namespaces", "shop", "Metadata"},
		{"create", "", "pods", "shop", "RequestResponse"}, // generateName, labels
		{"delete", "", "pods", "shop", "RequestResponse"}, // labels
		{"deletecollection", "", "pods", "shop", "Metadata"},
		{"create", "", "pods/eviction", "shop", "Request"}, // whether it is a dry run
		{"create", "", "pods/binding", "shop", "None"},
		{"delete", "", "pods", "kube-system", "None"},
		{"patch", "", "pods/status", "shop", "None"},
		{"update", "", "pods", "shop", "None"},
		{"create", "", "services", "kube-system", "None"},
		{"list", "", "services", "shop", "None"},
		{"create", "", "events", "shop", "None"},
		{"update", "coordination.k8s.io", "leases", "shop", "None"},
		{"create", "", "secrets", "shop", "None"},
	} {
		if got := p.level(c.verb, c.group, c.resource, c.namespace); got != c.level {
			t.Errorf("%s %s/%s in %s: level %s, want %s", c.verb, c.group, c.resource, c.namespace, got, c.level)
		}
	}
}

// What the filled-in templates make a kube-apiserver send arrives as the cluster's: the
// URL as it is, or the token from a file that may be written anew.
func TestAuditWebhookKubeconfigs(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewTLSServer(w.handler) // client-go sends no credentials without TLS
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	token := filepath.Join(t.TempDir(), "token")
	path, secret := w.path[:strings.LastIndex(w.path, "/")], w.path[strings.LastIndex(w.path, "/")+1:]
	if err := os.WriteFile(token, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, path := range map[string]string{"audit-webhook.kubeconfig.tmpl": w.path, "audit-webhook-token.kubeconfig.tmpl": path} {
		raw, err := os.ReadFile("../../infra/" + file)
		if err != nil {
			t.Fatal(err)
		}
		filled := strings.NewReplacer("{{url}}", server.URL, "{{path}}", path, "{{tokenFile}}", token).Replace(string(raw))
		config, err := clientcmd.RESTConfigFromKubeConfig([]byte(filled))
		if err != nil {
			t.Fatal(err)
		}
		config.CAData = ca
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Post(config.Host+"?timeout=30s", "application/json", strings.NewReader(entry(t, "list", "service-create")))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", file, answer.StatusCode)
		}
	}
	if keys := w.published(t); !slices.Equal(keys, []string{"prod-eu/shop/web", "prod-eu/shop/web"}) {
		t.Errorf("published %v", keys)
	}
	if strings.Contains(w.logs.String(), secret) {
		t.Errorf("the log has the secret: %s", w.logs.String())
	}
}

// The filter of the log sink lets through what shared/audit reads of a LogEntry, and of
// its goldens little else; the operator's page shows the same text.
func TestLogSinkFilter(t *testing.T) {
	filter, err := os.ReadFile("../../infra/log-sink.filter")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/operators/cluster-events.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```\n"+string(filter)+"```\n") {
		t.Error("docs/operators/cluster-events.md shows another filter than infra/log-sink.filter")
	}
	var methods []*regexp.Regexp
	for _, m := range regexp.MustCompile(`protoPayload\.methodName=~"([^"]+)"`).FindAllStringSubmatch(string(filter), -1) {
		methods = append(methods, regexp.MustCompile(m[1]))
	}
	routed := func(method string) bool {
		return slices.ContainsFunc(methods, func(r *regexp.Regexp) bool { return r.MatchString(method) })
	}
	files, err := filepath.Glob("../../shared/audit/testdata/logentry/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		body := entry(t, "logentry", name)
		e, err := audit.DecodeLogEntry([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, deletion := audit.Deletes(e)
		_, missed := audit.MissedInjection(e)
		used := deletion || missed || len(audit.Touches(e, audit.Rules{})) > 0
		if _, method, _ := strings.Cut(body, `"methodName":"`); used && name != "ingress-old" && !routed(method[:strings.IndexByte(method, '"')]) {
			t.Errorf("%s is used and not routed", name)
		}
	}
	for _, method := range []string{
		"io.k8s.core.v1.pods.status.patch", "io.k8s.core.v1.pods.binding.create", "io.k8s.core.v1.services.status.update", "io.k8s.core.v1.secrets.create",
		"io.k8s.core.v1.pods.patch", "io.k8s.core.v1.namespaces.create", "io.k8s.coordination.v1.leases.update", "google.container.v1.ClusterManager.CreateCluster",
	} {
		if routed(method) {
			t.Errorf("%s is routed for nothing", method)
		}
	}
}
