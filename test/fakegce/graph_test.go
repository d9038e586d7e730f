package fakegce_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/page"
)

func (c client) graph(query string) page.Graph {
	c.t.Helper()
	res, err := http.Get(c.base + "/_emu/graph" + query)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var g page.Graph
	if err := json.NewDecoder(res.Body).Decode(&g); err != nil {
		c.t.Fatal(err)
	}
	return g
}

// TestGraphOfChain: what the API was told is what the page draws.
func TestGraphOfChain(t *testing.T) {
	c := chain(t)
	c.ok("POST", zone+"networkEndpointGroups/g/attachNetworkEndpoints",
		`{"networkEndpoints":[{"instance":"i0","ipAddress":"10.4.0.1","port":80,"annotations":{"a":"<b>"}},{"instance":"i1","ipAddress":"10.4.1.1","port":80}]}`)
	g := c.graph("?project=p1")
	lines := []string{}
	for _, n := range g.Nodes {
		line := strings.TrimPrefix(n.ID, "projects/p1/") + ": " + strings.Join(append(n.Facts, n.Notes...), ", ")
		for _, e := range n.Endpoints {
			line += " " + e.Address + " on " + e.Instance + e.Annotations["a"]
		}
		lines = append(lines, line)
	}
	want := []string{
		"global/forwardingRules/f: 198.51.100.7:80 TCP, EXTERNAL",
		"global/targetHttpProxies/p: HTTP",
		"global/urlMaps/m: ",
		"global/backendServices/s: HTTP, EXTERNAL, check hc",
		"zones/us-central1-a/networkEndpointGroups/g: GCE_VM_IP_PORT 10.4.0.1:80 on i0<b> 10.4.1.1:80 on i1",
		"zones/us-central1-a/networkEndpointGroups/h: GCE_VM_IP_PORT, no backend service uses it, no endpoints",
	}
	if diff := cmp.Diff(want, lines); diff != "" || len(g.Edges) != 4 {
		t.Errorf("%d edges\n%s", len(g.Edges), diff)
	}
	if g := c.graph("?project=elsewhere"); len(g.Nodes) != 0 || !cmp.Equal(g.Projects, []string{"p1"}) {
		t.Errorf("another project has %v of %v", g.Nodes, g.Projects)
	}
}

// TestGraphShowsWhatIs: what is being created is not there yet, as for every client.
func TestGraphShowsWhatIs(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	_, c := start(t, fakegce.Options{Clock: clock, OpLatency: 1})
	c.insert("g")
	if g := c.graph(""); len(g.Nodes) != 0 {
		t.Errorf("too early: %v", g.Nodes)
	}
	clock.Advance(1)
	if g := c.graph(""); len(g.Nodes) != 1 {
		t.Errorf("not there: %v", g.Nodes)
	}
}

// TestPageIsAtRootAlone: every other path that is no method stays the API's 404, and looking
// leaves no trace in the journal.
func TestPageIsAtRootAlone(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	for _, tt := range []struct {
		method, path string
		status       int
		part         string
	}{
		{"GET", "/", 200, "<title>fakegce: load balancers</title>"},
		{"GET", "/?a=b", 200, "<title>fakegce: load balancers</title>"},
		{"HEAD", "/", 200, ""},
		{"GET", "/_emu/page/page.js", 200, "import"},
		{"GET", "/_emu/graph", 200, `{"projects":["p1"],"nodes":[],"edges":[],"more":{},"states":{}}`},
	} {
		if status, body := c.text(tt.method, tt.path); status != tt.status || !strings.Contains(body, tt.part) {
			t.Errorf("%s %s: %d %.200s", tt.method, tt.path, status, body)
		}
	}
	if calls := s.Calls(fakegce.CallFilter{}); len(calls) > 0 {
		t.Errorf("journal: %v", calls)
	}
	for _, tt := range [][2]string{{"POST", "/"}, {"DELETE", "/"}, {"GET", "/index.html"}, {"GET", "/x"}, {"GET", "/page.js"}, {"GET", "/compute/v1/"}, {"GET", "/favicon.ico"}} {
		if status, body := c.text(tt[0], tt[1]); status != 404 || !strings.Contains(body, "Error 404 (Not Found)!!1") {
			t.Errorf("%s %s: %d %.200s", tt[0], tt[1], status, body)
		}
	}
}

func (c client) text(method, path string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, c.base+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
