package fakekube

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A request is an HTTP request, understood. For one that is not about a resource,
// res is nil and path says what it is about.
type request struct {
	verb        string
	path        string
	res         *resource
	subresource string
	namespace   string
	name        string
	user        string
	agent       string
	query       url.Values
	contentType string
	body        []byte
}

// resource is the plural name without the subresource.
func (rq *request) resource() string {
	if rq.res == nil {
		return ""
	}
	return rq.res.Resource
}

// called is what the journal and the faults call the thing asked for.
func (rq *request) called() string {
	switch {
	case rq.res == nil:
		return "/" + rq.path
	case rq.subresource != "":
		return rq.res.Resource + "/" + rq.subresource
	}
	return rq.res.Resource
}

func (rq *request) dryRun() bool { return rq.query.Get("dryRun") == "All" }

func (c *Cluster) parse(r *http.Request, path string) (*request, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	rq := &request{path: path, user: userOf(r), agent: r.UserAgent(), query: r.URL.Query(), contentType: contentType, body: body}
	rq.locate(strings.Split(strings.Trim(path, "/"), "/"))
	if rq.res != nil && rq.res.custom && !c.crds {
		rq.res = nil
	}
	rq.verb = verbOf(r.Method, rq)
	return rq, nil
}

// locate finds resource, namespace, name and subresource in a path such as
// apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web-x7k2p.
func (rq *request) locate(seg []string) {
	var gv schema.GroupVersion
	switch {
	case len(seg) > 2 && seg[0] == "api":
		gv, seg = schema.GroupVersion{Version: seg[1]}, seg[2:]
	case len(seg) > 3 && seg[0] == "apis":
		gv, seg = schema.GroupVersion{Group: seg[1], Version: seg[2]}, seg[3:]
	default:
		return
	}
	if len(seg) > 2 && seg[0] == "namespaces" && byGVR[gv.WithResource(seg[2])] != nil {
		rq.namespace, seg = seg[1], seg[2:]
	}
	res := byGVR[gv.WithResource(seg[0])]
	if res == nil || len(seg) > 3 || (rq.namespace != "" && !res.namespaced) {
		return
	}
	if len(seg) > 1 {
		rq.name = seg[1]
	}
	if len(seg) > 2 {
		rq.subresource = seg[2]
	}
	if rq.subresource == "" || (rq.subresource == "status" && res.status) {
		rq.res = res
	}
}

func verbOf(method string, rq *request) string {
	one := rq.name != "" || rq.res == nil
	switch {
	case method == http.MethodPost:
		return "create"
	case method == http.MethodPut:
		return "update"
	case method == http.MethodPatch:
		return "patch"
	case method == http.MethodDelete && one:
		return "delete"
	case method == http.MethodDelete:
		return "deletecollection"
	case one:
		return "get"
	case rq.query.Get("watch") == "true" || rq.query.Get("watch") == "1":
		return "watch"
	}
	return "list"
}

func userOf(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, u := range []string{r.Header.Get("Impersonate-User"), r.Header.Get("X-Remote-User"), token} {
		if u != "" {
			return u
		}
	}
	return "system:anonymous"
}
