package page

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

var update = flag.Bool("update", false, "rewrite the graphs of testdata")

// TestGraph: each file is a sentence, a snapshot, a view and the graph of it. A line
// of the snapshot is a resource of project p, "global/urlMaps/m {DOCUMENT} -> LINKS";
// below a group stand its endpoints, "ADDRESS INSTANCE SERVICE=STATE…", those that have
// left it after a minus.
func TestGraph(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range a.Files {
				parts[f.Name] = string(f.Data)
			}
			got := describe(NewGraph(parseSnapshot(t, parts["snapshot"]), parseView(t, parts["view"])))
			if *update {
				a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "graph" })
				a.Files = append(a.Files, txtar.File{Name: "graph", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(parts["graph"], got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func absolute(path string) string {
	if strings.HasPrefix(path, "projects/") {
		return path
	}
	return "projects/p/" + path
}

func parseSnapshot(t *testing.T, text string) Snapshot {
	t.Helper()
	s := Snapshot{Projects: []string{"p"}}
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "\t"); ok {
			addEndpoint(t, &s.Resources[len(s.Resources)-1], strings.Fields(rest))
			continue
		}
		line, links, _ := strings.Cut(line, " -> ")
		path, document, _ := strings.Cut(line, " ")
		r := Resource{Path: absolute(path)}
		if document != "" {
			if err := json.Unmarshal([]byte(document), &r.Doc); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		for _, link := range strings.Fields(links) {
			r.Uses = append(r.Uses, absolute(link))
		}
		s.Resources = append(s.Resources, r)
	}
	return s
}

func addEndpoint(t *testing.T, r *Resource, fields []string) {
	t.Helper()
	address, left := strings.CutPrefix(fields[0], "-")
	e := Endpoint{Host: address, Instance: fields[1]}
	if at, err := netip.ParseAddrPort(address); err == nil {
		e.At = at
	} else if ip, err := netip.ParseAddr(address); err == nil {
		e.At = netip.AddrPortFrom(ip, 0)
	}
	if left {
		r.Left = append(r.Left, e)
	} else {
		r.Endpoints = append(r.Endpoints, e)
	}
	for _, field := range fields[2:] {
		service, state, _ := strings.Cut(field, "=")
		state, forced := strings.CutSuffix(state, "!")
		r.Health = append(r.Health, health.Health{Endpoint: e.At, Service: absolute("global/backendServices/" + service), State: health.State(state), Forced: forced})
	}
}

func parseView(t *testing.T, text string) View {
	t.Helper()
	v := View{Open: map[string]bool{}}
	for _, word := range strings.Fields(text) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "project":
			v.Project = value
		case "match":
			v.Match = value
		case "open":
			v.Open[absolute(value)] = true
		default:
			t.Fatalf("view %q", word)
		}
	}
	return v
}

// describe writes a graph with two spaces for each column.
func describe(g Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		indent := strings.Repeat("  ", n.Column)
		b.WriteString(indent + n.ID)
		if n.Unreached {
			b.WriteString(" (unreached)")
		}
		line := func(format string, values ...any) { fmt.Fprintf(&b, "\n"+indent+"| "+format, values...) }
		if len(n.Facts) > 0 {
			line("%s", strings.Join(n.Facts, ", "))
		}
		for _, note := range n.Notes {
			line("note: %s", note)
		}
		for _, tally := range n.Health {
			line("%s: %s", placeOf(tally.Service).name, counts(tally.States))
		}
		for _, e := range n.Endpoints {
			line("%s", describeEndpoint(e))
		}
		if n.MoreEndpoints > 0 {
			line("and %d more", n.MoreEndpoints)
		}
		b.WriteString("\n")
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "%s -> %s\n", e.From, e.To)
	}
	for _, column := range slices.Sorted(maps.Keys(g.More)) {
		fmt.Fprintf(&b, "column %d: %d more\n", column, g.More[column])
	}
	return b.String() + "endpoints: " + counts(g.States) + "\n"
}

func describeEndpoint(e EndpointHealth) string {
	words := []string{e.Address, e.Instance, string(e.State)}
	if e.Detached {
		words = append(words, "detached")
	}
	for _, r := range e.Reports {
		word := placeOf(r.Service).name + "=" + string(r.State)
		if r.Forced {
			word += "!"
		}
		words = append(words, word)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

func counts(states map[health.State]int) string {
	var words []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		words = append(words, fmt.Sprintf("%d %s", states[state], state))
	}
	return strings.Join(words, ", ")
}
