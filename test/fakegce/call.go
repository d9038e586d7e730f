package fakegce

import (
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// call is one request to one method.
type call struct {
	req     *http.Request
	method  *Method
	path    string // below /compute/v1/
	query   url.Values
	params  map[string]string
	project string
	scope   scope
	name    string // of the resource; empty for collections
	fault   verdict
	digest  hash.Hash // of what was read of the body; nil without a request id

	// What the journal wants to know.
	endpoints int
	operation string
}

// newCall finds the method a request is for, or nil.
func (s *Server) newCall(r *http.Request) *call {
	path, ok := apiPath(r.URL.EscapedPath())
	if !ok {
		return nil
	}
	method, params := router.match(r.Method, path)
	if method == nil {
		return nil
	}
	c := &call{req: r, method: method, path: path, query: r.URL.Query(), params: params}
	c.project, c.scope = params["project"], scope{kind: global}
	if zone, ok := params["zone"]; ok {
		c.scope = scope{kind: zonal, name: zone}
	} else if name, ok := params["region"]; ok {
		c.scope = scope{kind: region, name: name}
	}
	c.name = params[method.resource]
	c.digestBody()
	return c
}

// apiPath strips the prefix of any served version, and trailing slashes: a
// resource with an empty name is its collection.
func apiPath(path string) (string, bool) {
	for _, version := range []string{"v1", "beta", "alpha"} {
		if rest, ok := strings.CutPrefix(path, "/compute/"+version+"/"); ok {
			return strings.TrimRight(rest, "/"), true
		}
	}
	return "", false
}

func (c *call) shelf(collection string) shelf {
	sc := c.scope
	if collection == "zones" || collection == "regions" {
		sc = scope{kind: global}
	}
	return shelf{c.project, sc, collection}
}

func (c *call) ref(collection string) ref { return ref{c.shelf(collection), c.name} }

// check refuses places that do not exist.
func (c *call) check() *apiError {
	if !projectID.MatchString(c.project) {
		return errInvalid("project", c.project, "Invalid project id.")
	}
	if strings.HasPrefix(c.method.ID, "zones.") || strings.HasPrefix(c.method.ID, "regions.") {
		return nil
	}
	if c.scope.kind == zonal && zoneRegion[c.scope.name] == "" {
		return errInvalid("zone", c.scope.name, "Unknown zone.")
	}
	if c.scope.kind == region && placeOf[c.scope.name].region == "" {
		return errInvalid("region", c.scope.name, "Unknown region.")
	}
	return nil
}

// maxBody bounds a request; 500 endpoints with annotations stay far below.
const maxBody = 16 << 20

// decode reads the request's JSON into v, refusing fields v does not have. No
// body at all is an empty object.
func (c *call) decode(v any) *apiError {
	d := json.NewDecoder(&nesting{r: io.LimitReader(c.req.Body, maxBody)})
	d.DisallowUnknownFields()
	d.UseNumber()
	err := d.Decode(v)
	if err == nil && d.More() {
		return refuse(http.StatusBadRequest, "parseError", "Parse Error")
	}
	if err == nil || err == io.EOF {
		return nil
	}
	return errPayload(err)
}
