package fakegce

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
)

// use says what a resource's links lead to, instead of what was said before.
func (s *store) use(r ref, targets []ref) {
	s.used(s.uses[r]...)
	s.used(targets...)
	for _, target := range s.uses[r] {
		delete(s.users[target], r)
	}
	delete(s.uses, r)
	if len(targets) == 0 {
		return
	}
	s.uses[r] = targets
	for _, target := range targets {
		if s.users[target] == nil {
			s.users[target] = map[ref]bool{}
		}
		s.users[target][r] = true
	}
}

// usersOf are the resources whose links lead to r, by path.
func (s *store) usersOf(r ref) []ref {
	return slices.SortedFunc(maps.Keys(s.users[r]), func(a, b ref) int { return strings.Compare(a.path(), b.path()) })
}

// inUse refuses to delete what another resource refers to.
func (s *Server) inUse(r ref) *apiError {
	users := s.store.usersOf(r)
	if len(users) == 0 {
		return nil
	}
	return errInUse(r, users[0])
}

func errInUse(r, user ref) *apiError {
	return refuse(http.StatusBadRequest, "resourceInUseByAnotherResource",
		"The %s resource '%s' is already being used by '%s'", noun(r.collection), r.path(), user.path())
}

// noun is how messages call one resource of a collection: "backend_service".
func noun(collection string) string {
	one := strings.TrimSuffix(collection, "s")
	switch {
	case strings.HasSuffix(collection, "ies"):
		one = strings.TrimSuffix(collection, "ies") + "y"
	case strings.HasSuffix(collection, "sses"):
		one = strings.TrimSuffix(collection, "es")
	}
	var b strings.Builder
	for i, ch := range one {
		if unicode.IsUpper(ch) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(ch))
	}
	return b.String()
}

// userMaps hold keys of the user's, which are not fields.
var userMaps = setOf("labels", "annotations", "metadatas", "domainStatus")

// linkWalk copies a document with its links in full.
type linkWalk struct {
	s      *Server
	family *family
	draft  *draft
}

// resolveLinks gives a draft a document of its own, all the way down.
func (s *Server) resolveLinks(f *family, d *draft) *apiError {
	w := linkWalk{s, f, d}
	copied, err := w.value("resource", "", map[string]any(d.doc))
	if err != nil {
		return err
	}
	d.doc = doc(copied.(map[string]any))
	return nil
}

func (w linkWalk) value(at, key string, value any) (any, *apiError) {
	switch v := value.(type) {
	case doc:
		return w.object(at, key, v)
	case map[string]any:
		return w.object(at, key, v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err *apiError
			if list[i], err = w.value(fmt.Sprintf("%s[%d]", at, i), key, item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case string:
		if targets := w.family.links[key]; targets != nil && v != "" {
			return w.link(at, v, targets)
		}
	}
	return value, nil
}

func (w linkWalk) object(at, key string, v map[string]any) (any, *apiError) {
	copied := make(map[string]any, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		copied[name] = v[name]
		if userMaps[key] {
			continue
		}
		var err *apiError
		if copied[name], err = w.value(at+"."+name, name, v[name]); err != nil {
			return nil, err
		}
	}
	return copied, nil
}

// linksIn are the links of a document that resolveLinks has been over.
func linksIn(collection string, d doc) []ref {
	f := familyOf[collection]
	if f == nil || len(f.links) == 0 {
		return nil
	}
	var found []ref
	f.findLinks("", map[string]any(d), &found)
	return found
}

func (f *family) findLinks(key string, value any, found *[]ref) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			f.findLinks(key, item, found)
		}
	case string:
		if f.links[key] == nil {
			return
		}
		if r, err := parsePath(v); err == nil {
			*found = append(*found, r)
		}
	default:
		fields, _ := object(value)
		for name, field := range fields {
			if !userMaps[key] {
				f.findLinks(name, field, found)
			}
		}
	}
}

// link finds what a link leads to and writes it in full.
func (w linkWalk) link(at, link string, targets []string) (any, *apiError) {
	for _, collection := range targets {
		home := shelf{w.draft.ref.project, w.draft.ref.scope, collection}
		switch collection {
		case networks.name:
			home.scope = scope{kind: global}
		case subnetworks.name:
			home.scope = scope{kind: region, name: regionOf(w.draft.ref.scope)}
		}
		r, ok := parseLink(link, home)
		if !ok {
			continue
		}
		if !fits(w.draft.ref.scope, r) {
			return nil, errInvalid(at, link, "A resource in %s cannot refer to it.", w.draft.ref.scope)
		}
		if _, err := w.s.mutable(r); err != nil {
			return nil, err
		}
		if err := w.s.mayUse(r); err != nil {
			return nil, err
		}
		w.draft.uses = append(w.draft.uses, r)
		return r.link(), nil
	}
	return nil, errInvalid(at, link, "The URL is malformed.")
}

// fits tells whether a resource of a scope may refer to another.
func fits(from scope, to ref) bool {
	switch to.collection {
	case networks.name, subnetworks.name:
		return true
	case groups.name, "instanceGroups":
		return from.kind == global || regionOf(to.scope) == from.name
	case "healthChecks":
		return to.scope.kind == global || to.scope == from
	}
	return to.scope == from
}
