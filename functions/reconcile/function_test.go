package reconcile_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	function "github.com/negfleet/negfleet/functions/reconcile"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// web is the key of every delivery in shared/event/testdata.
var web = neg.Key{Cluster: "prod-eu", Namespace: "shop", Service: "web"}

// A rig is the function with a look that ends as it is told, and its log.
type rig struct {
	*function.Function
	t     testing.TB
	logs  bytes.Buffer
	looks []string // key and chain of each
	ends  error
	gates []string // keys that readiness was asked to follow
	again []string // keys that are to be delivered once more
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t}
	r.Function = &function.Function{
		Look: func(_ context.Context, k neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
			turn.Began()
			r.looks = append(r.looks, fmt.Sprintf("%s %d", k, turn.Chain))
			return reconcile.Result{}, r.ends
		},
		Turns: reconcile.NewTurns(0, time.Minute),
		Gates: func(_ context.Context, k neg.Key) error { r.gates = append(r.gates, k.String()); return nil },
		Again: func(_ context.Context, k neg.Key, _ int) error { r.again = append(r.again, k.String()); return nil },
		Log:   telemetry.New(&r.logs, slog.LevelInfo), Project: "demo",
	}
	return r
}

// post sends a delivery and returns the answer.
func (r *rig) post(req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, req)
	return rec
}

// line is the one line that a delivery leaves in the log.
func (r *rig) line() map[string]any {
	r.t.Helper()
	text := strings.TrimSpace(r.logs.String())
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		r.t.Fatalf("want one line of JSON: %v: %s", err, text)
	}
	return line
}

// request builds the request that a file of shared/event/testdata/delivery describes.
func request(t testing.TB, name string) *http.Request {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("..", "..", "shared", "event", "testdata", "delivery", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(string(archive.Files[0].Data) + "\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/v1/s3cret?token=s3cret", bytes.NewReader(archive.Files[1].Data))
	req.Header = http.Header(header)
	return req
}

// payload is a push of that message, unwrapped.
func payload(body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/v1/s3cret?token=s3cret", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer s3cret")
	return req
}

const service = `{"v":1,"cluster":"prod-eu","namespace":"shop","service":%q,"reason":"r","source":"audit","observed":"2026-11-20T10:00:00Z","chain":0}`

// TestEveryShape: each shape of a delivery leads to one look at its key, and is
// acknowledged.
func TestEveryShape(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "shared", "event", "testdata", "delivery", "*.txtar"))
	if err != nil || len(files) < 6 {
		t.Fatalf("%d deliveries: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			rec := r.post(request(t, name))
			if rec.Code != http.StatusNoContent || rec.Body.Len() != 0 {
				t.Errorf("answered %d %q", rec.Code, rec.Body)
			}
			if d := cmp.Diff([]string{"prod-eu/shop/web 2"}, r.looks); d != "" {
				t.Errorf("looks (-want +got):\n%s", d)
			}
			if line := r.line(); line["key"] != web.String() || line["outcome"] != "done" || line["severity"] != "INFO" {
				t.Errorf("log: %s", r.logs.String())
			}
		})
	}
}

// TestOutcomes: how a look ends decides what becomes of the message, and is logged.
func TestOutcomes(t *testing.T) {
	blocked := neg.Block("NameTaken", "create group a/b: the name is taken")
	for name, c := range map[string]struct {
		ends     error
		status   int
		outcome  string
		severity string
		reason   any
		message  string
	}{
		"done":              {nil, 204, "done", "INFO", nil, "looked"},
		"again":             {errors.New("unavailable"), 503, "again", "WARNING", nil, "unavailable"},
		"blocked":           {blocked, 204, "blocked", "WARNING", "NameTaken", "create group a/b: the name is taken"},
		"blocked and again": {errors.Join(blocked, errors.New("unavailable")), 503, "again", "WARNING", "NameTaken", "create group a/b: the name is taken\nunavailable"},
		"cancelled":         {context.Canceled, 503, "again", "WARNING", nil, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.ends = c.ends
			rec := r.post(request(t, "push-wrapped"))
			line := r.line()
			if rec.Code != c.status || line["outcome"] != c.outcome || line["severity"] != c.severity || line["reason"] != c.reason || line["message"] != c.message {
				t.Errorf("answered %d, logged %s", rec.Code, r.logs.String())
			}
			if body := rec.Body.String(); strings.Contains(body, "taken") {
				t.Errorf("the body tells a stranger what went wrong: %q", body)
			}
		})
	}
}

// TestRefused: what can never be worked on is acknowledged and logged as an error with its
// reason; what is no delivery of Pub/Sub's is answered as such. None causes a look.
func TestRefused(t *testing.T) {
	large := func() *http.Request {
		req := payload("")
		req.Body = io.NopCloser(io.LimitReader(zeros{}, event.MaxBody+1))
		return req
	}
	const bad = event.ReasonBadMessage
	for name, c := range map[string]struct {
		request  *http.Request
		status   int
		severity string
		reason   any
		text     string
	}{
		"not a message":   {payload(`{"hello":1}`), 204, "ERROR", bad, "field v is 0, this build reads 1"},
		"another version": {payload(`{"v":2}`), 204, "ERROR", bad, "field v is 2, this build reads 1"},
		"data is no JSON": {payload(`{"message":{"data":"aGVsbG8="}}`), 204, "ERROR", bad, "not a negfleet message"},
		"no such Service": {payload(fmt.Sprintf(service, "Not_A_Name")), 204, "ERROR", bad, `field service "Not_A_Name": want an RFC 1123 label`},
		"no Service":      {payload(fmt.Sprintf(service, "")), 204, "ERROR", bad, "key prod-eu/shop/ names no Service; such keys go to negfleet-gates"},
		"no JSON":         {payload("hello"), 204, "ERROR", bad, "decode delivery: parse body as JSON"},
		"empty":           {payload(""), 204, "ERROR", bad, "decode delivery: the body is empty"},
		"GET":             {httptest.NewRequest(http.MethodGet, "/v1/s3cret", nil), 405, "WARNING", nil, `method "GET"; use POST`},
		"too large":       {large(), 204, "ERROR", bad, "more than 16777216 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			rec := r.post(c.request)
			line := r.line()
			message, _ := line["message"].(string)
			if rec.Code != c.status || line["severity"] != c.severity || line["reason"] != c.reason || !strings.Contains(message, c.text) {
				t.Errorf("answered %d, logged %s", rec.Code, r.logs.String())
			}
			if len(r.looks) != 0 {
				t.Errorf("looks: %v", r.looks)
			}
			if strings.Contains(r.logs.String(), "s3cret") {
				t.Errorf("the log shows what the caller must keep: %s", r.logs.String())
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestLogLine: the fields of the line, which metrics and alerts are made of, and nothing
// that a caller must keep to himself.
func TestLogLine(t *testing.T) {
	r := newRig(t)
	r.ends = neg.Block("NameTaken", "the name is taken")
	req := request(t, "push-wrapped")
	req.Header.Set("Authorization", "Bearer s3cret")
	r.post(req)
	line := r.line()
	want := []string{
		"age_ms", "attempt", "chain", "key", "logging.googleapis.com/trace", "message", "messageId", "observed",
		"outcome", "reason", "severity", "source", "time", "took_ms",
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(line))); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
	for field, value := range map[string]any{
		"attempt": 3.0, "chain": 2.0, "key": "prod-eu/shop/web", "messageId": "1201", "source": "audit",
		"logging.googleapis.com/trace": "projects/demo/traces/0af7651916cd43dd8448eb211c80319c",
	} {
		if line[field] != value {
			t.Errorf("%s is %v, want %v", field, line[field], value)
		}
	}
	if text := r.logs.String(); strings.Contains(text, "s3cret") || strings.Contains(text, "/v1/") {
		t.Errorf("the log shows the request's URL or credentials: %s", text)
	}
}

// TestFromEnv: the function of an environment answers for a fleet file; a cluster that is
// not in it is acknowledged and logged. What is wrong with the environment is said.
func TestFromEnv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	fleet := `version: 1
project: p1
network: default
subnetwork: default
clusters:
- name: c1
  uid: 7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11
  connect: {kubeconfig: none}
`
	if err := os.WriteFile(path, []byte(fleet), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"NEGFLEET_FLEET": path, "PUBSUB_PROJECT_ID": "demo"}
	getenv := func(name string) string { return env[name] }
	r := newRig(t)
	made, err := function.FromEnv(getenv, r.Log)
	if err != nil {
		t.Fatal(err)
	}
	r.Function = made
	rec := r.post(request(t, "push-wrapped"))
	if line := r.line(); rec.Code != http.StatusNoContent || line["outcome"] != "blocked" || line["reason"] != "ClusterUnknown" {
		t.Errorf("answered %d, logged %s", rec.Code, r.logs.String())
	}

	for name, want := range map[string]string{"NEGFLEET_FLEET": "NEGFLEET_FLEET: missing", "PUBSUB_PROJECT_ID": "PUBSUB_PROJECT_ID: missing"} {
		old := env[name]
		delete(env, name)
		if _, err := function.FromEnv(getenv, r.Log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", name, err)
		}
		env[name] = old
	}
}
