package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/test/fakecontainer"
)

// A webhookWorld is a world with a key, and a function whose answer is the test's.
type webhookWorld struct {
	*world
	path  string // that the key signs for c1
	ca    string // file
	url   string // of the function
	asked atomic.Int32
}

func newWebhookWorld(t *testing.T, more string, answer http.HandlerFunc) *webhookWorld {
	t.Helper()
	key := strings.Repeat("5e", 32)
	keys, err := caller.ParseKeys(key)
	w := &webhookWorld{world: newWorld(t, more)}
	w.check(err)
	w.path, err = keys.Sign("c1")
	w.check(err)
	function := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		answer(rw, r)
	}))
	function.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are refused on purpose
	function.StartTLS()
	t.Cleanup(function.Close)
	w.ca, w.url = filepath.Join(t.TempDir(), "ca.pem"), function.URL
	w.write(w.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: function.Certificate().Raw}))
	w.env["NEGFLEET_CALLER_KEYS"] = key
	return w
}

// TestWebhookRender: what is printed leads the cluster to its own path, and nothing is called.
func TestWebhookRender(t *testing.T) {
	w := newWebhookWorld(t, "", http.NotFound)
	code, out, errs := w.run("webhook", "render", "--url", "https://admission.example", "c1")
	if code != 0 || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, part := range []string{"kind: MutatingWebhookConfiguration", `url: "https://admission.example` + w.path + `"`, "failurePolicy: Ignore"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in\n%s", part, out)
		}
	}
	if n := w.kube.Calls().Count("", ""); n != 0 || w.asked.Load() != 0 {
		t.Errorf("%d calls to the cluster, %d to the function", n, w.asked.Load())
	}
}

// TestWebhookRefusals: a cluster is not made to ask what would not answer, and no message has
// the path, which is a secret.
func TestWebhookRefusals(t *testing.T) {
	silent := func(http.ResponseWriter, *http.Request) {}
	for name, c := range map[string]struct {
		args    string
		answer  http.HandlerFunc
		prepare func(*webhookWorld)
		want    string
		code    int
	}{
		"nothing to do":    {"", silent, nil, "webhook: want render, register, rotate or remove", 2},
		"no such thing":    {"install c1", silent, nil, `webhook: unknown command "install"`, 2},
		"no cluster":       {"render", silent, nil, "webhook render: want one CLUSTER", 2},
		"unknown cluster":  {"render --url https://x c2", silent, nil, `"c2" is not in the fleet file`, 1},
		"no URL":           {"render c1", silent, nil, "--url or NEGFLEET_ADMISSION_URL: the function's URL: want https://HOST", 1},
		"plain HTTP":       {"render --url http://x c1", silent, nil, "want https://HOST", 1},
		"a path":           {"render --url https://x/y c1", silent, nil, "want https://HOST", 1},
		"no key":           {"render --url https://x c1", silent, func(w *webhookWorld) { delete(w.env, "NEGFLEET_CALLER_KEYS") }, "NEGFLEET_CALLER_KEYS: ", 1},
		"no certificate":   {"render --url https://x --ca-file FLEET c1", silent, nil, "no certificate in it", 1},
		"another key":      {"register --url URL --ca-file CA c1", http.NotFound, nil, "404: it does not accept this cluster's path", 1},
		"another program":  {"register --url URL --ca-file CA c1", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }, nil, "is the URL the admission function's?", 1},
		"a foreign CA":     {"register --url URL c1", silent, nil, "probe the function: ", 1},
		"nobody there":     {"register --url https://127.0.0.1:1 c1", silent, nil, "probe the function: ", 1},
		"another cluster":  {"register --url URL --ca-file CA c1", silent, func(w *webhookWorld) { w.cluster.SetUID("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11") }, "answers with kube-system UID 99999999", 1},
		"calls no URL":     {"register --url URL --ca-file CA c1", silent, withoutEgress, "egress NONE and calls no webhook by URL; change it: gcloud container clusters update", 1},
		"who knows if":     {"register --url URL --ca-file CA c1", silent, func(w *webhookWorld) { w.env["NEGFLEET_CONTAINER_ENDPOINT"] = "http://127.0.0.1:1" }, "whether its control plane calls URLs outside", 1},
		"never registered": {"rotate --url URL --ca-file CA c1", silent, nil, "cluster c1 does not ask the webhook; register it", 1},
	} {
		t.Run(name, func(t *testing.T) {
			more := ""
			if strings.HasPrefix(c.args, "r") && strings.Contains(c.args, "CA") {
				more = "  resource: projects/p1/locations/us-central1/clusters/c1\n"
			}
			w := newWebhookWorld(t, more, c.answer)
			if more != "" {
				withEgress(w)
			}
			if c.prepare != nil {
				c.prepare(w)
			}
			args := strings.NewReplacer("URL", w.url, "CA", w.ca, "FLEET", w.env["NEGFLEET_FLEET"]).Replace(c.args)
			code, out, errs := w.run(append([]string{"webhook"}, strings.Fields(args)...)...)
			if code != c.code || out != "" || !strings.HasPrefix(errs, "negfleet: ") || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d, %q, %q; want %d, %q", code, out, errs, c.code, c.want)
			}
			if strings.Contains(errs, w.path[len(w.path)-43:]) {
				t.Errorf("the path is in %q", errs)
			}
			if writes := w.kube.Writes(); len(writes) > 0 {
				t.Errorf("wrote %v", writes)
			}
		})
	}
}

func withEgress(w *webhookWorld)    { w.egress("VIA_CONTROL_PLANE") }
func withoutEgress(w *webhookWorld) { w.egress("NONE") }

// egress has the container API know c1, with that egress of its control plane.
func (w *webhookWorld) egress(mode string) {
	google := fakecontainer.New(fakecontainer.Options{})
	w.check(google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{
		Project: "p1", Location: "us-central1", Name: "c1", Cluster: map[string]any{"controlPlaneEgress": map[string]any{"mode": mode}},
	}}}))
	w.env["NEGFLEET_CONTAINER_ENDPOINT"] = fakecontainer.Start(w.t, google)
}
