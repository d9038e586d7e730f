package fakegce

import (
	"cmp"
	"slices"
)

// State is a snapshot of what clients can see.
type State struct {
	Projects  []string   `json:"projects"`
	Groups    []Group    `json:"groups"`
	Instances []Instance `json:"instances"`
	Resources []Resource `json:"resources"` // of load balancers
	Running   int        `json:"running"`   // operations that are not done
}

// Group is a network endpoint group in a snapshot.
type Group struct {
	Project     string            `json:"project"`
	Zone        string            `json:"zone"` // or region, or empty
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Network     string            `json:"network,omitempty"`
	Subnetwork  string            `json:"subnetwork,omitempty"`
	Description string            `json:"description,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Endpoints   []Endpoint        `json:"endpoints"` // by address
}

// Endpoint is a member of a group in a snapshot.
type Endpoint struct {
	Instance    string            `json:"instance,omitempty"` // its name
	Address     string            `json:"address"`            // ip:port
	Annotations map[string]string `json:"annotations,omitempty"`
}

// State takes a snapshot.
func (s *Server) State() State {
	s.mu.RLock()
	defer s.mu.RUnlock()
	state := State{Projects: []string{}, Groups: []Group{}, Instances: []Instance{}, Resources: s.store.resourceSnapshots()}
	for project := range s.store.projects {
		state.Projects = append(state.Projects, project)
	}
	slices.Sort(state.Projects)
	for sh, shelved := range s.store.shelves {
		for _, res := range shelved {
			switch inner := res.state.(type) {
			case *group:
				if !res.creating {
					state.Groups = append(state.Groups, snapshot(res, inner))
				}
			case *instance:
				if !res.creating {
					state.Instances = append(state.Instances, inner.snapshot(sh, res.ref.name))
				}
			}
		}
	}
	for _, op := range s.opOrder {
		if op.ended.IsZero() {
			state.Running++
		}
	}
	slices.SortFunc(state.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(state.Instances, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name))
	})
	return state
}

// Groups is the groups of State.
func (s *Server) Groups() []Group { return s.State().Groups }

func snapshot(res *resource, g *group) Group {
	out := Group{
		Project: res.ref.project, Zone: res.ref.scope.name, Name: res.ref.name,
		Network: g.network.name, Subnetwork: g.subnetwork.name,
		Endpoints: make([]Endpoint, len(g.members)),
	}
	out.Type, _ = res.doc["networkEndpointType"].(string)
	out.Description, _ = res.doc["description"].(string)
	out.Annotations, _ = res.doc["annotations"].(map[string]string)
	for i, m := range g.members {
		out.Endpoints[i] = Endpoint{m.instance, m.endpoint.address().String(), m.endpoint.Annotations}
	}
	slices.SortFunc(out.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Address, b.Address) })
	return out
}

func (in *instance) snapshot(sh shelf, name string) Instance {
	n := in.nics[0]
	out := Instance{
		Project: sh.project, Zone: sh.scope.name, Name: name,
		IP: n.ip.String(), Network: n.network.name, Subnetwork: n.subnetwork.name,
	}
	for _, alias := range n.aliases {
		out.AliasRanges = append(out.AliasRanges, alias.String())
	}
	return out
}
