package readiness

import (
	"context"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Cluster is what a look reads of a Kubernetes cluster, and the two things it writes.
type Cluster interface {
	// Exposed returns the namespace's Services that ask for groups.
	Exposed(ctx context.Context, namespace string) ([]neg.Service, error)
	IngressPorts(ctx context.Context, namespace string) ([]neg.IngressPort, error)
	// GatedPods returns the gates of those types of the Pods that the selector matches; an
	// empty one matches all.
	GatedPods(ctx context.Context, namespace string, selector map[string]string, gates []string) ([]neg.GatedPod, error)
	// Slices returns all EndpointSlices of the Service, or an error.
	Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error)

	// GKEGroups is what GKE's own controller says of the Service's groups in its objects.
	GKEGroups(ctx context.Context, namespace, service string) ([]neg.GKEGroup, error)
	// Nodes may be a few minutes old unless fresh. Those that are no Compute instance are left
	// out.
	Nodes(ctx context.Context, fresh bool) (map[string]neg.Node, error)

	// SetGate writes the condition of exactly that Pod; one that is gone is success.
	SetGate(ctx context.Context, p neg.GatedPod, gate neg.Gate) error
	RenewLease(ctx context.Context, holder string) error
}

// A Cloud is what a look reads of one project.
type Cloud interface {
	Health(ctx context.Context, id neg.GroupID) (endpoints []neg.EndpointHealth, exists bool, err error)
	BackendService(ctx context.Context, id neg.BackendServiceID) (service neg.BackendService, exists bool, err error)
}

// A Scope is where a cluster's gates are answered.
type Scope struct {
	UID     string
	Project string
	Zones   []neg.Zone
	Gates   []string // types of the conditions that are negfleet's to set
	// Foreign: GKE's own controller keeps the groups, and says which they are in neg-status
	// and in its objects.
	Foreign bool
	// Rules are those of a namespace; nil: the same everywhere.
	Rules func(namespace string) Rules
	// Open is why every gate is opened, whatever the load balancers say; empty: they decide.
	Open string
	// Skip is why negfleet answers no gates here; empty when it does.
	Skip    string
	Cluster Cluster
	Cloud   Cloud
}
