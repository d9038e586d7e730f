package fakegce

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// permissionVerbs are the last words of permissions where a method's own differs.
var permissionVerbs = map[string]string{
	"insert": "create", "patch": "update", "aggregatedList": "list", "listUsable": "list",
	"getHealth": "get", "listNetworkEndpoints": "get", "wait": "get", "setEdgeSecurityPolicy": "setSecurityPolicy",
}

// Permission is what a caller needs for a method, as in "compute.networks.create";
// to ask for permissions takes none. What a request refers to needs more: see
// usePermission.
func (m Method) Permission() string {
	collection, verb, _ := strings.Cut(m.ID, ".")
	if verb == "testIamPermissions" {
		return ""
	}
	if other := permissionVerbs[verb]; other != "" {
		verb = other
	}
	return "compute." + collection + "." + verb
}

// scopedCollections are the names that permissions have for collections outside
// the scope which gave the collection its name.
var scopedCollections = map[scopeKind]map[string]string{
	global: {"networkEndpointGroups": "globalNetworkEndpointGroups", "forwardingRules": "globalForwardingRules", "addresses": "globalAddresses"},
	region: {
		"networkEndpointGroups": "regionNetworkEndpointGroups", "backendServices": "regionBackendServices", "healthChecks": "regionHealthChecks",
		"urlMaps": "regionUrlMaps", "targetHttpProxies": "regionTargetHttpProxies", "targetHttpsProxies": "regionTargetHttpsProxies",
		"sslCertificates": "regionSslCertificates",
	},
}

// usePermission is what a caller needs to refer to a resource.
func usePermission(r ref) string {
	collection := r.collection
	if name := scopedCollections[r.scope.kind][collection]; name != "" {
		collection = name
	}
	if r.collection == "healthChecks" {
		return "compute." + collection + ".useReadOnly"
	}
	return "compute." + collection + ".use"
}

func (s *Server) denied(permission string) bool {
	return slices.Contains(s.opts.DeniedPermissions, permission)
}

// mayCall refuses a call whose method needs a permission that is denied.
func (s *Server) mayCall(c *call) *apiError {
	permission := c.method.Permission()
	s.needed.add(permission)
	if !s.denied(permission) {
		return nil
	}
	return errPermission(permission, c.about())
}

// mayUse refuses to refer to a resource without the permission.
func (s *Server) mayUse(r ref) *apiError {
	permission := usePermission(r)
	s.needed.add(permission)
	if s.denied(permission) {
		return errPermission(permission, r.path())
	}
	return nil
}

// A permissionSet is what calls have needed.
type permissionSet struct {
	mu  sync.Mutex
	all map[string]bool
}

func (p *permissionSet) add(permission string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[string]bool{}
	}
	if permission != "" {
		p.all[permission] = true
	}
}

// NeededPermissions are those that the calls since the last asking have needed, granted or
// not, in order.
func (s *Server) NeededPermissions() []string {
	s.needed.mu.Lock()
	defer s.needed.mu.Unlock()
	list := slices.Sorted(maps.Keys(s.needed.all))
	clear(s.needed.all)
	return list
}

func errPermission(permission, path string) *apiError {
	return refuse(http.StatusForbidden, "forbidden", "Required '%s' permission for '%s'", permission, path)
}

// about is what a call is about: the resource it names, or will make, else the
// project. It uses up the body.
func (c *call) about() string {
	if c.name != "" {
		before, _, _ := strings.Cut(c.path+"/", "/"+c.name+"/")
		return before + "/" + c.name
	}
	if strings.HasSuffix(c.method.ID, ".insert") {
		var in struct {
			Name string `json:"name"`
		}
		_ = json.NewDecoder(io.LimitReader(c.req.Body, maxBody)).Decode(&in) // a body that says nothing is refused as the others
		return c.path + "/" + in.Name
	}
	return "projects/" + c.project
}

var permissionName = regexp.MustCompile(`^compute\.[a-zA-Z]+\.[a-zA-Z]+$`)

// ParsePermission refuses what is no permission.
func ParsePermission(text string) (string, error) {
	if !permissionName.MatchString(text) {
		return "", fmt.Errorf("no permission %q: as in compute.networks.use", text)
	}
	return text, nil
}

// testPermissions answers which of the permissions asked for the caller has: all
// that are not denied.
func testPermissions(collection string) serveFunc {
	return func(s *Server, c *call) (any, *apiError) {
		var in struct {
			Permissions []string `json:"permissions"`
		}
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		for _, permission := range in.Permissions {
			if !permissionName.MatchString(permission) {
				return nil, errInvalid("resource.permissions", permission, "Permission is not valid for this resource.")
			}
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		if s.store.find(c.ref(collection)) == nil {
			return nil, errNotFound(c.ref(collection).path())
		}
		granted := slices.DeleteFunc(in.Permissions, s.denied)
		if len(granted) == 0 {
			return doc{}, nil
		}
		return doc{"permissions": granted}, nil
	}
}

// permissionMethods are testIamPermissions where the API has it.
func permissionMethods() []Method {
	const here = "regions/{region}/"
	var list []Method
	for _, m := range []struct{ id, all string }{
		{"networkEndpointGroups", "zones/{zone}/networkEndpointGroups"},
		{"backendServices", "global/backendServices"},
		{"regionBackendServices", here + "backendServices"},
		{"healthChecks", "global/healthChecks"},
		{"regionHealthChecks", here + "healthChecks"},
		{"urlMaps", "global/urlMaps"},
		{"globalAddresses", "global/addresses"},
		{"addresses", here + "addresses"},
		{"firewalls", "global/firewalls"},
		{"instances", "zones/{zone}/instances"},
		{"subnetworks", here + "subnetworks"},
	} {
		collection := m.all[strings.LastIndex(m.all, "/")+1:]
		list = append(list, Method{ID: m.id + ".testIamPermissions", HTTP: http.MethodPost, resource: "resource",
			Path: "projects/{project}/" + m.all + "/{resource}/testIamPermissions", serve: testPermissions(collection)})
	}
	return list
}
