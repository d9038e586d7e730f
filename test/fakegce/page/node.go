package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// Node is one resource as drawn. Fields that its kind does not have are empty.
type Node struct {
	ID        string   `json:"id"` // its path
	Column    int      `json:"column"`
	Kind      string   `json:"kind"` // the collection
	Name      string   `json:"name"`
	Project   string   `json:"project"`
	Scope     string   `json:"scope"`               // a zone, a region or "global"
	Facts     []string `json:"facts,omitempty"`     // what tells it from others of its kind
	Notes     []string `json:"notes,omitempty"`     // what a person should know of
	Unreached bool     `json:"unreached,omitempty"` // no forwarding rule leads here

	Health        []Tally          `json:"health,omitempty"` // of a backend service its own; of a group one for each
	Size          int              `json:"size,omitempty"`   // endpoints of a group
	Endpoints     []EndpointHealth `json:"endpoints,omitempty"`
	MoreEndpoints int              `json:"moreEndpoints,omitempty"` // not among Endpoints
	Open          bool             `json:"open,omitempty"`
}

// Tally counts endpoints by what one backend service reports of them.
type Tally struct {
	Service string               `json:"service"`
	States  map[health.State]int `json:"states"`
}

// EndpointHealth is an endpoint and what each backend service reports of it.
type EndpointHealth struct {
	Address     string            `json:"address"`
	Instance    string            `json:"instance,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Detached    bool              `json:"detached,omitempty"`
	State       health.State      `json:"state"` // the worst
	Reports     []Report          `json:"reports,omitempty"`
}

// Report is what one backend service says.
type Report struct {
	Service string       `json:"service"`
	Check   string       `json:"check,omitempty"`
	State   health.State `json:"state"`
	Forced  bool         `json:"forced,omitempty"`
}

func (v *vertex) node(view View) Node {
	n := Node{
		ID: v.Path, Column: v.column, Kind: v.collection, Name: v.name, Project: v.project, Scope: v.scope,
		Facts: v.facts(), Notes: v.notes(), Unreached: !v.reached,
	}
	switch v.column {
	case columns["backendServices"]:
		n.Health = v.serviceHealth()
	case columns["networkEndpointGroups"]:
		n.Health, n.Size, n.Open = v.groupHealth(), len(v.Endpoints), view.Open[v.Path]
		limit := preview
		if n.Open {
			limit = MaxEndpoints
		}
		shown := v.matched[:min(limit, len(v.matched))]
		for i := range shown {
			n.Endpoints = append(n.Endpoints, shown[i].health())
		}
		n.MoreEndpoints = len(v.matched) - len(shown)
	}
	return n
}

func (m *member) health() EndpointHealth {
	e := EndpointHealth{
		Address: m.address(), Instance: m.Instance, Annotations: m.Annotations, Detached: m.detached, State: m.worst,
	}
	for _, r := range m.reports {
		e.Reports = append(e.Reports, Report{r.Service, r.Check, r.State, r.Forced})
	}
	return e
}

// groupHealth has a tally for each backend service that uses the group or still
// reports of it.
func (v *vertex) groupHealth() []Tally {
	var services []string
	for _, user := range v.prev {
		services = append(services, user.Path)
	}
	for _, m := range v.members {
		for _, r := range m.reports {
			if !slices.Contains(services, r.Service) {
				services = append(services, r.Service)
			}
		}
	}
	var tallies []Tally
	for _, service := range services {
		if t := tally(service, v); len(t.States) > 0 {
			tallies = append(tallies, t)
		}
	}
	return tallies
}

func (v *vertex) serviceHealth() []Tally {
	if t := tally(v.Path, v.next...); len(t.States) > 0 {
		return []Tally{t}
	}
	return nil
}

// tally counts what a service reports of groups. What left a group counts only
// while it is reported of.
func tally(service string, groups ...*vertex) Tally {
	t := Tally{service, map[health.State]int{}}
	for _, g := range groups {
		for i := range g.members {
			state := g.members[i].stateFor(service)
			if state != Unreported || !g.members[i].detached {
				t.States[state]++
			}
		}
	}
	return t
}

func (v *vertex) notes() []string {
	var notes []string
	switch {
	case v.reached:
	case v.collection == "networkEndpointGroups" && len(v.prev) == 0:
		notes = append(notes, "no backend service uses it")
	default:
		notes = append(notes, "no forwarding rule leads here")
	}
	switch {
	case v.collection == "backendServices" && len(v.next) == 0:
		notes = append(notes, "no backends")
	case v.collection == "networkEndpointGroups" && len(v.members) == 0:
		notes = append(notes, "no endpoints")
	}
	return notes
}

func (v *vertex) facts() []string {
	var facts []string
	add := func(format string, values ...any) {
		if !slices.Contains(values, any("")) {
			facts = append(facts, fmt.Sprintf(format, values...))
		}
	}
	switch v.collection {
	case "forwardingRules":
		add("%s", v.traffic())
		add("%s", text(v.Doc["loadBalancingScheme"]))
	case "targetHttpProxies":
		add("HTTP")
	case "targetHttpsProxies":
		add("HTTPS")
	case "urlMaps":
		if n := length(v.Doc["hostRules"]); n > 0 {
			add("host rules: %d", n)
		}
	case "backendServices":
		add("%s", text(v.Doc["protocol"]))
		add("%s", text(v.Doc["loadBalancingScheme"]))
		for _, check := range texts(v.Doc["healthChecks"]) {
			add("check %s", placeOf(check).name)
		}
	case "networkEndpointGroups":
		add("%s", text(v.Doc["networkEndpointType"]))
	}
	return facts
}

// traffic is what a forwarding rule takes: "198.51.100.7:80 TCP".
func (v *vertex) traffic() string {
	ports := text(v.Doc["portRange"])
	if low, high, ok := strings.Cut(ports, "-"); ok && low == high {
		ports = low
	}
	if list := texts(v.Doc["ports"]); len(list) > 0 {
		ports = strings.Join(list, ",")
	}
	if ports == "" {
		ports = "*"
	}
	address := text(v.Doc["IPAddress"])
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return strings.TrimSpace(address + ":" + ports + " " + text(v.Doc["IPProtocol"]))
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

func texts(value any) []string {
	var list []string
	items, _ := value.([]any)
	for _, item := range items {
		list = append(list, text(item))
	}
	return list
}

func length(value any) int {
	items, _ := value.([]any)
	return len(items)
}
