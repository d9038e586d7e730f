package events

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"google.golang.org/grpc/codes"
)

func TestAuditBatches(t *testing.T) {
	for _, c := range []struct {
		name  string
		keys  []string
		asked []string
	}{
		{"service-create", []string{"prod-eu/shop/web"}, nil},
		{"slice-update", []string{"prod-eu/shop/web"}, nil},
		{"service-generate-name", []string{"prod-eu/shop/cart", "prod-eu/shop/web", "prod-eu/shop/web-8xk4f"}, []string{"all prod-eu/shop"}},
		{"slice-owner", []string{"prod-eu/shop/web"}, []string{"slice prod-eu/shop/db-1", "slice prod-eu/shop/web-x7k2p"}},
		{"namespace", []string{"prod-eu/shop/cart", "prod-eu/shop/web"}, []string{"all prod-eu/shop"}},
		{"ingress", []string{"prod-eu/blog/front", "prod-eu/shop/cart", "prod-eu/shop/front", "prod-eu/shop/landing", "prod-eu/shop/old", "prod-eu/shop/web"}, []string{"ingress prod-eu/blog", "ingress prod-eu/shop"}},
		{"dropped", []string{}, nil},
		{"pods", []string{"prod-eu/shop/web"}, []string{"selectors prod-eu/shop"}},
		{"pods-bare", []string{"prod-eu/blog/cart", "prod-eu/blog/web", "prod-eu/shop/cart", "prod-eu/shop/web"}, []string{"selectors prod-eu/blog", "selectors prod-eu/shop"}},
		{"pods-dropped", []string{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			if status, _ := w.post(w.path+"?timeout=30s", entry(t, "list", c.name)); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			if diff := cmp.Diff(c.keys, w.published(t)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.asked, sortedStrings(w.services.asked)); diff != "" {
				t.Errorf("asked the cluster (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAuditMessage(t *testing.T) {
	w := newWorld(t, nil)
	w.post(w.path, entry(t, "list", "slice-update"))
	want := []event.Message{{
		Key:    neg.Key{Cluster: "prod-eu", Namespace: "shop", Service: "web"},
		Reason: "endpointslices update web-x7k2p", Source: "audit",
		Observed: time.Date(2026, 11, 20, 10, 0, 0, 123456000, time.UTC),
	}}
	if diff := cmp.Diff(want, w.messages(t)); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if log := w.logs.String(); !strings.Contains(log, `"outcome":"done"`) || strings.Contains(log, w.path) {
		t.Errorf("log %s", log)
	}
}

// Whoever does not know a path learns the same from every answer.
func TestAuditStrangers(t *testing.T) {
	w := newWorld(t, nil)
	keys, err := caller.ParseKeys(callerKey)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _ := keys.Sign("prod-us") // signed, but not of this fleet any more
	forged := strings.Replace(w.path, "prod-eu", "prod-us", 1)
	var answers []string
	for _, path := range []string{"/v1/", "/v1/prod-eu", "/v1/prod-eu/", forged, elsewhere, w.path + "x"} {
		status, body := w.post(path, entry(t, "list", "service-create"))
		if status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
		answers = append(answers, body)
	}
	for _, a := range answers {
		if a != answers[0] {
			t.Errorf("answers differ: %q", answers)
		}
	}
	if keys := w.published(t); len(keys) > 0 {
		t.Errorf("published %v", keys)
	}
	if lines := w.lines(t, "dropped"); len(lines) != 1 || lines[0]["subject"] != "prod-us" || strings.Contains(w.logs.String(), elsewhere) {
		t.Errorf("the one with a valid path is to be logged, without it: %s", w.logs.String())
	}
}

func TestAuditBadBodies(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxBatch = 1 << 20 })
	list := entry(t, "list", "service-create")
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"nothing":      {"", 400},
		"another kind": {`{"kind":"PodList"}`, 400},
		"cut off":      {list[:len(list)-2], 400},
		"huge":         {`{"x":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
	} {
		if status, _ := w.post(w.path, c.body); status != c.status {
			t.Errorf("%s: status %d, want %d", name, status, c.status)
		}
	}
	if got := w.published(t); !cmp.Equal(got, []string{"prod-eu/shop/web"}) {
		t.Errorf("published %v: the entries before the cut count", got)
	}
	r := httptest.NewRequest(http.MethodGet, w.path, nil)
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: status %d", recorder.Code)
	}
}

// A failing live read costs the keys that need it a retry, and the others nothing.
func TestALiveReadThatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		audit  int
		pushed int
	}{
		{"unreachable", errDown, 503, 503},
		{"blocked", neg.Block("ClusterDown", "down"), 200, 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.services.err = c.err
			status, body := w.post(w.path, `{"items":[`+item(entry(t, "list", "service-create"))+","+item(entry(t, "list", "namespace"))+`]}`)
			if status != c.audit || strings.Contains(body, "cluster") {
				t.Errorf("audit: status %d, body %q", status, body)
			}
			if got := w.published(t); !strings.Contains(strings.Join(got, " "), "prod-eu/shop/web") {
				t.Errorf("published %v without the key that was known", got)
			}
			if status, _ := w.post("/", push(t, entry(t, "logentry", "namespace-delete"), nil)); status != c.pushed {
				t.Errorf("push: status %d, want %d", status, c.pushed)
			}
		})
	}
}

// A cluster that swallows every packet is as good as down: its questions are left to the
// sweep, instead of holding up the other clusters' messages again and again.
func TestALiveReadThatHangs(t *testing.T) {
	for _, name := range []string{"namespace-delete", "slice-update-bare", "pod-eviction"} {
		w := newWorld(t, func(o *Options) { o.ReadTimeout = 100 * time.Millisecond })
		w.services.hang, w.services.err = true, errDown
		for range 2 { // the second is answered from what is known of the first
			if status, _ := w.post("/", push(t, entry(t, "logentry", name), nil)); status != http.StatusNoContent {
				t.Errorf("%s: status %d", name, status)
			}
		}
		if log := w.logs.String(); !strings.Contains(log, "no answer in 50ms") || !strings.Contains(log, `"outcome":"blocked"`) {
			t.Errorf("%s: log %s", name, log)
		}
	}
}

// item is the entries of a list, without the list around them.
func item(list string) string {
	_, items, _ := strings.Cut(list, `"items":[`)
	return strings.TrimSuffix(items, "]}")
}

func TestAPublishThatFailsIsRetriedByTheSender(t *testing.T) {
	w := newWorld(t, nil, pstest.WithErrorInjection("Publish", codes.PermissionDenied, "secret"))
	if status, body := w.post(w.path, entry(t, "list", "service-create")); status != 503 || strings.Contains(body, "secret") {
		t.Errorf("audit: status %d, body %q", status, body)
	}
	if status, body := w.post("/", push(t, entry(t, "logentry", "service-create"), nil)); status != 503 || strings.Contains(body, "secret") {
		t.Errorf("push: status %d, body %q", status, body)
	}
	if log := w.logs.String(); !strings.Contains(log, `"outcome":"again"`) {
		t.Errorf("log %s", log)
	}
}

func TestAccept(t *testing.T) {
	for _, c := range []struct {
		env         string
		push, audit int
	}{{"", 204, 404}, {"push", 204, 404}, {"audit", 404, 200}, {"all", 204, 200}, {" audit, push", 204, 200}} {
		accept, err := ParseAccept(c.env)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(o *Options) { o.Accept = accept })
		if status, _ := w.post("/", push(t, entry(t, "logentry", "service-create"), nil)); status != c.push {
			t.Errorf("%q: push status %d, want %d", c.env, status, c.push)
		}
		if status, _ := w.post(w.path, entry(t, "list", "service-create")); status != c.audit {
			t.Errorf("%q: audit status %d, want %d", c.env, status, c.audit)
		}
	}
	if _, err := ParseAccept("pull"); err == nil {
		t.Error("accepted pull")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("built without a fleet")
	}
	w := newWorld(t, nil)
	o := w.handler.(*handler).Options
	o.Keys = caller.Keys{}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "NEGFLEET_CALLER_KEYS") {
		t.Errorf("built a public endpoint without keys: %v", err)
	}
	o.Accept.Audit = false
	if _, err := New(o); err != nil {
		t.Errorf("push alone needs no keys: %v", err)
	}
}

// BenchmarkAuditToKey is the function's share of the way from a write to reconcile.
func BenchmarkAuditToKey(b *testing.B) {
	w := newWorld(b, nil)
	body := entry(b, "list", "slice-update")
	for b.Loop() {
		if status, _ := w.post(w.path, body); status != http.StatusOK {
			b.Fatalf("status %d", status)
		}
	}
}
