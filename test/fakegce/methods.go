package fakegce

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

type serveFunc func(*Server, *call) (any, *apiError)

// Method is one API method as the discovery document has it.
type Method struct {
	ID    string   // resource.method, as in "networkEndpointGroups.insert"
	HTTP  string   // the verb
	Path  string   // below /compute/v1/
	Query []string // parameters that mean something here; others are ignored

	resource string // the path parameter that names the resource, if any
	serve    serveFunc
}

// Methods lists what is implemented.
func Methods() []Method { return slices.Clone(methods) }

var (
	listParams       = []string{"filter", "maxResults", "orderBy", "pageToken"}
	aggregatedParams = append([]string{"includeAllScopes"}, listParams...)
	mutationParams   = []string{"requestId"}
)

// The collections served. Zones, regions and operations make their documents
// when asked; the others are stored.
var (
	groups      = collection{name: "networkEndpointGroups", kind: "compute#networkEndpointGroup", scopes: []scopeKind{zonal, region, global}}
	instances   = collection{name: "instances", kind: "compute#instance", scopes: []scopeKind{zonal}}
	networks    = collection{name: "networks", kind: "compute#network", scopes: []scopeKind{global}}
	subnetworks = collection{name: "subnetworks", kind: "compute#subnetwork", scopes: []scopeKind{region}}
	zones       = collection{name: "zones", kind: "compute#zone", docs: zoneDocs}
	regions     = collection{name: "regions", kind: "compute#region", docs: regionDocs}
	operations  = collection{name: "operations", kind: "compute#operation", scopes: []scopeKind{zonal, region, global}, docs: (*Server).operationDocs}
)

var methods = slices.Concat(
	groupMethods("networkEndpointGroups", "zones/{zone}"),
	groupMethods("regionNetworkEndpointGroups", "regions/{region}"),
	groupMethods("globalNetworkEndpointGroups", "global"),
	operationMethods("zoneOperations", "zones/{zone}"),
	operationMethods("regionOperations", "regions/{region}"),
	operationMethods("globalOperations", "global"),
	loadBalancerMethods(),
	networkMethods(),
	permissionMethods(),
	readMethods("instances", "zones/{zone}", "instance", instances),
	readMethods("networks", "global", "network", networks),
	readMethods("subnetworks", "regions/{region}", "subnetwork", subnetworks),
	readMethods("zones", "", "zone", zones),
	readMethods("regions", "", "region", regions),
	[]Method{
		aggregatedMethod("networkEndpointGroups", groups),
		aggregatedMethod("globalOperations", operations),
		aggregatedMethod("instances", instances),
		aggregatedMethod("subnetworks", subnetworks),
		{ID: "projects.get", HTTP: http.MethodGet, Path: "projects/{project}", serve: (*Server).getProject},
	},
)

func groupMethods(id, in string) []Method {
	all, one := "projects/{project}/"+in+"/networkEndpointGroups", "networkEndpointGroup"
	each := all + "/{" + one + "}"
	return append(readMethods(id, in, one, groups),
		Method{ID: id + ".insert", HTTP: http.MethodPost, Path: all, Query: mutationParams, serve: (*Server).insertGroup},
		Method{ID: id + ".delete", HTTP: http.MethodDelete, Path: each, resource: one, Query: mutationParams, serve: (*Server).deleteGroup},
		Method{ID: id + ".attachNetworkEndpoints", HTTP: http.MethodPost, Path: each + "/attachNetworkEndpoints",
			resource: one, Query: mutationParams, serve: (*Server).attachEndpoints},
		Method{ID: id + ".detachNetworkEndpoints", HTTP: http.MethodPost, Path: each + "/detachNetworkEndpoints",
			resource: one, Query: mutationParams, serve: (*Server).detachEndpoints},
		Method{ID: id + ".listNetworkEndpoints", HTTP: http.MethodPost, Path: each + "/listNetworkEndpoints",
			resource: one, Query: listParams, serve: (*Server).listEndpoints},
	)
}

func operationMethods(id, in string) []Method {
	each := "projects/{project}/" + in + "/operations/{operation}"
	return append(readMethods(id, in, "operation", operations),
		Method{ID: id + ".delete", HTTP: http.MethodDelete, Path: each, resource: "operation", serve: (*Server).deleteOperation},
		Method{ID: id + ".wait", HTTP: http.MethodPost, Path: each + "/wait", resource: "operation", serve: (*Server).waitOperation},
	)
}

// readMethods are get and list of a collection.
func readMethods(id, in, one string, coll collection) []Method {
	path := "projects/{project}/" + coll.name
	if in != "" {
		path = "projects/{project}/" + in + "/" + coll.name
	}
	return []Method{
		{ID: id + ".get", HTTP: http.MethodGet, Path: path + "/{" + one + "}", resource: one, serve: getOne(coll)},
		{ID: id + ".list", HTTP: http.MethodGet, Path: path, Query: listParams, serve: listOne(coll)},
	}
}

func aggregatedMethod(id string, coll collection) Method {
	return Method{ID: id + ".aggregatedList", HTTP: http.MethodGet, Query: aggregatedParams,
		Path: "projects/{project}/aggregated/" + coll.name, serve: listAll(coll)}
}

// node is one level of the tree of paths.
type node struct {
	literal map[string]*node
	param   *node
	methods map[string]leaf // by HTTP method
}

type leaf struct {
	method *Method
	params []string
}

var router = buildRouter()

func buildRouter() *node {
	root := &node{}
	for i := range methods {
		root.add(&methods[i])
	}
	return root
}

func (n *node) add(m *Method) {
	var params []string
	for _, part := range strings.Split(m.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, strings.TrimSuffix(name, "}"))
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		if n.literal[part] == nil {
			n.literal[part] = &node{}
		}
		n = n.literal[part]
	}
	if n.methods == nil {
		n.methods = map[string]leaf{}
	}
	n.methods[m.HTTP] = leaf{method: m, params: params}
}

// match finds the method for an escaped path, and its parameters' values.
func (n *node) match(httpMethod, path string) (*Method, map[string]string) {
	var values []string
	for _, part := range strings.Split(path, "/") {
		value, err := url.PathUnescape(part)
		switch {
		case err != nil || part == "":
			return nil, nil
		case n.literal[part] != nil:
			n = n.literal[part]
		case n.param != nil:
			values = append(values, value)
			n = n.param
		default:
			return nil, nil
		}
	}
	found, ok := n.methods[httpMethod]
	if !ok {
		return nil, nil
	}
	params := make(map[string]string, len(values))
	for i, name := range found.params {
		params[name] = values[i]
	}
	return found.method, params
}
