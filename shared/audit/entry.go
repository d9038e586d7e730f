package audit

import "time"

// An Entry is one logged request, in the words of both formats.
type Entry struct {
	Cluster     Resource // of a LogEntry; a kube-apiserver's own list names none
	Complete    bool     // the response has been sent
	OK          bool     // and it was a success
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
}

// A Resource is how Google Cloud names a cluster.
type Resource struct{ Project, Location, Cluster string }

// An Object is the little that matters of a Kubernetes object or of a list of them.
// What an entry does not carry is empty.
type Object struct {
	Kind     string   `json:"kind"`
	Metadata Metadata `json:"metadata"`
	Spec     Spec     `json:"spec"`
	Items    []Object `json:"items"`
}

// Metadata is of a Kubernetes object.
type Metadata struct {
	Name            string            `json:"name"`
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
