package mutate

import (
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Policy is what the fleet file says of one namespace of a cluster.
type Policy struct {
	Cluster string // the fleet file's name
	Off     string // why nothing may be added, such as "policy: observe"; empty: it may
	Gate    string // condition type of the readiness gate
	Expose  Expose // what Services without the annotation get
	Drain   time.Duration
}

// Expose says what a Service without cloud.google.com/neg gets.
type Expose struct {
	Mode  Mode
	Ports []int32 // with Ports: those of them that the Service has; none: all its TCP ports
	Name  string  // with Ports: template of custom group names; empty: generated names
}

// A Mode is a form of the annotation.
type Mode int

const (
	None    Mode = iota // no annotation
	Ingress             // {"ingress":true}
	Ports               // {"exposed_ports":{…}}
)

// wants tells whether the policy exposes a port.
func (e Expose) wants(port int32) bool {
	return e.Mode == Ports && (len(e.Ports) == 0 || slices.Contains(e.Ports, port))
}

// groupName fills in a template of group names.
func (e Expose) groupName(cluster, namespace, service, port string) string {
	return strings.NewReplacer("{cluster}", cluster, "{namespace}", namespace, "{service}", service, "{port}", port).Replace(e.Name)
}

// system are namespaces in which nothing is ever added, whatever a registration says.
var system = map[string]bool{"kube-system": true, "kube-public": true, "kube-node-lease": true, neg.LeaseNamespace: true}

// optedOut tells whether an object's own annotation keeps it as it is. An object cannot opt
// in: the API server asks only about namespaces that are opted in.
func optedOut(annotations map[string]string) bool {
	return annotations[neg.Inject] == neg.InjectDisabled
}
