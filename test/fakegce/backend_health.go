package fakegce

import (
	"slices"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// getHealth answers how a group's endpoints are as backends of the service:
// nothing for a service that no forwarding rule leads to.
func (s *Server) getHealth(c *call) (any, *apiError) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	link, _ := in["group"].(string)
	if link == "" {
		return nil, errRequired("resource.group")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	res := s.store.find(c.ref(backendServices.name))
	if res == nil {
		return nil, errNotFound(c.ref(backendServices.name).path())
	}
	group, ok := parseLink(link, shelf{c.project, c.scope, groups.name})
	if !ok || !slices.Contains(s.store.uses[res.ref], group) {
		return nil, errInvalid("resource.group", link, "The group is not a backend of the backend service '%s'.", res.ref.path())
	}
	answer := doc{"kind": "compute#backendServiceGroupHealth"}
	if statuses := s.healthStatuses(group, res.ref); len(statuses) > 0 {
		answer["healthStatus"] = statuses
	}
	return answer, nil
}

func (s *Server) healthStatuses(groupRef, service ref) []doc {
	lookers := s.lookers(groupRef)
	i := slices.IndexFunc(lookers, func(l looker) bool { return l.target.service == service })
	if i < 0 {
		return nil
	}
	var statuses []doc
	for _, m := range shown(s.store.find(groupRef), lookers[i:i+1]) {
		state := lookers[i].state(&m)
		if state == health.Absent {
			continue
		}
		statuses = append(statuses, m.healthStatus(state))
	}
	return statuses
}

func (m *member) healthStatus(state health.State) doc {
	status := doc{"healthState": state}
	for field, text := range map[string]string{
		"instance": m.endpoint.Instance, "ipAddress": m.endpoint.IPAddress, "ipv6Address": m.endpoint.IPv6Address,
	} {
		if text != "" {
			status[field] = text
		}
	}
	if m.endpoint.Port != 0 {
		status["port"] = m.endpoint.Port
	}
	if len(m.endpoint.Annotations) > 0 {
		status["annotations"] = m.endpoint.Annotations
	}
	return status
}

// listUsable is list under another kind: nobody here lacks a permission.
func listUsable(s *Server, c *call) (any, *apiError) {
	answer, err := listOne(backendServices.collection)(s, c)
	if err != nil {
		return nil, err
	}
	return answer.(doc).with("kind", "compute#usableBackendServiceList"), nil
}
