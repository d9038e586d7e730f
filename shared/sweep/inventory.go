package sweep

import (
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// An Inventory is the evidence of one sweep.
type Inventory struct {
	At       time.Time // when the reading began
	Only     string    // the one cluster that it is about; empty: all
	Projects []Project
	Clusters []Cluster
}

// A Project is what was listed of one.
type Project struct {
	Name      string
	Resources []Resource
	// Missing are the zones whose groups could not be listed.
	Missing []string
	// Failed is why the groups could not be listed at all.
	Failed string
	// UsesFailed is why it is not known what uses what: backend services could not be listed.
	UsesFailed string
	// ChecksFailed is why health checks could not be listed.
	ChecksFailed string
	// Quotas are those that the resources count against; none where they were not asked for.
	Quotas []neg.Quota
	// QuotasFailed is why they are not known.
	QuotasFailed string
}

// A Kind is a kind of resource, in the words of a report.
type Kind string

// The kinds.
const (
	Group          Kind = "group"
	BackendService Kind = "backend service"
	HealthCheck    Kind = "health check"
	// Entry is one of ours in whatever backend service.
	Entry Kind = "backend entry"
)

// A Resource is one that may be ours.
type Resource struct {
	Kind        Kind
	Name        string      // ZONE/NAME, REGION/NAME or global/NAME; of an entry, BACKEND-SERVICE of GROUP
	Group       neg.GroupID // of a group
	Description string      // of an entry, that of its group
	Size        int         // endpoints of a group
	Created     time.Time   // zero: unknown
	Uses        []Use       // of an entry, itself
}

// A Use is something that refers to a resource.
type Use struct {
	By   string
	Mark string // description of the entry that does
}

// A Cluster is what the fleet file says of one, and what was read of it.
type Cluster struct {
	Name, UID, Project string
	Gone               string // report or delete: what is done about its groups once it is gone
	GoneGKE            string // and about those of GKE's own controller
	Skip               string // why negfleet keeps no groups here; empty: it does
	Presence           presence.Verdict
	// Uninjected is why the webhook adds no gates here; empty: it does, where it is asked.
	Uninjected string
	// Unlabelled: it is asked about namespaces that do not say so, too.
	Unlabelled bool

	// Left: the run had no time for it.
	Left bool
	// Unlisted is why its Services or slices are not known, of one that is alive.
	Unlisted string
	// Services are those that exist, by key. None at all is no answer: every API server has
	// a Service of its own.
	Services map[neg.Key]Service
	// Endpoints are the live ones in the slices of a Service; none where it has no slice.
	Endpoints map[neg.Key]int
	// Waiting are the namespaces in which Pods wait for gates, and how many.
	Waiting map[string]int
	// Ungated are, by namespace, the Pods that should have a gate and have none.
	Ungated map[string]Ungated
	// LeaseFailed is why its Lease could not be renewed.
	LeaseFailed string
	// Instances says of a gone cluster's group with endpoints which of its instances is still
	// there, or why that is not known; empty: all are gone.
	Instances map[neg.GroupID]string
}

// A Service is what the sweep keeps of one.
type Service struct {
	Asks     bool // for groups, or has a status that names some
	Deleting bool
	Keeps    bool    // Pods that terminate stay attached for a while
	Backends bool    // asks for backend services, or is in some
	Ports    []int32 // that are exposed by number
	Status   neg.Status
	Selector map[string]string // of the Pods that are gated for it; none: it gates none
}

// ServiceOf reduces a Service.
func ServiceOf(s *neg.Service) Service {
	out := Service{Deleting: s.Deleting}
	keep, _ := neg.ParseKeepServing(s.Annotations) // what cannot be read keeps nobody
	out.Keeps = keep > 0
	for _, name := range []string{neg.AnnotationBackendService, neg.AnnotationAutoneg, neg.AnnotationServices} {
		_, has := s.Annotations[name]
		out.Backends = out.Backends || has
	}
	value, asks := s.Annotations[neg.AnnotationNEG]
	status, has := s.Annotations[neg.AnnotationStatus]
	out.Asks = asks || has
	out.Status, _ = neg.ParseStatus(status) // one that cannot be read names nothing
	e, err := neg.ParseExposure(value)
	if !asks || err != nil || s.Type == "ExternalName" {
		return out
	}
	gates := e.Ingress && len(out.Status.Groups) > 0
	for _, p := range e.Ports {
		if port, exists := s.Port(p.Port); exists {
			out.Ports = append(out.Ports, p.Port)
			gates = gates || port.Protocol == "TCP" || port.Protocol == ""
		}
	}
	if gates && !s.Deleting && s.Annotations[neg.AnnotationPolicy] != "observe" {
		out.Selector = s.Selector
	}
	return out
}
