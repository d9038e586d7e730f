package reconcile_test

import (
	"context"
	"strings"
	"testing"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
)

// TestSources: who sent a key decides whether its look searches for all groups. A sweep and a
// resync have searched already, and say by another source where a look must too.
func TestSources(t *testing.T) {
	for source, thorough := range map[string]bool{
		"audit": false, "admission": false, "reconcile": false, "resync": false, "sweep": false,
		"resync-groups": true, "sweep-groups": true, "operator": true,
	} {
		r := newRig(t)
		var got bool
		r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
			turn.Began()
			got = turn.Thorough()
			return reconcile.Result{}, nil
		}
		body := `{"v":1,"cluster":"prod-eu","namespace":"shop","service":"web","reason":"r","source":"` + source + `","observed":"2026-11-20T10:00:00Z","chain":0}`
		if rec := r.post(payload(body)); rec.Code != 204 || got != thorough {
			t.Errorf("%s: answered %d, thorough %t, want %t: %s", source, rec.Code, got, thorough, strings.TrimSpace(r.logs.String()))
		}
	}
}
