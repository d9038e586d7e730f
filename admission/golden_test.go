package admission

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
)

var update = flag.Bool("update", false, "rewrite testdata/reviews/*/*.response.json")

// readable is a response as the goldens have it: the patch as JSON and not in base64.
type readable struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Patch            json.RawMessage   `json:"patch,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
	Hints            []string          `json:"hints,omitempty"` // keys published: not part of the response
}

// TestReviews: testdata/reviews/CLUSTER/NAME.review.json is what an API server asks on
// behalf of that cluster of testdata/fleet.yaml, NAME.response.json what it is answered.
func TestReviews(t *testing.T) {
	files, err := filepath.Glob("testdata/reviews/*/*.review.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d reviews: %v", len(files), err)
	}
	for _, file := range files {
		cluster := filepath.Base(filepath.Dir(file))
		name := strings.TrimSuffix(filepath.Base(file), ".review.json")
		t.Run(cluster+"/"+name, func(t *testing.T) {
			w := newWorld(t, nil)
			review := w.review(cluster + "/" + name)
			response := w.ask(cluster, review)
			got := golden(t, response, w.hints())
			path := strings.TrimSuffix(file, ".review.json") + ".response.json"
			if *update {
				w.check(os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			w.check(err)
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if response.Patch != nil {
				w.patched(cluster, review, response)
			}
		})
	}
}

func golden(t *testing.T, r *admissionv1.AdmissionResponse, hints []string) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(readable{string(r.UID), r.Allowed, r.Patch, r.Warnings, r.AuditAnnotations, hints}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// patched: the patch applies to the object as it was sent, keeps all that was in it, and a
// second invocation adds nothing.
func (w *world) patched(cluster string, review []byte, response *admissionv1.AdmissionResponse) {
	w.t.Helper()
	object, next := w.apply(review, response)
	if lost := missing(object, next); lost != "" {
		w.t.Errorf("the patch changed %s", lost)
	}
	again := w.ask(cluster, withObject(w.t, review, next))
	if again.Patch != nil {
		w.t.Errorf("reinvoked, it adds %s", again.Patch)
	}
}

// apply returns the object before and after the patch.
func (w *world) apply(review []byte, response *admissionv1.AdmissionResponse) (before, after []byte) {
	w.t.Helper()
	var r struct {
		Request struct {
			Object json.RawMessage `json:"object"`
		} `json:"request"`
	}
	w.check(json.Unmarshal(review, &r))
	patch, err := jsonpatch.DecodePatch(response.Patch)
	w.check(err)
	after, err = patch.Apply(r.Request.Object)
	w.check(err)
	return r.Request.Object, after
}

func withObject(t testing.TB, review, object []byte) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(review, &whole); err != nil {
		t.Fatal(err)
	}
	whole["request"].(map[string]any)["object"] = json.RawMessage(object)
	out, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// missing names the first value of before that after does not have. The grace period may
// grow; everything else stays.
func missing(before, after []byte) string {
	var a, b any
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return "what is no JSON"
	}
	return lost("", a, b)
}

func lost(path string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return path
		}
		for k, v := range a {
			if l := lost(path+"/"+k, v, b[k]); l != "" {
				return l
			}
		}
	case []any:
		b, ok := b.([]any)
		if !ok || len(b) < len(a) {
			return path
		}
		for i, v := range a {
			if l := lost(path+"/…", v, b[i]); l != "" {
				return l
			}
		}
	case nil: // a null is replaced, as if it were absent
	default:
		if a != b && path != "/spec/terminationGracePeriodSeconds" {
			return path
		}
	}
	return ""
}
