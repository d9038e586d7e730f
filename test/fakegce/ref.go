package fakegce

import "strings"

// linkRoot begins every link served, whatever host was called.
const linkRoot = "https://www.googleapis.com/compute/v1/"

type scopeKind string

const (
	global scopeKind = "global"
	zonal  scopeKind = "zones"
	region scopeKind = "regions"
)

// scope is where a resource lives: global, one region or one zone.
type scope struct {
	kind scopeKind
	name string
}

func (s scope) String() string {
	if s.kind == global {
		return string(global)
	}
	return string(s.kind) + "/" + s.name
}

// shelf is one collection of one scope in one project.
type shelf struct {
	project    string
	scope      scope
	collection string
}

// ref names one resource.
type ref struct {
	shelf
	name string
}

func (r ref) path() string {
	return "projects/" + r.project + "/" + r.scope.String() + "/" + r.collection + "/" + r.name
}

func (r ref) link() string { return linkRoot + r.path() }

func scopeLink(project string, s scope) string {
	return linkRoot + "projects/" + project + "/" + s.String()
}

// parseLink reads a link in any form a client may send: full on any host, from
// "projects/", from its scope, or a bare name. What it leaves out comes from home.
func parseLink(link string, home shelf) (ref, bool) {
	if strings.Contains(link, "://") {
		_, rest, ok := strings.Cut(link, "/projects/")
		if !ok {
			return ref{}, false
		}
		link = "projects/" + rest
	}
	parts := strings.Split(strings.TrimPrefix(link, "/"), "/")
	if parts[0] == "projects" && len(parts) > 3 {
		home.project = parts[1]
		parts = parts[2:]
	}
	switch {
	case len(parts) == 1:
	case len(parts) == 3 && parts[0] == string(global):
		home.scope = scope{kind: global}
	case len(parts) == 4 && (parts[0] == string(zonal) || parts[0] == string(region)):
		home.scope = scope{kind: scopeKind(parts[0]), name: parts[1]}
	default:
		return ref{}, false
	}
	name := parts[len(parts)-1]
	if len(parts) > 1 && parts[len(parts)-2] != home.collection || name == "" {
		return ref{}, false
	}
	return ref{shelf: home, name: name}, true
}
