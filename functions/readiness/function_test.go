package readiness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	function "github.com/negfleet/negfleet/functions/readiness"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
)

const key = `{"v":1,"cluster":"prod-eu","namespace":"shop","service":"SERVICE","reason":"r","source":"reconcile","observed":"2026-11-20T10:00:00Z","chain":0}`

func push(f *function.Function, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	f.ServeHTTP(rec, req)
	return rec
}

// TestOutcomes: how following ends decides what becomes of the message, and is logged.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		body     string
		ends     error
		follows  string
		status   int
		severity string
		reason   any
	}{
		"done":            {strings.Replace(key, "SERVICE", "web", 1), nil, "prod-eu/shop/web", 204, "INFO", nil},
		"a namespace":     {strings.Replace(key, "SERVICE", "", 1), nil, "prod-eu/shop/", 204, "INFO", nil},
		"again":           {strings.Replace(key, "SERVICE", "web", 1), errors.New("unavailable"), "prod-eu/shop/web", 503, "WARNING", nil},
		"blocked":         {strings.Replace(key, "SERVICE", "web", 1), neg.Block("ClusterUnreachable", "no answer"), "prod-eu/shop/web", 204, "WARNING", "ClusterUnreachable"},
		"not a message":   {`{"hello":1}`, nil, "", 204, "ERROR", "BadMessage"},
		"no such Service": {key, nil, "", 204, "ERROR", "BadMessage"},
	} {
		t.Run(name, func(t *testing.T) {
			var logs bytes.Buffer
			follows := ""
			f := &function.Function{
				Follow: func(_ context.Context, k neg.Key) error { follows = k.String(); return c.ends },
				Log:    telemetry.New(&logs, slog.LevelInfo), Project: "demo",
			}
			rec := push(f, c.body)
			var line map[string]any
			if err := json.Unmarshal(logs.Bytes(), &line); err != nil {
				t.Fatalf("want one line of JSON: %v: %s", err, &logs)
			}
			if rec.Code != c.status || follows != c.follows || line["severity"] != c.severity || line["reason"] != c.reason {
				t.Errorf("answered %d, followed %q, logged %s", rec.Code, follows, &logs)
			}
		})
	}
}

// TestFromEnv: the function of an environment answers for a fleet file. What is wrong with
// the environment is said.
func TestFromEnv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	fleet := `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: prod-eu
  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11
  policy: observe
  connect: {kubeconfig: none}
`
	if err := os.WriteFile(path, []byte(fleet), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"NEGFLEET_FLEET": path, "PUBSUB_PROJECT_ID": "demo"}
	getenv := func(name string) string { return env[name] }
	var logs bytes.Buffer
	f, err := function.FromEnv(getenv, telemetry.New(&logs, slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	if rec := push(f, strings.Replace(key, "SERVICE", "web", 1)); rec.Code != 204 || !strings.Contains(logs.String(), "policy: observe") {
		t.Errorf("answered %d, logged %s", rec.Code, &logs)
	}
	for name, want := range map[string]string{"NEGFLEET_FLEET": "NEGFLEET_FLEET: missing", "PUBSUB_PROJECT_ID": "PUBSUB_PROJECT_ID: missing"} {
		old := env[name]
		delete(env, name)
		if _, err := function.FromEnv(getenv, f.Log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", name, err)
		}
		env[name] = old
	}
}
