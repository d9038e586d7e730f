package fakegce

import (
	"maps"
	"math/rand/v2"
	"time"
)

// doc is a JSON object as served. Once stored it is never written again, so a
// reader may keep it after the lock is gone.
type doc map[string]any

// with is a copy of d that has one field more.
func (d doc) with(field string, value any) doc {
	c := maps.Clone(d)
	c[field] = value
	return c
}

// resource is one stored object.
type resource struct {
	ref      ref
	id       uint64
	doc      doc
	state    any // what rules need beyond the document: *group, *instance, *subnetwork
	creating bool
	deleting bool
	inFlight int // mutations accepted and not finished
}

// store holds every resource of every project. Its owner's lock guards it.
type store struct {
	projects map[string]uint64 // to their number
	shelves  map[shelf]map[string]*resource
	uses     map[ref][]ref        // by links, from the resource that holds them
	users    map[ref]map[ref]bool // the same, the other way
	lastID   uint64
	used     func(...ref) // called before those who use a resource change

	lastAddress int // of those given out to forwarding rules and reservations
}

func newStore() *store {
	return &store{
		projects: map[string]uint64{},
		shelves:  map[shelf]map[string]*resource{},
		uses:     map[ref][]ref{},
		users:    map[ref]map[ref]bool{},
		used:     func(...ref) {},
		lastID:   1_000_000_000_000_000_000 + rand.Uint64N(8_000_000_000_000_000_000),
	}
}

func (s *store) nextID() uint64 {
	s.lastID += 1 + rand.Uint64N(1000)
	return s.lastID
}

// find is a resource that clients can see, or nil.
func (s *store) find(r ref) *resource {
	res := s.shelves[r.shelf][r.name]
	if res == nil || res.creating {
		return nil
	}
	return res
}

func (s *store) put(res *resource) {
	if s.shelves[res.ref.shelf] == nil {
		s.shelves[res.ref.shelf] = map[string]*resource{}
	}
	s.shelves[res.ref.shelf][res.ref.name] = res
}

func (s *store) remove(r ref) {
	delete(s.shelves[r.shelf], r.name)
	s.use(r, nil)
	if len(s.users[r]) == 0 {
		delete(s.users, r)
	}
}

// visible lists what clients can see on one shelf, in no order.
func (s *store) visible(sh shelf) []*resource {
	all := make([]*resource, 0, len(s.shelves[sh]))
	for _, res := range s.shelves[sh] {
		if !res.creating {
			all = append(all, res)
		}
	}
	return all
}

// pacific is how Compute Engine writes its times.
var pacific = time.FixedZone("PST", -8*60*60)

func stamp(t time.Time) string {
	return t.In(pacific).Format("2006-01-02T15:04:05.000-07:00")
}
