package lazy

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBuildIsTriedAgain: what failed is said in the log alone, and tried again at the next
// request; what was made stays.
func TestBuildIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	tries := 0
	h := &Handler{log: slog.New(slog.NewJSONHandler(&log, nil)), build: func() (http.Handler, error) {
		if tries++; tries == 1 {
			return nil, errors.New("no secret")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) }), nil
	}}
	for i, want := range []int{503, 204, 204} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", nil))
		if answer.Code != want || strings.Contains(answer.Body.String(), "secret") {
			t.Errorf("request %d: %d %q, want %d", i, answer.Code, answer.Body, want)
		}
	}
	if tries != 2 {
		t.Errorf("made %d times", tries)
	}
	if line := log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, `"reason":"Misconfigured","error":"no secret"`) {
		t.Errorf("log: %s", line)
	}
}
