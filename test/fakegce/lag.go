package fakegce

import (
	"maps"
	"slices"
	"time"
)

// past is what listed resources were before each of their latest changes. It
// keeps no more than can still be asked for, and nothing where lists do not lag.
// The server's lock guards it.
type past struct {
	reach   time.Duration // how far back lists may look
	changes map[shelf][]change
}

// change is what a resource was until a time.
type change struct {
	until   time.Time
	name    string
	doc     doc // nil: clients could not see it
	members []member
}

// since are the changes of a shelf after a time, the oldest of each resource.
func (p *past) since(sh shelf, then time.Time) map[string]change {
	oldest := map[string]change{}
	for _, ch := range slices.Backward(p.changes[sh]) {
		if !ch.until.After(then) {
			break
		}
		oldest[ch.name] = ch
	}
	return oldest
}

func (p *past) add(sh shelf, ch change) {
	kept := p.changes[sh]
	stale := slices.IndexFunc(kept, func(old change) bool { return old.until.After(ch.until.Add(-p.reach)) })
	if stale < 0 {
		stale = len(kept)
	}
	clear(kept[:stale])
	p.changes[sh] = append(kept[stale:], ch)
}

// reachBack lets lists look that far back from now on: what changed earlier was
// not kept.
func (s *Server) reachBack(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past.reach = max(s.past.reach, lag)
}

// remember keeps what a resource is before it changes; the lock is held. What is
// seeded does not pass by here: it is listed at once.
func (s *Server) remember(r ref) {
	if s.past.reach <= 0 {
		return
	}
	ch := change{until: s.clock.Now(), name: r.name}
	if res := s.store.find(r); res != nil {
		ch.doc = s.show(collection{view: viewed[r.collection]}, res)
		if g, ok := res.state.(*group); ok {
			ch.members = g.members
		}
	}
	s.past.add(r.shelf, ch)
}

// viewed are the collections whose documents depend on other resources.
var viewed = map[string]func(*Server, *resource) doc{
	backendServices.name: viewBackendService,
	addresses.name:       viewAddress,
}

// rememberUsed keeps those of refs whose documents say who uses them.
func (s *Server) rememberUsed(refs ...ref) {
	for _, r := range refs {
		if viewed[r.collection] != nil {
			s.remember(r)
		}
	}
}

// listed are the documents of a shelf as they were lag ago; the lock is held.
// Places and operations do not lag.
func (s *Server) listed(coll collection, sh shelf, lag time.Duration) []doc {
	if coll.docs != nil {
		return coll.docs(s, sh)
	}
	was := map[string]change{}
	if lag > 0 {
		was = s.past.since(sh, s.clock.Now().Add(-lag))
	}
	found := s.store.visible(sh)
	docs := make([]doc, 0, len(found))
	for _, res := range found {
		if _, changed := was[res.ref.name]; !changed {
			docs = append(docs, s.show(coll, res))
		}
	}
	for ch := range maps.Values(was) {
		if ch.doc != nil {
			docs = append(docs, ch.doc)
		}
	}
	return docs
}

// membersOf are a group's members as they were lag ago; the lock is held. That
// the group is there is not a matter of lists.
func (s *Server) membersOf(res *resource, lag time.Duration) []member {
	if lag > 0 {
		if ch, changed := s.past.since(res.ref.shelf, s.clock.Now().Add(-lag))[res.ref.name]; changed {
			return ch.members
		}
	}
	return res.state.(*group).members
}

// lag is how far behind the lists of a call are.
func (s *Server) lag(c *call) time.Duration {
	if c.fault.f != nil && c.fault.f.ListLag > 0 {
		return time.Duration(c.fault.f.ListLag)
	}
	return s.opts.ListLag
}
