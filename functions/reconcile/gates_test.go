package reconcile_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
)

// TestGates: readiness is asked to follow the key when Pods may wait for their gates, and
// the namespace when a Service has no groups any more.
func TestGates(t *testing.T) {
	for name, c := range map[string]struct {
		found reconcile.Result
		want  []string
	}{
		"nothing to do":       {reconcile.Result{}, nil},
		"attached":            {reconcile.Result{Taken: []plan.Step{{Op: plan.Attach}}}, []string{"prod-eu/shop/web"}},
		"detached":            {reconcile.Result{Taken: []plan.Step{{Op: plan.Detach}}}, nil},
		"somebody waits":      {reconcile.Result{Unready: true}, []string{"prod-eu/shop/web"}},
		"the groups are over": {reconcile.Result{Ended: true}, []string{"prod-eu/shop/"}},
		"GKE keeps them":      {reconcile.Result{Skipped: true}, []string{"prod-eu/shop/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
				turn.Began()
				return c.found, nil
			}
			rec := r.post(request(t, "push-wrapped"))
			if d := cmp.Diff(c.want, r.gates); d != "" || rec.Code != 204 {
				t.Errorf("answered %d, asked for (-want +got):\n%s", rec.Code, d)
			}
		})
	}
	t.Run("not published", func(t *testing.T) {
		r := newRig(t)
		r.Look = func(_ context.Context, _ neg.Key, turn reconcile.Turn) (reconcile.Result, error) {
			turn.Began()
			return reconcile.Result{Unready: true}, nil
		}
		r.Gates = func(context.Context, neg.Key) error { return errors.New("unavailable") }
		if rec := r.post(request(t, "push-wrapped")); rec.Code != 503 {
			t.Errorf("answered %d", rec.Code)
		}
	})
}
