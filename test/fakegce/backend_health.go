package fakegce

import "slices"

// getHealth answers what is known of a group's endpoints as backends of the
// service. What is not known is left out.
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
	return doc{"kind": "compute#backendServiceGroupHealth"}, nil
}

// listUsable is list under another kind: nobody here lacks a permission.
func listUsable(s *Server, c *call) (any, *apiError) {
	answer, err := listOne(backendServices.collection)(s, c)
	if err != nil {
		return nil, err
	}
	return answer.(doc).with("kind", "compute#usableBackendServiceList"), nil
}
