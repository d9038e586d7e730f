package scope_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
)

// TestGates: whose gates a cluster's are, and what the fleet file makes of them.
func TestGates(t *testing.T) {
	type view struct {
		Skip, Open string
		Foreign    bool
		Gates      string
		Rules      readiness.Rules // of namespace shop
	}
	const both, own = neg.GateLoadBalancer + " " + neg.GateNEG, neg.GateLoadBalancer
	standard := readiness.DefaultRules
	short := standard
	short.Timeout, short.Unattached, short.Hybrid = 2*time.Minute, 0, neg.Never
	for more, want := range map[string]view{
		"":                          {"", "", false, both, standard},
		"  negs: gke\n":             {"", "", true, own, standard},
		"  state: draining\n":       {"", "the fleet file says state: draining: no load balancer is to lead here", false, both, standard},
		"  state: decommissioned\n": {"the fleet file says state: decommissioned", "", false, "", readiness.Rules{}},
		"  policy: observe\n":       {"the fleet file says policy: observe", "", false, "", readiness.Rules{}},
		"  gates: {hybrid: never, namespaces: [{name: shop, timeout: 2m, unattached: 0s}]}\n": {"", "", false, both, short},
	} {
		t.Run(more, func(t *testing.T) {
			s, _ := open(t, more)
			got, err := s.Gates(t.Context(), "c1")
			if err != nil {
				t.Fatal(err)
			}
			have := view{Skip: got.Skip, Open: got.Open, Foreign: got.Foreign, Gates: strings.Join(got.Gates, " ")}
			if got.Rules != nil {
				have.Rules = got.Rules("shop")
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
