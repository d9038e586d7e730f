package page

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// fleet is a service for each group, which sees all of the group's endpoints, the last
// one unhealthy.
func fleet(groups, endpoints int) Snapshot {
	s := Snapshot{Projects: []string{"p"}}
	for i := range groups {
		service := fmt.Sprintf("projects/p/global/backendServices/s%d", i)
		g := Resource{Path: fmt.Sprintf("projects/p/zones/z/networkEndpointGroups/g%d", i)}
		for j := range endpoints {
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(j >> 8), byte(j)}), 8080)
			g.Endpoints = append(g.Endpoints, Endpoint{At: at, Instance: "node"})
			g.Health = append(g.Health, health.Health{Endpoint: at, Service: service, State: health.Healthy})
		}
		g.Health[endpoints-1].State = health.Unhealthy
		s.Resources = append(s.Resources, Resource{Path: service, Uses: []string{g.Path}}, g)
	}
	return s
}

// TestBounds: whatever there is, what is sent stays small, and nothing goes uncounted.
func TestBounds(t *testing.T) {
	snapshot := fleet(MaxNodes+7, 120)
	open := snapshot.Resources[1].Path
	g := NewGraph(snapshot, View{Open: map[string]bool{open: true}})
	if len(g.Nodes) != 2*MaxNodes || len(g.Edges) != MaxNodes || g.More[3] != 7 || g.More[4] != 7 {
		t.Errorf("%d nodes, %d edges, more %v", len(g.Nodes), len(g.Edges), g.More)
	}
	if g.States[health.Unhealthy] != MaxNodes+7 || g.States[health.Healthy] != 119*(MaxNodes+7) {
		t.Errorf("states %v", g.States)
	}
	for _, n := range g.Nodes {
		shown := map[bool]int{false: preview, true: MaxEndpoints}[n.ID == open]
		if n.Column == lastColumn && (len(n.Endpoints) != shown || n.MoreEndpoints != 120-shown || n.Size != 120 || n.Endpoints[0].State != health.Unhealthy) {
			t.Errorf("%s: %d endpoints, %d more, size %d, first %v", n.ID, len(n.Endpoints), n.MoreEndpoints, n.Size, n.Endpoints[0])
		}
	}
}

// TestNothing: lists are there though they are empty.
func TestNothing(t *testing.T) {
	got, err := json.Marshal(NewGraph(Snapshot{}, View{}))
	if want := `{"projects":[],"nodes":[],"edges":[],"more":{},"states":{}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

func BenchmarkGraph(b *testing.B) {
	snapshot := fleet(200, 500)
	for b.Loop() {
		NewGraph(snapshot, View{})
	}
}
