package neg

// A Service is what negfleet reads of a Kubernetes Service.
type Service struct {
	Key             Key
	UID             string // metadata.uid
	ResourceVersion string
	Annotations     map[string]string
	Type            string // ClusterIP, NodePort, LoadBalancer, ExternalName
	HasSelector     bool
	Selector        map[string]string
	Deleting        bool // metadata.deletionTimestamp is set
	Finalizers      []string
	Ports           []ServicePort
}

// A ServicePort is one entry of spec.ports.
type ServicePort struct {
	Name     string
	Port     int32
	Protocol string // TCP, UDP, SCTP
	Target   string // the Pods' port: its number or name
	// AppProtocol is what the port speaks, by the annotation AnnotationAppProtocols or the
	// field appProtocol, in the words of backend services: HTTP, HTTPS, HTTP2, …; empty: unsaid.
	AppProtocol string
}

// Port returns the TCP entry of that number, else any entry of it.
func (s *Service) Port(number int32) (ServicePort, bool) {
	var found ServicePort
	var ok bool
	for _, p := range s.Ports {
		if p.Port == number && (!ok || p.Protocol == "TCP") {
			found, ok = p, true
		}
	}
	return found, ok
}

// A Slice is what negfleet reads of an EndpointSlice.
type Slice struct {
	Name        string
	AddressType string // IPv4, IPv6, FQDN
	Ports       []SlicePort
	Endpoints   []SliceEndpoint
}

// A SlicePort is one entry of an EndpointSlice's ports. Kubernetes allows either field to
// be absent.
type SlicePort struct {
	Name     string // the Service port's name; empty for an unnamed one
	Port     *int32 // nil: all ports, which a group cannot hold
	Protocol string
}

// A SliceEndpoint is one entry of an EndpointSlice's endpoints.
type SliceEndpoint struct {
	Addresses   []string
	Node        string
	Pod         string // its Pod's name; empty for an endpoint that is no Pod
	Terminating bool
	Serving     bool // it answers, though it may terminate
	Unready     bool // it waits for its containers or for a gate
}

// An IngressPort is a Service port that an Ingress of a GCE class sends traffic to, by
// number or by name.
type IngressPort struct {
	Service string
	Number  int32
	Name    string
}

// A Note is something a person should see on a Kubernetes object: it becomes one Event
// per object and reason.
type Note struct {
	Warning bool
	Reason  string // CamelCase
	Message string
}
