package admission

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// FuzzHandler: no body makes the handler panic or deny, or answer with a patch that does
// not apply, that takes something away, or that is not complete at once. Invariant 5.
func FuzzHandler(f *testing.F) {
	files, err := filepath.Glob("testdata/reviews/prod/*.review.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d reviews: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","resource":{"resource":"pods"},"operation":"CREATE","namespace":"shop","object":{"metadata":{"labels":{"app":"web"}},"spec":{"readinessGates":null}}}}`))
	w := newWorld(f, nil)
	path := w.path("prod")
	f.Fuzz(func(t *testing.T, body []byte) {
		w := &world{Handler: w.Handler, t: t, kube: w.kube, logs: w.logs}
		got := w.post(path, body)
		var review admissionv1.AdmissionReview
		if got.Code == http.StatusBadRequest {
			if utiljson.Unmarshal(body, &review) == nil && review.Request != nil && review.Request.UID != "" && review.Kind == "AdmissionReview" && review.APIVersion == "admission.k8s.io/v1" {
				t.Fatal("a review was refused")
			}
			return
		}
		if got.Code != http.StatusOK {
			t.Fatalf("status %d", got.Code)
		}
		var answer admissionv1.AdmissionReview
		w.check(json.Unmarshal(got.Body.Bytes(), &answer))
		if answer.Response == nil || !answer.Response.Allowed {
			t.Fatalf("answer %s", got.Body)
		}
		if reason := answer.Response.AuditAnnotations["missed"]; reason == ReasonPanic {
			t.Fatalf("panic: %s", w.logs)
		}
		if answer.Response.Patch != nil {
			w.patched("prod", body, answer.Response)
		}
	})
}
