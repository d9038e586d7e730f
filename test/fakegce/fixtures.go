package fakegce

import (
	"net/netip"
	"regexp"
	"strconv"
)

// projectID is generous: domain-scoped ids and project numbers pass.
var projectID = regexp.MustCompile(`^[a-z0-9][-a-z0-9.:]{0,62}$`)

// ensureProject makes a project at its first touch, as if it had always existed.
func (s *Server) ensureProject(project string) {
	s.mu.RLock()
	_, ok := s.store.projects[project]
	s.mu.RUnlock()
	if ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeProject(project)
}

func (s *Server) makeProject(project string) {
	if _, ok := s.store.projects[project]; ok {
		return
	}
	s.store.projects[project] = s.store.nextID() % 1_000_000_000_000
	s.putNetwork(Network{Project: project, Name: "default", AutoCreateSubnetworks: true})
}

// instance is what endpoints are checked against.
type instance struct{ nics []nic }

type nic struct {
	network, subnetwork ref
	ip                  netip.Addr
	aliases             []netip.Prefix
}

// on is the interface in a group's network, or subnetwork where it has one.
func (in *instance) on(network, subnetwork ref) *nic {
	for i := range in.nics {
		n := &in.nics[i]
		if n.network == network && (subnetwork == ref{} || n.subnetwork == subnetwork) {
			return n
		}
	}
	return nil
}

func (n *nic) owns(ip netip.Addr) bool {
	if n.ip == ip {
		return true
	}
	for _, alias := range n.aliases {
		if alias.Contains(ip) {
			return true
		}
	}
	return false
}

func networkRef(project, name string) ref {
	return ref{shelf{project, scope{kind: global}, "networks"}, name}
}

func subnetworkRef(project, regionName, name string) ref {
	return ref{shelf{project, scope{kind: region, name: regionName}, "subnetworks"}, name}
}

// newResource makes the fields every resource has, for the lock's holder.
func (s *Server) newResource(r ref, kind string) *resource {
	res := &resource{ref: r, id: s.store.nextID()}
	res.doc = doc{
		"kind":              kind,
		"id":                strconv.FormatUint(res.id, 10),
		"creationTimestamp": stamp(s.clock.Now()),
		"name":              r.name,
		"selfLink":          r.link(),
	}
	switch r.scope.kind {
	case zonal:
		res.doc["zone"] = scopeLink(r.project, r.scope)
	case region:
		res.doc["region"] = scopeLink(r.project, r.scope)
	}
	return res
}

func zoneDocs(_ *Server, sh shelf) []doc {
	docs := make([]doc, 0, len(zoneRegion))
	for _, p := range places {
		for _, zone := range p.zones {
			docs = append(docs, doc{
				"kind":              "compute#zone",
				"id":                placeID(zone),
				"creationTimestamp": placesSince,
				"name":              zone,
				"description":       zone,
				"status":            "UP",
				"region":            scopeLink(sh.project, scope{region, p.region}),
				"selfLink":          scopeLink(sh.project, scope{zonal, zone}),
			})
		}
	}
	return docs
}

func regionDocs(s *Server, sh shelf) []doc {
	docs := make([]doc, 0, len(places))
	for _, p := range places {
		zones := make([]string, len(p.zones))
		for i, zone := range p.zones {
			zones[i] = scopeLink(sh.project, scope{zonal, zone})
		}
		docs = append(docs, doc{
			"kind":              "compute#region",
			"id":                placeID(p.region),
			"creationTimestamp": placesSince,
			"name":              p.region,
			"description":       p.region,
			"status":            "UP",
			"selfLink":          scopeLink(sh.project, scope{region, p.region}),
			"zones":             zones,
			"quotas":            s.quotaDocs(sh.project, p.region),
		})
	}
	return docs
}

const placesSince = "1969-12-31T16:00:00.000-08:00"

// placeID is the same number for the same place in every run.
func placeID(name string) string {
	id := uint64(1000)
	for _, ch := range []byte(name) {
		id = id*31%1_000_000_007 + uint64(ch)
	}
	return strconv.FormatUint(id, 10)
}

func (s *Server) getProject(c *call) (any, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	number := strconv.FormatUint(s.store.projects[c.project], 10)
	return doc{
		"kind":                  "compute#project",
		"id":                    number,
		"creationTimestamp":     placesSince,
		"name":                  c.project,
		"selfLink":              linkRoot + "projects/" + c.project,
		"defaultServiceAccount": number + "-compute@developer.gserviceaccount.com",
		"defaultNetworkTier":    "PREMIUM",
		"xpnProjectStatus":      "UNSPECIFIED_XPN_PROJECT_STATUS",
		"quotas":                s.quotaDocs(c.project, ""),
	}, nil
}

// deleteInstance takes its endpoints along: a group must not point at nothing.
func (s *Server) deleteInstance(c *call) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.mutable(c.ref(instances.name))
	if err != nil {
		return nil, err
	}
	res.deleting = true
	return s.begin(c, mutation{kind: "delete", target: res}), nil
}

// mutable is a resource that a mutation may be begun on.
func (s *Server) mutable(r ref) (*resource, *apiError) {
	res := s.store.shelves[r.shelf][r.name]
	switch {
	case res == nil:
		return nil, errNotFound(r.path())
	case res.creating || res.deleting:
		return nil, errNotReady(r.path())
	}
	return res, nil
}
