package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Input is all that Desired looks at, besides what was observed in the cloud.
type Input struct {
	UID      string // of the cluster's kube-system namespace
	Project  string // that holds the groups, and so must hold the instances
	Zones    []neg.Zone
	Service  *neg.Service // nil: it does not exist
	Exposure neg.Exposure // of Service
	Ingress  []neg.IngressPort
	Slices   []neg.Slice
	Nodes    map[string]neg.Node

	// Keep is how long an endpoint that terminates stays attached while it answers, from the
	// time at which its Pod was told to stop; by Now, and by the names of the Pods.
	Keep     time.Duration
	Stopping map[string]time.Time
	Now      time.Time
	// Mistakes are in annotations, and hold nothing else up.
	Mistakes []Problem

	// Foreign: GKE's own controller keeps the groups, and says which they are in Status and
	// in GKE. Those in Absent do not exist, or are not this Service's.
	Foreign bool
	Status  neg.Status
	GKE     []neg.GKEGroup
	Absent  map[neg.GroupID]bool

	Managed  []neg.Managed       // backend services that the Service asks for
	Attached []neg.Attachment    // backend services of others that it wants to be in
	Probes   map[int32]neg.Probe // by Service port: what its Pods' readinessProbe says
	// BackendsHeld is why what the Service has of backend services stays as it is, whatever it
	// asks for; one without a reason is not told.
	BackendsHeld *Problem
}

// A Problem is something that keeps a part of a Service from being as asked. The rest is
// served all the same.
type Problem struct {
	Reason  string // CamelCase
	Message string // names the object and the field, and says what to do
}

// A Port is one Service port that should have groups.
type Port struct {
	Number int32
	Name   string // of the Service port; "" when unnamed
	Group  string // name of its groups
	App    string // its protocol, as backend services call it; "" when unsaid
	held   bool   // it cannot be resolved now: its groups stay as observed
}

// Ports lists the ports of in.Service that should have groups, in order: those that
// the annotation exposes, and with ingress those that an Ingress references.
func Ports(in Input) ([]Port, []Problem) {
	if in.Service == nil || in.Service.Deleting {
		return nil, nil
	}
	if in.Foreign {
		return foreignPorts(in), nil
	}
	var ports []Port
	var problems []Problem
	add := func(p Port, problem *Problem) {
		if problem != nil {
			problems = append(problems, *problem)
		}
		if p.Number != 0 && !slices.ContainsFunc(ports, func(o Port) bool { return o.Number == p.Number }) {
			ports = append(ports, p)
		}
	}
	for _, e := range in.Exposure.Ports {
		add(resolve(in, e, "field exposed_ports"))
	}
	if in.Exposure.Ingress {
		for _, ref := range in.Ingress {
			add(resolveIngress(in, ref))
		}
	}
	slices.SortFunc(ports, func(a, b Port) int { return int(a.Number - b.Number) })
	return ports, problems
}

// resolve finds the Service port behind an exposed one.
func resolve(in Input, e neg.ExposedPort, source string) (Port, *Problem) {
	p := Port{Number: e.Port, Group: e.Name}
	if p.Group == "" {
		p.Group = neg.GroupName(in.UID, in.Service.Key, e.Port)
	}
	found, ok := in.Service.Port(e.Port)
	switch {
	case in.Service.Type == "ExternalName":
		p.held = true
		return p, &Problem{"NoGroupPossible", "a Service of type ExternalName has no endpoints; remove the annotation " + neg.AnnotationNEG}
	case !ok:
		p.held = true
		return p, &Problem{"PortNotFound", fmt.Sprintf("annotation %s: %s: the Service has no port %d; its groups are left as they are", neg.AnnotationNEG, source, e.Port)}
	case found.Protocol != "TCP" && found.Protocol != "":
		p.held = true
		return p, &Problem{"ProtocolNotSupported", fmt.Sprintf("port %d is %s; network endpoint groups of Pods carry TCP", e.Port, found.Protocol)}
	}
	p.Name, p.App = found.Name, found.AppProtocol
	return p, nil
}

// resolveIngress finds the Service port that an Ingress names or numbers.
func resolveIngress(in Input, ref neg.IngressPort) (Port, *Problem) {
	if ref.Service != in.Service.Key.Service {
		return Port{}, nil
	}
	if ref.Number != 0 {
		return resolve(in, neg.ExposedPort{Port: ref.Number}, "an Ingress")
	}
	for _, p := range in.Service.Ports {
		if p.Name == ref.Name {
			return resolve(in, neg.ExposedPort{Port: p.Port}, "an Ingress")
		}
	}
	return Port{}, &Problem{"PortNotFound", fmt.Sprintf("an Ingress sends traffic to port %q, which the Service does not have", ref.Name)}
}

// Names maps each port to the name of its groups.
func Names(ports []Port) map[int32]string {
	names := map[int32]string{}
	for _, p := range ports {
		names[p.Number] = p.Group
	}
	return names
}
