package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
)

// TestGates: what a namespace does not say is the cluster's, and what nobody says of Pods
// that are in no group is as for the others.
func TestGates(t *testing.T) {
	fleet, err := config.ParseFleet("fleet.yaml", inject(`  gates:
    timeout: 20m
    hybrid: 0s
    namespaces:
    - {name: shop, timeout: 2m}
    - {name: blog, unattached: 30s, hybrid: never}
`))
	if err != nil {
		t.Fatal(err)
	}
	for namespace, want := range map[string]config.Waits{
		"other": {Timeout: 20 * time.Minute, Unattached: 20 * time.Minute},
		"shop":  {Timeout: 2 * time.Minute, Unattached: 2 * time.Minute},
		"blog":  {Timeout: 20 * time.Minute, Unattached: 30 * time.Second, Hybrid: neg.Never},
	} {
		if d := cmp.Diff(want, fleet.Clusters[0].Gates.For(namespace)); d != "" {
			t.Errorf("%s (-want +got):\n%s", namespace, d)
		}
	}
}

func TestGatesProblems(t *testing.T) {
	for text, want := range map[string]string{
		`    timeout: 5s`:                        `:10: clusters[0].gates.timeout: "5s": want whole seconds from 10s to 24h0m0s, such as 10m, or never`,
		`    unattached: soon`:                   `:10: clusters[0].gates.unattached: "soon": want whole seconds from 0s to 24h0m0s`,
		`    hybrid: 1500ms`:                     `:10: clusters[0].gates.hybrid: "1500ms": want whole seconds`,
		`    hybrid: 25h`:                        `:10: clusters[0].gates.hybrid: "25h": want whole seconds`,
		`    namespaces: [{timeout: 1m}]`:        `clusters[0].gates.namespaces[0].name: "": want the name of a namespace`,
		`    namespaces: [{name: a}, {name: a}]`: `:10: clusters[0].gates.namespaces[1].name: "a" stands at line 10 already`,
	} {
		_, err := config.ParseFleet("fleet.yaml", inject("  gates:\n"+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}
