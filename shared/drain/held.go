package drain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Kind is a kind of thing that a cluster holds, in the words of a table.
type Kind string

// The kinds, in the order in which they are told.
const (
	Group          Kind = "group"
	Entry          Kind = "backend entry"
	BackendService Kind = "backend service"
	HealthCheck    Kind = "health check"
	ByGKE          Kind = "group of GKE's own controller"
	Unproved       Kind = "group that names the cluster"
)

var kinds = []Kind{Group, Entry, BackendService, HealthCheck, ByGKE, Unproved}

// Ours tells whether reconcile removes such a thing.
func (k Kind) Ours() bool { return k != ByGKE && k != Unproved }

// A Held is one thing that a cluster holds.
type Held struct {
	Kind    Kind
	Project string
	Name    string  // ZONE/NAME, REGION/NAME, global/NAME; of an entry, BACKEND-SERVICE of GROUP
	Key     neg.Key // whose look removes it; zero: nobody's
	Size    int     // endpoints of a group
	// Users are somebody else's things that use it. It stays as long as they do.
	Users []string
}

// A Cluster is whose things are looked for.
type Cluster struct{ Name, UID string }

// A Listing is what was listed of one project, whole.
type Listing struct {
	Project  string
	Groups   []neg.ListedGroup    // those whose description holds the cluster's UID
	Services []neg.BackendService // all
	Checks   []neg.HealthCheck    // those whose description holds the cluster's token
}

// Held is what of a listing is the cluster's, by kind, project and name.
func (c Cluster) Held(l Listing) []Held {
	w := work{cluster: c, listing: l, groups: map[neg.GroupID]neg.Key{}, marks: map[string]neg.Key{}}
	w.ofGroups()
	w.ofServices()
	w.ofChecks()
	w.ofEntries() // last: they know their keys by what was found
	for i := range w.held {
		w.held[i].Project = l.Project
	}
	return sorted(w.held)
}

func sorted(held []Held) []Held {
	slices.SortStableFunc(held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name))
	})
	return held
}

// work is one listing, judged.
type work struct {
	cluster Cluster
	listing Listing
	held    []Held
	groups  map[neg.GroupID]neg.Key // that are ours
	marks   map[string]neg.Key      // of the entries of each key
}

// key is whose a description proves a thing to be; false: nobody's of this cluster.
func (w *work) key(description string) (neg.Key, bool) {
	o, err := neg.ParseOwner(description)
	k := neg.Key{Cluster: w.cluster.Name, Namespace: o.Namespace, Service: o.Service}
	if err != nil || k.Service == "" || k.Validate() != nil || !o.Owns(w.cluster.UID, k) {
		return neg.Key{}, false
	}
	w.marks[neg.BackendMark(w.cluster.UID, k)] = k
	return k, true
}

func (w *work) ofGroups() {
	for _, g := range w.listing.Groups {
		h := Held{Name: g.GroupID.String(), Size: g.Size}
		gke, fromGKE := neg.ParseGKEOwner(g.Description)
		k, ours := w.key(g.Description)
		switch {
		case ours:
			h.Kind, h.Key, h.Users = Group, k, w.strangers(g.GroupID)
			w.groups[g.GroupID] = k
		case fromGKE && gke.UID == w.cluster.UID:
			h.Kind, h.Users = ByGKE, w.strangers(g.GroupID)
			// What negfleet put such a group into is its own.
			k := neg.Key{Cluster: w.cluster.Name, Namespace: gke.Namespace, Service: gke.Service}
			w.marks[neg.BackendMark(w.cluster.UID, k)] = k
		case strings.Contains(g.Description, w.cluster.UID):
			h.Kind, h.Users = Unproved, w.strangers(g.GroupID)
		default:
			continue // the API found the UID in another way than we do
		}
		w.held = append(w.held, h)
	}
}

// strangers are the backend services that use a group by entries without our mark.
func (w *work) strangers(id neg.GroupID) (names []string) {
	for _, s := range w.listing.Services {
		if slices.ContainsFunc(s.Backends, func(b neg.Backend) bool { return b.Group == id && !w.marked(b) }) {
			names = append(names, "backend service "+s.ID.String())
		}
	}
	return names
}

// marked tells whether an entry carries the mark of a key of the cluster.
func (w *work) marked(b neg.Backend) bool {
	return strings.HasPrefix(text(b.Fields, "description"), neg.ClusterMark(w.cluster.UID))
}

func (w *work) ofServices() {
	for _, s := range w.listing.Services {
		if k, ours := w.key(text(s.Fields, "description")); ours {
			w.held = append(w.held, Held{Kind: BackendService, Name: s.ID.String(), Key: k, Users: s.Users})
		}
	}
}

func (w *work) ofChecks() {
	for _, h := range w.listing.Checks {
		k, ours := w.key(text(h.Fields, "description"))
		if !ours {
			continue
		}
		held := Held{Kind: HealthCheck, Name: h.ID.String(), Key: k}
		for _, s := range w.listing.Services {
			if _, ours := w.key(text(s.Fields, "description")); !ours && s.HealthCheck == h.ID {
				held.Users = append(held.Users, "backend service "+s.ID.String())
			}
		}
		w.held = append(w.held, held)
	}
}

func (w *work) ofEntries() {
	for _, s := range w.listing.Services {
		for _, b := range s.Backends {
			if w.marked(b) {
				w.held = append(w.held, Held{Kind: Entry, Name: fmt.Sprintf("%s of %s", s.ID, b.Group), Key: w.marks[text(b.Fields, "description")]})
			}
		}
	}
}

func text(f neg.Fields, name string) string {
	s, _ := f[name].(string)
	return s
}

// A Count is how much is held, by kind. Endpoints are those of the cluster's own groups.
type Count struct {
	Groups          int `json:"groups"`
	Endpoints       int `json:"endpoints"`
	Entries         int `json:"backendEntries"`
	BackendServices int `json:"backendServices"`
	HealthChecks    int `json:"healthChecks"`
	ByGKE           int `json:"groupsOfGKE"`
	Unproved        int `json:"groupsUnproved"`
}

// CountOf counts.
func CountOf(held []Held) (c Count) {
	for _, h := range held {
		switch h.Kind {
		case Group:
			c.Groups++
			c.Endpoints += h.Size
		case Entry:
			c.Entries++
		case BackendService:
			c.BackendServices++
		case HealthCheck:
			c.HealthChecks++
		case ByGKE:
			c.ByGKE++
		case Unproved:
			c.Unproved++
		}
	}
	return c
}

// A Line is one kind of a Count, named.
type Line struct {
	One, Name string // of one, and of more
	Number    int
}

// Lines are the kinds in order; those that are seldom there only if they are.
func (c Count) Lines() []Line {
	lines := []Line{
		{"group", "groups", c.Groups}, {"endpoint", "endpoints", c.Endpoints}, {"backend entry", "backend entries", c.Entries},
		{"backend service", "backend services", c.BackendServices}, {"health check", "health checks", c.HealthChecks},
	}
	if c.ByGKE > 0 {
		lines = append(lines, Line{"group of GKE's own controller", "groups of GKE's own controller", c.ByGKE})
	}
	if c.Unproved > 0 {
		lines = append(lines, Line{"group that names the cluster", "groups that name the cluster", c.Unproved})
	}
	return lines
}

func (c Count) String() string {
	var parts []string
	for _, l := range c.Lines() {
		parts = append(parts, neg.Count(l.Number, l.One, l.Name))
	}
	return strings.Join(parts, ", ")
}
