package audit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// What says how Touched names Services.
type What int

const (
	// Service: the Service called Name.
	Service What = iota
	// SliceOwner: the Service of the EndpointSlice called Name, by a live read.
	SliceOwner
	// IngressServices: the namespace's Services whose NEG annotation has ingress:true,
	// by a live list.
	IngressServices
	// AllServices: every Service of the namespace, by a live list.
	AllServices
	// Selecting: the namespace's Services that select the Pod called Name, by their
	// selectors. Every Service of the namespace may be one when its labels are not known.
	Selecting
)

func (w What) String() string {
	return [...]string{"service", "slice owner", "ingress services", "all services", "selecting"}[w]
}

// Touched is something that a write may have changed.
type Touched struct {
	Cluster   Resource
	What      What
	Namespace string
	Name      string
	Reason    string // for people: "endpointslices update web-x7k2p"
	User      string
	At        time.Time

	// Of a Pod:
	Labels  map[string]string // nil: not known
	Deleted bool              // else created
}

// Live reports that the Services are known only after a look at the cluster.
func (t Touched) Live() bool { return t.What != Service }

// Rules are what the deployment, not the format, decides.
type Rules struct {
	// Own are negfleet's identities, as the control plane logs them: user names and
	// service account e-mails. Their writes touch nothing, or negfleet would wake itself.
	Own map[string]bool
}

var verbs = map[string]bool{"create": true, "update": true, "patch": true, "delete": true, "deletecollection": true}

// System namespaces hold nothing that negfleet serves, and most of the writes.
var systemNamespaces = map[string]bool{"kube-system": true, "kube-public": true, "kube-node-lease": true}

// Touches returns what e touched: nothing for most entries.
func Touches(e Entry, rules Rules) []Touched {
	if !e.succeeded() || !verbs[e.Verb] || rules.Own[e.User] {
		return nil
	}
	var found []Touched
	switch strings.TrimSuffix(e.Group+"/"+e.Resource+"/"+e.Subresource, "/") {
	case "/pods", "/pods/eviction":
		found = pods(e)
	case "/services":
		found = services(e)
	case "discovery.k8s.io/endpointslices":
		found = endpointSlices(e)
	case "networking.k8s.io/ingresses", "extensions/ingresses":
		found = ingresses(e)
	case "/namespaces":
		found = namespaces(e)
	}
	return finish(e, found)
}

// succeeded: something was written.
func (e Entry) succeeded() bool { return e.Complete && e.OK && !e.DryRun }

// finish drops what cannot be a name, fills in what all findings share and removes
// repetitions.
func finish(e Entry, found []Touched) []Touched {
	type name struct {
		what            What
		namespace, name string
	}
	seen := map[name]bool{}
	kept := found[:0]
	for _, t := range found {
		if t.Namespace == "" {
			t.Namespace = e.Namespace
		}
		if systemNamespaces[t.Namespace] || !named(t) {
			continue
		}
		t.Cluster, t.User, t.At = e.Cluster, e.User, e.At
		t.Reason = e.reason()
		if n := (name{t.What, t.Namespace, t.Name}); !seen[n] {
			seen[n] = true
			kept = append(kept, t)
		}
	}
	return kept
}

// subdomain is an RFC 1123 subdomain of at most 253 characters: the name of a slice or a
// Pod.
var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

// named reports that t's names are names; of a collection there is none. The cluster is
// checked by those who know it.
func named(t Touched) bool {
	k := neg.Key{Cluster: "x", Namespace: t.Namespace}
	switch t.What {
	case Service:
		k.Service = t.Name
		return t.Name != "" && k.Validate() == nil
	case SliceOwner, Selecting:
		return (t.Name == "" || subdomain.MatchString(t.Name)) && k.Validate() == nil
	}
	return k.Validate() == nil
}

// name is the object's name; of a create with generateName the response knows it.
func (e Entry) name() string {
	if e.Name == "" && e.Response.kind() != "Status" {
		return e.Response.Metadata.Name
	}
	return e.Name
}

func (e Entry) reason() string {
	resource := strings.TrimSuffix(e.Resource+"/"+e.Subresource, "/")
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", resource, e.Verb, e.name()))
}

func services(e Entry) []Touched {
	if e.Verb != "deletecollection" {
		if name := e.name(); name != "" {
			return []Touched{{Name: name}}
		}
		return []Touched{{What: AllServices}}
	}
	// The response lists what was deleted, where the audit policy asks for it. A live list
	// would show only what is left.
	var found []Touched
	for _, item := range e.Response.Items {
		found = append(found, Touched{Name: item.Metadata.Name})
	}
	if len(found) == 0 {
		found = append(found, Touched{What: AllServices})
	}
	return found
}

func endpointSlices(e Entry) []Touched {
	if e.Verb == "deletecollection" {
		return sliceCollection(e)
	}
	for _, object := range []Object{e.Response, e.Request} {
		if owner := serviceOf(object); owner != "" {
			return []Touched{{Name: owner}}
		}
	}
	if name := e.name(); name != "" && e.Verb != "delete" {
		return []Touched{{What: SliceOwner, Name: name}}
	}
	return []Touched{{What: AllServices}}
}

func sliceCollection(e Entry) []Touched {
	var found []Touched
	for _, item := range e.Response.Items {
		owner := serviceOf(item)
		if owner == "" {
			return []Touched{{What: AllServices}}
		}
		found = append(found, Touched{Name: owner})
	}
	if len(found) == 0 {
		return []Touched{{What: AllServices}}
	}
	return found
}

const serviceLabel = "kubernetes.io/service-name"

func serviceOf(slice Object) string {
	if name := slice.Metadata.Labels[serviceLabel]; name != "" {
		return name
	}
	for _, owner := range slice.Metadata.OwnerReferences {
		if owner.Kind == "Service" {
			return owner.Name
		}
	}
	return ""
}

// ingresses names the Services of both specs. Which one an update dropped no entry says,
// so the namespace's are asked for after everything but a creation.
func ingresses(e Entry) []Touched {
	objects := append([]Object{e.Response, e.Request}, e.Response.Items...)
	var found []Touched
	for _, object := range objects {
		for _, name := range backends(object.Spec) {
			found = append(found, Touched{Name: name})
		}
	}
	if len(found) == 0 || e.Verb != "create" {
		found = append(found, Touched{What: IngressServices})
	}
	return found
}

func backends(s Spec) []string {
	all := []Backend{s.DefaultBackend, s.Backend}
	for _, rule := range s.Rules {
		for _, path := range rule.HTTP.Paths {
			all = append(all, path.Backend)
		}
	}
	var names []string
	for _, b := range all {
		name := b.Service.Name
		if name == "" {
			name = b.ServiceName
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// namespaces: only its end matters. Mostly nothing is left to list, and the entries of
// the Services' own deletion name them.
func namespaces(e Entry) []Touched {
	if e.Verb != "delete" {
		return nil
	}
	return []Touched{{What: AllServices, Namespace: e.Name}}
}
