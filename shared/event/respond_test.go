package event

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/neg"
)

func TestRespond(t *testing.T) {
	secret := errors.New("secret")
	blocked := neg.Block("QuotaExceeded", "secret quota")
	for _, c := range []struct {
		name    string
		err     error
		status  int
		outcome neg.Outcome
	}{
		{"done", nil, 204, neg.Done},
		{"blocked", fmt.Errorf("attach: %w", blocked), 204, neg.Blocked},
		{"again", secret, 503, neg.Again},
		{"blocked and again", errors.Join(blocked, secret), 503, neg.Again},
		{"no delivery", unreadable("secret"), 204, neg.Blocked},
		{"not arrived", &RequestError{400, secret}, 400, neg.Again},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if got := Respond(w, c.err); got != c.outcome {
				t.Errorf("outcome %s, want %s", got, c.outcome)
			}
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if body := w.Body.String(); strings.Contains(body, "secret") || (c.status == 204 && body != "") {
				t.Errorf("body %q", body)
			}
		})
	}
}
