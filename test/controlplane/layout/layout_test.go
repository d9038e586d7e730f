package layout

import (
	"strings"
	"testing"
)

func spec(nodes int) Spec {
	return Spec{
		Name: "alpha", Project: "p", Region: "us-central1", Nodes: nodes, Octet: 70,
		Zones: []string{"us-central1-a", "us-central1-b", "us-central1-c"},
	}
}

func TestNodeList(t *testing.T) {
	nodes := spec(4).NodeList()
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	if got, want := strings.Join(names, " "), "node-a-1 node-b-1 node-c-1 node-a-2"; got != want {
		t.Errorf("names: got %q, want %q", got, want)
	}
	n := nodes[3]
	if n.PodCIDR != "10.70.3.0/24" || n.InternalIP != "10.70.255.4" || n.Zone != "us-central1-a" {
		t.Errorf("fourth node: got %+v", n)
	}
	if want := "gce://p/us-central1-a/" + n.Instance; n.ProviderID != want {
		t.Errorf("provider ID: got %q, want %q", n.ProviderID, want)
	}
}

func TestNodeListIsUnique(t *testing.T) {
	s := spec(MaxNodes)
	s.Zones = []string{"us-central1-a", "us-east1-a"}
	seen := map[string]bool{}
	for _, n := range s.NodeList() {
		for _, v := range []string{n.Name, n.Instance, n.PodCIDR, n.InternalIP} {
			if seen[v] {
				t.Fatalf("%q appears twice", v)
			}
			seen[v] = true
		}
		if n.Instance == n.Name {
			t.Errorf("instance and node share the name %q", n.Name)
		}
	}
}

func TestInstanceNameFits(t *testing.T) {
	name := InstanceName(strings.Repeat("a", 60), "node-a-1")
	if len(name) > 63 {
		t.Errorf("instance name %q has %d characters", name, len(name))
	}
	if InstanceName("a", "n") == InstanceName("b", "n") {
		t.Error("two clusters share an instance name")
	}
}

func TestTwin(t *testing.T) {
	if got, err := Twin("10.70.3.9"); err != nil || got != "127.70.3.9" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"10.0.0.1", "192.168.0.1", "::1", "x"} {
		if got, err := Twin(bad); err == nil {
			t.Errorf("twin of %q: got %q, want an error", bad, got)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := spec(3).Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Spec){
		"name":       func(s *Spec) { s.Name = "Alpha" },
		"no zones":   func(s *Spec) { s.Zones = nil },
		"same zone":  func(s *Spec) { s.Zones = []string{"a", "a"} },
		"no nodes":   func(s *Spec) { s.Nodes = 0 },
		"many nodes": func(s *Spec) { s.Nodes = 255 },
		"octet":      func(s *Spec) { s.Octet = 3 },
	} {
		s := spec(3)
		spoil(&s)
		if s.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
