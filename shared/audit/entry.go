package audit

import (
	"strings"
	"time"
)

// An Entry is one logged request, in the words of both formats.
type Entry struct {
	Cluster     Resource // of a LogEntry; a kube-apiserver's own list names none
	Complete    bool     // the response has been sent; of an operation, it has ended
	OK          bool     // no failure is on record
	DryRun      bool
	Verb        string
	Group       string // API group, empty for core
	Resource    string
	Subresource string
	Namespace   string
	Name        string // empty on creates with generateName and on collections
	User        string
	At          time.Time
	Request     Object
	Response    Object
	Annotations map[string]string // audit annotations, which admission writes too
}

// A Resource is how Google Cloud names a cluster.
type Resource struct{ Project, Location, Cluster string }

// An Object is the little that matters of a Kubernetes object or of a list of them.
// What an entry does not carry is empty.
type Object struct {
	Kind     string   `json:"kind"`
	Type     string   `json:"@type"` // of a LogEntry: core.k8s.io/v1.Pod
	Metadata Metadata `json:"metadata"`
	Spec     Spec     `json:"spec"`
	Items    []Object `json:"items"`
	Code     int      `json:"code"`   // of a Status
	DryRun   []string `json:"dryRun"` // of DeleteOptions
	Eviction struct {
		DryRun []string `json:"dryRun"`
	} `json:"deleteOptions"` // of an Eviction
}

// dryRun: a deletion is asked for as a dry run in its body, not in its address.
func (o Object) dryRun() bool { return len(o.DryRun) > 0 || len(o.Eviction.DryRun) > 0 }

// failed: a Status of a failure carries its code.
func (o Object) failed() bool { return o.kind() == "Status" && o.Code >= 400 }

func (o Object) kind() string {
	if o.Kind == "" {
		return o.Type[strings.LastIndexByte(o.Type, '.')+1:]
	}
	return o.Kind
}

// Metadata is of a Kubernetes object.
type Metadata struct {
	Name            string            `json:"name"`
	GenerateName    string            `json:"generateName"`
	Labels          map[string]string `json:"labels"`
	OwnerReferences []struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"ownerReferences"`
}

// Spec is an Ingress's.
type Spec struct {
	DefaultBackend Backend `json:"defaultBackend"`
	Backend        Backend `json:"backend"` // before networking.k8s.io/v1
	Rules          []struct {
		HTTP struct {
			Paths []struct {
				Backend Backend `json:"backend"`
			} `json:"paths"`
		} `json:"http"`
	} `json:"rules"`
}

// Backend is an Ingress's reference to a Service.
type Backend struct {
	Service struct {
		Name string `json:"name"`
	} `json:"service"`
	ServiceName string `json:"serviceName"` // before networking.k8s.io/v1
}
