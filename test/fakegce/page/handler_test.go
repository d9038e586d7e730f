package page

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(func() Snapshot { return fleet(2, 6) }).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// TestPolicy: the page brings nothing inline and loads nothing from elsewhere, and says so.
func TestPolicy(t *testing.T) {
	w := get(t, "/")
	policy, body := w.Header().Get("Content-Security-Policy"), w.Body.String()
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q has no %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if found := regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|<script[^>]*>[^<]|//[a-z]`).FindAllString(body, -1); found != nil {
		t.Errorf("inline or from elsewhere: %q", found)
	}
	for _, m := range regexp.MustCompile(`(?:href|src)="(/_emu/page/[^"]+)"`).FindAllStringSubmatch(body, -1) {
		if w := get(t, m[1]); w.Code != http.StatusOK || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", m[1], w.Code, w.Header())
		}
	}
}

// TestScripts: no file of the page makes markup of text.
func TestScripts(t *testing.T) {
	entries, err := files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := files.ReadFile(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(entry.Name(), ".js") && regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function`).Match(text) {
			t.Errorf("%s makes markup or code of text", entry.Name())
		}
	}
}

func TestServed(t *testing.T) {
	for _, tt := range []struct {
		path, kind string
		status     int
	}{
		{"/_emu/page/page.js", "text/javascript", 200},
		{"/_emu/page/page.css", "text/css", 200},
		{"/_emu/page/icon.svg", "image/svg+xml", 200},
		{"/_emu/page/", "text/plain", 404},
		{"/_emu/page/graph.go", "text/plain", 404},
		{"/_emu/page/..%2fserver.go", "text/plain", 400},
		{"/page.html", "text/plain", 404},
		{"/_emu/graph", "application/json", 200},
	} {
		if w := get(t, tt.path); w.Code != tt.status || !strings.HasPrefix(w.Header().Get("Content-Type"), tt.kind) {
			t.Errorf("%s: %d %s", tt.path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestGraphOfAView(t *testing.T) {
	var got Graph
	w := get(t, "/_emu/graph?project=p&match=g1&open=projects/p/zones/z/networkEndpointGroups/g1")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := NewGraph(fleet(2, 6), View{Project: "p", Match: "g1", Open: map[string]bool{"projects/p/zones/z/networkEndpointGroups/g1": true}})
	if diff := cmp.Diff(want, got); diff != "" || len(got.Nodes) != 2 || len(got.Nodes[1].Endpoints) != 6 {
		t.Errorf("%d nodes\n%s", len(got.Nodes), diff)
	}
}
