package audit

import (
	"fmt"
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
)

func (w What) String() string {
	return [...]string{"service", "slice owner", "ingress services", "all services"}[w]
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
	if !e.Complete || !e.OK || e.DryRun || !verbs[e.Verb] || e.Subresource != "" || rules.Own[e.User] {
		return nil
	}
	var found []Touched
	switch e.Group + "/" + e.Resource {
	case "/services":
		found = services(e)
	case "discovery.k8s.io/endpointslices":
		found = endpointSlices(e)
	case "networking.k8s.io/ingresses", "extensions/ingresses":
		found = ingresses(e)
	case "/namespaces":
		found = namespaces(e)
		// Pods are not looked at: the EndpointSlice controller's write follows theirs.
	}
	return finish(e, found)
}

// finish drops what cannot be a name, fills in what all findings share and removes
// repetitions.
func finish(e Entry, found []Touched) []Touched {
	seen := map[Touched]bool{}
	kept := found[:0]
	for _, t := range found {
		if t.Namespace == "" {
			t.Namespace = e.Namespace
		}
		if systemNamespaces[t.Namespace] || !named(t) {
			continue
		}
		t.Cluster, t.User, t.At = e.Cluster, e.User, e.At
		t.Reason = strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Resource, e.Verb, e.name()))
		if !seen[t] {
			seen[t] = true
			kept = append(kept, t)
		}
	}
	return kept
}

// named reports that t's names are names. Slices have subdomain names, Services labels;
// the cluster is checked by those who know it.
func named(t Touched) bool {
	k := neg.Key{Cluster: "x", Namespace: t.Namespace}
	switch t.What {
	case Service:
		k.Service = t.Name
		return t.Name != "" && k.Validate() == nil
	case SliceOwner:
		return len(t.Name) <= 253 && !strings.ContainsAny(t.Name, "/\\%?# \t\r\n") && k.Validate() == nil
	}
	return k.Validate() == nil
}

// name is the object's name; of a create with generateName the response knows it.
func (e Entry) name() string {
	if e.Name == "" && e.Response.Kind != "Status" {
		return e.Response.Metadata.Name
	}
	return e.Name
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
