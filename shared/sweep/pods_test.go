package sweep

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
)

// TestCensus: which Pods wait for a gate, and which went by the webhook.
func TestCensus(t *testing.T) {
	labels := map[string]string{"app": "web", "v": "1"}
	pod := func(change func(*neg.ListedPod)) neg.ListedPod {
		p := neg.ListedPod{Name: "p", Labels: labels, Gates: []string{neg.GateNEG}, Ready: true}
		change(&p)
		return p
	}
	for name, c := range map[string]struct {
		cluster          Cluster
		pod              neg.ListedPod
		deaf             bool // the webhook is not asked about the namespace
		waiting, ungated int
	}{
		"gated, open":                  {pod: pod(func(*neg.ListedPod) {})},
		"gated, waits":                 {pod: pod(func(p *neg.ListedPod) { p.Closed = p.Gates }), waiting: 1},
		"gated, not ready yet":         {pod: pod(func(p *neg.ListedPod) { p.Closed, p.Ready = p.Gates, false })},
		"waits for a stranger's gate":  {pod: pod(func(p *neg.ListedPod) { p.Gates = append(p.Gates, "theirs"); p.Closed = p.Gates[1:] })},
		"no gate":                      {pod: pod(func(p *neg.ListedPod) { p.Gates = nil }), ungated: 1},
		"no gate, not ready":           {pod: pod(func(p *neg.ListedPod) { p.Gates, p.Ready = nil, false }), ungated: 1},
		"a stranger's gate alone":      {pod: pod(func(p *neg.ListedPod) { p.Gates = []string{"theirs"} }), ungated: 1},
		"no gate, and exempt":          {pod: pod(func(p *neg.ListedPod) { p.Gates, p.Exempt = nil, true })},
		"no gate, of another Service":  {pod: pod(func(p *neg.ListedPod) { p.Gates, p.Labels = nil, map[string]string{"app": "job"} })},
		"no gate, not opted in":        {pod: pod(func(p *neg.ListedPod) { p.Gates = nil }), deaf: true},
		"GKE's gate where GKE keeps":   {cluster: Cluster{Skip: "negs: gke"}, pod: pod(func(*neg.ListedPod) {}), ungated: 1},
		"its own gate where GKE keeps": {cluster: Cluster{Skip: "negs: gke"}, pod: pod(func(p *neg.ListedPod) { p.Gates = []string{neg.GateLoadBalancer} })},
	} {
		t.Run(name, func(t *testing.T) {
			services := map[neg.Key]Service{web: {Selector: map[string]string{"app": "web"}}, left: {}}
			n := c.cluster.newCensus("shop", services, !c.deaf)
			n.add([]neg.ListedPod{c.pod})
			if len(n.waiting) != c.waiting || n.missed().Count != c.ungated {
				t.Errorf("%d wait and %d are ungated, want %d and %d", len(n.waiting), n.missed().Count, c.waiting, c.ungated)
			}
		})
	}
}

// TestUngatedAreNamed: a few names, however many there are, and how to gate them.
func TestUngatedAreNamed(t *testing.T) {
	var c Cluster
	n := c.newCensus("shop", map[neg.Key]Service{web: {Selector: map[string]string{"app": "web"}}}, true)
	for i := range 12 {
		n.add([]neg.ListedPod{{Name: fmt.Sprintf("web-%02d", 11-i), Labels: map[string]string{"app": "web"}}})
	}
	r := ClusterReport{Ungated: map[string]Ungated{"shop": n.missed()}}
	want := []string{"no readiness gate in namespace shop: web-00, web-01, web-02, web-03, web-04 and 7 more; restart to gate: kubectl -n shop rollout restart deployment NAME"}
	if d := cmp.Diff(want, r.Missed()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestGating: which Services' Pods are gated: those that have groups, as in admission/mutate.
func TestGating(t *testing.T) {
	selector := map[string]string{"app": "web"}
	const ports, ingress = `{"exposed_ports":{"80":{}}}`, `{"ingress":true}`
	const status = `{"network_endpoint_groups":{"80":"g"},"zones":["us-central1-a"]}`
	for name, c := range map[string]struct {
		annotations map[string]string
		change      func(*neg.Service)
		gates       bool
	}{
		"exposed ports":              {map[string]string{neg.AnnotationNEG: ports}, nil, true},
		"nothing":                    {nil, nil, false},
		"a port that is not there":   {map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"81":{}}}`}, nil, false},
		"a port over UDP":            {map[string]string{neg.AnnotationNEG: ports}, func(s *neg.Service) { s.Ports[0].Protocol = "UDP" }, false},
		"cannot be read":             {map[string]string{neg.AnnotationNEG: `{`}, nil, false},
		"an Ingress's, with groups":  {map[string]string{neg.AnnotationNEG: ingress, neg.AnnotationStatus: status}, nil, true},
		"an Ingress's, without":      {map[string]string{neg.AnnotationNEG: ingress}, nil, false},
		"observed":                   {map[string]string{neg.AnnotationNEG: ports, neg.AnnotationPolicy: "observe"}, nil, false},
		"going":                      {map[string]string{neg.AnnotationNEG: ports}, func(s *neg.Service) { s.Deleting = true }, false},
		"a name of somewhere else":   {map[string]string{neg.AnnotationNEG: ports}, func(s *neg.Service) { s.Type = "ExternalName" }, false},
		"it asks no more, has still": {map[string]string{neg.AnnotationStatus: status}, nil, false},
	} {
		s := &neg.Service{Key: web, Selector: selector, Annotations: c.annotations, Ports: []neg.ServicePort{{Port: 80, Protocol: "TCP"}}}
		if c.change != nil {
			c.change(s)
		}
		if got := ServiceOf(s).Selector != nil; got != c.gates {
			t.Errorf("%s: gates %t, want %t", name, got, c.gates)
		}
	}
}
