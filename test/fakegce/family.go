package fakegce

import "maps"

// family is a collection that clients configure by insert, patch, update and
// delete: its resources are documents with defaults, rules and links. Fields
// that no rule reads are kept as they came.
type family struct {
	collection
	one      string              // the path parameter that names a resource
	links    map[string][]string // fields that hold links, and the collections these may lead to
	defaults doc
	stamped  bool // carries a fingerprint
	guarded  bool // a patch or an update has to name it
	labelled bool

	// complete fills in what depends on other fields, and validates.
	complete func(*Server, *draft) *apiError
}

// draft is a resource as a mutation would leave it.
type draft struct {
	ref  ref
	doc  doc
	uses []ref // what its links lead to

	state any // of a new resource, what rules need beyond the document
}

// identity is what a resource keeps for life.
var identity = []string{"kind", "id", "creationTimestamp", "name", "selfLink", "region"}

// outputOnly is what clients may send, as it is in what they have read, but not
// set.
var outputOnly = setOf("kind", "id", "creationTimestamp", "name", "selfLink", "selfLinkWithId", "region", "zone",
	"fingerprint", "labelFingerprint", "usedBy", "users", "status", "expireTime", "subjectAlternativeNames",
	"pscConnectionId", "pscConnectionStatus", "serviceName", "baseForwardingRule")

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// draft makes of a resource and of the fields that a client wants what the
// resource would be.
func (s *Server) draft(f *family, res *resource, in doc) (*draft, *apiError) {
	d := &draft{ref: res.ref, doc: doc{}}
	maps.Copy(d.doc, f.defaults)
	for field, value := range in {
		if !outputOnly[field] {
			d.doc[field] = value
		}
	}
	if err := s.resolveLinks(f, d); err != nil {
		return nil, err
	}
	for _, field := range identity {
		if value, ok := res.doc[field]; ok {
			d.doc[field] = value
		}
	}
	if err := f.complete(s, d); err != nil {
		return nil, err
	}
	if f.stamped {
		d.doc["fingerprint"] = newFingerprint()
	}
	if f.labelled {
		return d, d.completeLabels()
	}
	return d, nil
}

func insertOne(f *family) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		in, err := c.object()
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if again, err := s.replay(c); again != nil || err != nil {
			return again, err
		}
		r := ref{shelf: c.shelf(f.name)}
		if r.name, err = nameOf(in); err != nil {
			return nil, err
		}
		if s.store.shelves[r.shelf][r.name] != nil {
			return nil, errExists(r.path())
		}
		res := s.newResource(r, f.kind)
		d, err := s.draft(f, res, merge(doc{}, in))
		if err != nil {
			return nil, err
		}
		return s.beginInsert(c, res, d), nil
	}
}

func (s *Server) beginInsert(c *call, res *resource, d *draft) doc {
	res.doc, res.state, res.creating = d.doc, d.state, true
	s.store.put(res)
	s.store.use(res.ref, d.uses)
	return s.begin(c, mutation{kind: "insert", target: res})
}

func nameOf(in doc) (string, *apiError) {
	name, _ := in["name"].(string)
	if name == "" {
		return "", errRequired("resource.name")
	}
	if !rfc1035.MatchString(name) {
		return "", errInvalid("resource.name", name, "Must be a match of regex '%s'", `(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)`)
	}
	return name, nil
}

// patchOne merges the body into the resource.
func patchOne(f *family) serveFunc {
	return func(s *Server, c *call) (any, *apiError) { return s.change(f, c, "patch", merge) }
}

// updateOne replaces all that a client can set.
func updateOne(f *family) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		return s.change(f, c, "update", func(_, in doc) doc { return merge(doc{}, in) })
	}
}

// setOne serves a method that sets one field of a resource to one of the body;
// nothing there takes it away.
func setOne(f *family, kind, from, field string) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		return s.change(f, c, kind, func(old, in doc) doc { return merge(old, doc{field: in[from]}) })
	}
}

// change accepts a mutation of a resource. While it is under way there can be
// no other: the fingerprint that a second one names may be stale by its commit.
func (s *Server) change(f *family, c *call, kind string, build func(old, in doc) doc) (any, *apiError) {
	in, err := c.object()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if again, err := s.replay(c); again != nil || err != nil {
		return again, err
	}
	res, err := s.idle(c.ref(f.name))
	if err != nil {
		return nil, err
	}
	if err := s.checkFingerprint(f, c, res, in); err != nil {
		return nil, err
	}
	d, err := s.draft(f, res, build(res.doc, in))
	if err != nil {
		return nil, err
	}
	before := s.store.uses[res.ref]
	s.store.use(res.ref, append(append([]ref{}, before...), d.uses...))
	return s.begin(c, mutation{kind: kind, target: res, draft: d, before: before}), nil
}

func deleteOne(f *family) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if again, err := s.replay(c); again != nil || err != nil {
			return again, err
		}
		res, err := s.idle(c.ref(f.name))
		if err != nil {
			return nil, err
		}
		if err := s.inUse(res.ref); err != nil {
			return nil, err
		}
		res.deleting = true
		return s.begin(c, mutation{kind: "delete", target: res}), nil
	}
}

// idle is a resource that no mutation is under way on.
func (s *Server) idle(r ref) (*resource, *apiError) {
	res, err := s.mutable(r)
	if err == nil && res.inFlight > 0 {
		return nil, errNotReady(r.path())
	}
	return res, err
}
