package page

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// What a graph holds at most.
const (
	MaxNodes     = 300 // of each column
	MaxEndpoints = 50  // of a group that is open
	preview      = 5   // endpoints of any other
)

// columns are the collections drawn, from left to right.
var columns = map[string]int{
	"forwardingRules":       0,
	"targetHttpProxies":     1,
	"targetHttpsProxies":    1,
	"urlMaps":               2,
	"backendServices":       3,
	"networkEndpointGroups": 4,
}

const lastColumn = 4

// View is which part of a snapshot to draw.
type View struct {
	Project string          // all if empty
	Match   string          // part of a name, an address or an instance, whatever the case
	Open    map[string]bool // paths of the groups to show more endpoints of
}

// Graph is what the page draws.
type Graph struct {
	Projects []string             `json:"projects"`
	Nodes    []Node               `json:"nodes"`  // as they are drawn: by column, then downwards
	Edges    []Edge               `json:"edges"`  // between these
	More     map[int]int          `json:"more"`   // nodes left out, by column
	States   map[health.State]int `json:"states"` // endpoints of all groups, by the worst that is reported
}

// Edge is a link, by the paths of its ends.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// vertex is a resource while the graph is made.
type vertex struct {
	*Resource
	place
	column     int
	next, prev []*vertex
	reached    bool // a forwarding rule leads here
	order      int  // in which a walk from the left finds it; 0: not yet
	kept       bool
	members    []member // of a group, the worst first
	matched    []member // those that the filter asks for; all without one
}

// NewGraph draws a part of a snapshot.
func NewGraph(s Snapshot, view View) Graph {
	all := link(s.Resources)
	order(all)
	for _, v := range all {
		v.members = merge(v.Endpoints, v.Left, v.Health)
	}
	filter(all, view)
	g := Graph{Projects: append([]string{}, s.Projects...), Nodes: []Node{}, Edges: []Edge{}, More: map[int]int{}, States: map[health.State]int{}}
	drawn := map[*vertex]bool{}
	inColumn := [lastColumn + 1]int{}
	for _, v := range all {
		if !v.kept {
			continue
		}
		for _, m := range v.matched {
			g.States[m.worst]++
		}
		if inColumn[v.column]++; inColumn[v.column] > MaxNodes {
			g.More[v.column]++
			continue
		}
		drawn[v] = true
		g.Nodes = append(g.Nodes, v.node(view))
	}
	for _, v := range all {
		for _, to := range v.next {
			if drawn[v] && drawn[to] {
				g.Edges = append(g.Edges, Edge{v.Path, to.Path})
			}
		}
	}
	return g
}

// link finds the resources that are drawn and what they lead to.
func link(resources []Resource) []*vertex {
	byPath := map[string]*vertex{}
	for i := range resources {
		r := &resources[i]
		p := placeOf(r.Path)
		if column, ok := columns[p.collection]; ok {
			byPath[r.Path] = &vertex{Resource: r, place: p, column: column}
		}
	}
	all := slices.SortedFunc(maps.Values(byPath), func(a, b *vertex) int {
		return cmp.Or(cmp.Compare(a.column, b.column), cmp.Compare(a.name, b.name), cmp.Compare(a.Path, b.Path))
	})
	for _, v := range all {
		for _, use := range slices.Compact(slices.Sorted(slices.Values(v.Uses))) {
			if to := byPath[use]; to != nil && to.column > v.column {
				v.next, to.prev = append(v.next, to), append(to.prev, v)
			}
		}
	}
	return all
}

// order sorts a column by when a walk from the left finds its nodes, so that what
// belongs together is near and few edges cross. What no forwarding rule leads to
// stands beside what it leads to itself, or else last.
func order(all []*vertex) {
	found := 0
	var walk func(v *vertex, reached bool)
	walk = func(v *vertex, reached bool) {
		if v.order > 0 {
			return
		}
		found++
		v.order, v.reached = found, reached
		for _, to := range v.next {
			walk(to, reached)
		}
	}
	for _, v := range all { // the left column first
		if beside := v.firstFound(); v.order == 0 && beside > 0 {
			walk(v, false)
			v.order = beside
			continue
		}
		walk(v, v.column == 0)
	}
	slices.SortStableFunc(all, func(a, b *vertex) int {
		return cmp.Or(cmp.Compare(a.column, b.column), cmp.Compare(a.order, b.order))
	})
}

// firstFound is the place of the first that a vertex leads to, of those found; 0 if
// there is none. A forwarding rule has its own place.
func (v *vertex) firstFound() int {
	first := 0
	for _, to := range v.next {
		if v.column > 0 && to.order > 0 && (first == 0 || to.order < first) {
			first = to.order
		}
	}
	return first
}

// filter keeps what the view asks for, what leads to it and what it leads to.
func filter(all []*vertex, view View) {
	want := strings.ToLower(strings.TrimSpace(view.Match))
	for _, v := range all {
		v.matched = v.members
	}
	back := spread(func(v *vertex) []*vertex { return v.prev })
	forth := spread(func(v *vertex) []*vertex { return v.next })
	for _, v := range all {
		if view.Project == "" || v.project == view.Project {
			if v.match(want) {
				back(v)
				forth(v)
			}
		}
	}
}

// spread keeps a vertex and all that steps lead to from it.
func spread(steps func(*vertex) []*vertex) func(*vertex) {
	seen := map[*vertex]bool{}
	var visit func(*vertex)
	visit = func(v *vertex) {
		if seen[v] {
			return
		}
		seen[v], v.kept = true, true
		for _, to := range steps(v) {
			visit(to)
		}
	}
	return visit
}

// match tells whether a vertex is what the filter asks for. A group that is so by
// its endpoints alone shows only those.
func (v *vertex) match(want string) bool {
	if contains(v.name, want) || contains(text(v.Doc["IPAddress"]), want) {
		return true
	}
	var matched []member
	for _, m := range v.members {
		if contains(m.address(), want) || contains(m.Instance, want) {
			matched = append(matched, m)
		}
	}
	if matched == nil {
		return false
	}
	v.matched = matched
	return true
}

func contains(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }
