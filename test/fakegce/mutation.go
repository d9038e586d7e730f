package fakegce

// mutation is what a method wants done, in values alone: an operation under way
// can be written down and go on in another process.
type mutation struct {
	kind    string // as in operationType
	target  *resource
	draft   *draft   // what a change leaves of its target
	before  []ref    // what the target referred to before a change
	members []member // that an attach or a detach names

	// settled is a mutation whose outcome is known before its operation ends: a
	// fault chose it, or the effect came at acceptance.
	settled bool
	outcome *OperationError
}

// open tells whether an effect, or taking one back, is still to come.
func (m *mutation) open() bool { return !m.settled || m.outcome != nil }

func (m *mutation) settle(outcome *OperationError) { m.settled, m.outcome = true, outcome }

// commit gives a mutation its effect; the lock is held.
func (s *Server) commit(m mutation, cause Cause) *OperationError {
	if chain[m.target.ref.collection] {
		defer s.aim()
	}
	switch m.kind {
	case "insert":
		return s.commitInsert(m.target, cause)
	case "delete":
		if err := s.networkInUse(m.target); err != nil {
			return err
		}
		s.commitDelete(m.target, cause)
		return nil
	case "attachNetworkEndpoints":
		return s.attach(batch{m.target, m.members}, cause)
	case "detachNetworkEndpoints":
		return s.detach(batch{m.target, m.members}, cause)
	}
	s.remember(m.target.ref)
	m.target.doc = m.draft.doc
	s.store.use(m.target.ref, m.draft.uses)
	return nil
}

// rollback takes back what accepting a mutation did; the lock is held.
func (s *Server) rollback(m mutation) {
	switch {
	case m.kind == "insert":
		s.store.remove(m.target.ref)
	case m.kind == "delete":
		m.target.deleting = false
	case m.draft != nil:
		s.store.use(m.target.ref, m.before)
	}
}

func (s *Server) commitInsert(res *resource, cause Cause) *OperationError {
	if err := s.overQuota(res); err != nil {
		return err
	}
	s.remember(res.ref)
	res.creating = false
	s.opened(res)
	if res.ref.collection == groups.name {
		s.timeline.add(s.transition(res.ref, "created", nil, cause))
	}
	return nil
}

func (s *Server) commitDelete(res *resource, cause Cause) {
	s.remember(res.ref)
	s.store.remove(res.ref)
	s.closed(res)
	switch res.ref.collection {
	case groups.name:
		s.commitDeleteGroup(res, cause)
	case instances.name:
		s.dropEndpointsOf(res.ref, cause)
	}
}
