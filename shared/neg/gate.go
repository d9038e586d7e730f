package neg

import (
	"math"
	"time"
)

// Condition types of readiness gates.
const (
	// GateNEG is Google's: GKE's own controller answers it as well.
	GateNEG = "cloud.google.com/load-balancer-neg-ready"
	// GateLoadBalancer is ours, for clusters whose groups GKE's controller keeps: it
	// leaves GKE's own gate to GKE.
	GateLoadBalancer = "negfleet.dev/load-balancer-ready"
)

// Inject opts in or out of what the admission webhook adds: a label on a Namespace, an
// annotation on a Pod or Service. Its values are InjectEnabled and InjectDisabled.
const (
	Inject         = "negfleet.dev/inject"
	InjectEnabled  = "enabled"
	InjectDisabled = "disabled"
)

// AnnotationDrain on a Pod is how long it serves on after it was told to stop, or off.
const AnnotationDrain = "negfleet.dev/drain"

// The Lease says that something is alive to open gates. It has a namespace of its own:
// GKE Autopilot keeps everyone out of kube-system.
const (
	LeaseNamespace = "negfleet"
	LeaseName      = "negfleet"
	// LeaseFresh is how long after its renewal a Lease counts: two runs of the sweep and
	// some delay.
	LeaseFresh = 25 * time.Minute
)

// Time-outs of gates, from the readiness of a Pod's containers.
const (
	GateTimeout                  = 10 * time.Minute
	MaxGateTimeout               = 24 * time.Hour
	Never          time.Duration = math.MaxInt64 // a time-out that does not come
)

// MaxDrain is the longest that a Pod may be asked to serve on before it stops.
const MaxDrain = time.Hour
