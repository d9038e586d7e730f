package fakegce

import (
	"fmt"
	"sort"
	"strconv"
)

type listEndpointsInput struct {
	HealthStatus string `json:"healthStatus"`
}

// listEndpoints pages by attachment order: a token survives what is attached or
// detached between two pages.
func (s *Server) listEndpoints(c *call) (any, *apiError) {
	var in listEndpointsInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch in.HealthStatus {
	case "", "SKIP", "SHOW":
	default:
		return nil, errInvalid("resource.healthStatus", in.HealthStatus, "Must be SHOW or SKIP.")
	}
	lq, err := parseListQuery(c.query)
	if err != nil {
		return nil, err
	}
	after, parseErr := strconv.ParseUint("0"+lq.after, 10, 64)
	if parseErr != nil {
		return nil, errInvalid("pageToken", c.query.Get("pageToken"), "Invalid page token.")
	}
	members, lookers, err := s.members(c, in.HealthStatus == "SHOW")
	if err != nil {
		return nil, err
	}
	items, next := endpointPage(members, lq, after)
	for i := range items {
		items[i].Healths = healths(lookers, items[i].member)
	}
	c.endpoints = len(items)
	answer := doc{"kind": "compute#networkEndpointGroupsListNetworkEndpoints"}
	if len(items) > 0 {
		answer["items"] = items
	}
	if next != "" {
		answer["nextPageToken"] = next
	}
	return answer, nil
}

// members is a group's slice; appending to it or replacing it does not disturb
// a reader. With health there are the backend services too that look at it, and
// what they drain, which lists that lag leave out.
func (s *Server) members(c *call, withHealth bool) ([]member, []looker, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, lag := c.ref(groups.name), s.lag(c)
	res := s.store.find(r)
	if res == nil {
		return nil, nil, errNotFound(r.path())
	}
	members := s.membersOf(res, lag)
	if !withHealth {
		return members, nil, nil
	}
	lookers := s.lookers(r)
	if !s.opts.DrainingHidden && lag <= 0 {
		members = shown(res, lookers)
	}
	return members, lookers, nil
}

// endpointStatus is an item of listNetworkEndpoints. No backend service means
// no health, with SHOW as with SKIP.
type endpointStatus struct {
	NetworkEndpoint *NetworkEndpoint `json:"networkEndpoint"`
	Healths         []doc            `json:"healths,omitempty"`

	member *member
}

func endpointPage(members []member, lq listQuery, after uint64) ([]endpointStatus, string) {
	start := sort.Search(len(members), func(i int) bool { return members[i].seq > after })
	items := make([]endpointStatus, 0, min(lq.max, len(members)-start))
	last := uint64(0)
	for i := start; i < len(members); i++ {
		m := &members[i]
		if lq.match != nil && !lq.match(m.doc()) {
			continue
		}
		if len(items) == lq.max {
			return items, pageToken(lq.order, fmt.Sprint(last))
		}
		items = append(items, endpointStatus{NetworkEndpoint: &m.endpoint, member: m})
		last = m.seq
	}
	return items, ""
}

// doc is what a filter sees: an endpoint's fields, by themselves and below
// networkEndpoint.
func (m *member) doc() doc {
	ep := doc{
		"instance": m.endpoint.Instance, "ipAddress": m.endpoint.IPAddress, "port": m.endpoint.Port,
		"fqdn": m.endpoint.FQDN, "annotations": m.endpoint.Annotations,
	}
	return ep.with("networkEndpoint", ep)
}
