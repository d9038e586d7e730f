package readiness

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Reasons of the condition. The first four are GKE's
// (https://github.com/kubernetes/ingress-gce/blob/master/pkg/neg/readiness/reflector.go).
const (
	ReasonReady       = "LoadBalancerNegReady"
	ReasonNotReady    = "LoadBalancerNegNotReady"
	ReasonNoCheck     = "LoadBalancerNegWithoutHealthCheck"
	ReasonTimeout     = "LoadBalancerNegTimeout"
	ReasonNotAttached = "NotAttached"
	ReasonUnused      = "BackendServiceUnused"
	ReasonDraining    = "ClusterDraining"
	ReasonByHand      = "OpenedByHand" // by negfleet gates open
)

// A Port is an exposed port of the Service with its groups, one for each zone.
type Port struct {
	Number int32
	Groups []Group
	// Partial: some group could not be listed, and may have whoever is in none of the others.
	Partial bool
	Asked   []neg.BackendService // that the Service asks for, as observed
	Absent  []neg.BackendServiceID
}

// A Group is what was listed of one.
type Group struct {
	neg.GroupID
	Endpoints []neg.EndpointHealth
}

// Rules are a namespace's times, all from the containers' readiness.
type Rules struct {
	Timeout    time.Duration // then the gate opens whatever is said
	Unattached time.Duration // the same for a Pod that is in none of its groups
	Hybrid     time.Duration // and for one that can be in none
	Settle     time.Duration // how long nothing must be heard of any load balancer; from attachment too
}

// DefaultRules are those of a namespace without a policy.
var DefaultRules = Rules{Timeout: neg.GateTimeout, Unattached: neg.GateTimeout, Hybrid: neg.GateTimeout, Settle: 5 * time.Second}

// Decide says what the gate of a Pod should be. Without ports no Service with groups
// selects it.
//
//	in no group, of a port that has one                      wait: NotAttached, for as long as the rules say
//	its group is not in a backend service that serves        wait: NotAttached
//	a backend service in use does not find it healthy        wait: LoadBalancerNegNotReady
//	every one asked for, or else any that is heard, does     open: LoadBalancerNegReady
//	those asked for are missing or lead nowhere              open, after settling: BackendServiceUnused
//	none is asked for, none is heard                         open, after settling: LoadBalancerNegWithoutHealthCheck
//	the time-out is over                                     open: LoadBalancerNegTimeout
func Decide(pod neg.GatedPod, ports []Port, now time.Time, rules Rules) neg.Gate {
	if pod.Gate.Open {
		return pod.Gate
	}
	if !pod.IP.IsValid() && len(ports) > 0 {
		return wait(ReasonNotAttached, "the Pod has no address yet")
	}
	verdict := neg.Gate{Open: true, Reason: ReasonReady, Message: "the Pod belongs to no network endpoint group"}
	for i, port := range ports {
		v := decidePort(pod, port, now, rules)
		if i == 0 || worse(v, verdict) {
			verdict = v
		}
	}
	return verdict
}

// over opens the gate of a Pod that has waited for limit since its containers are ready.
func over(pod neg.GatedPod, waits neg.Gate, now time.Time, limit time.Duration) neg.Gate {
	if waits.Open || !waited(pod, now, limit) {
		return waits
	}
	return neg.Gate{Open: true, Reason: ReasonTimeout, Message: fmt.Sprintf("not healthy within %s; at last: %s", limit, waits.Message)}
}

func waited(pod neg.GatedPod, now time.Time, limit time.Duration) bool {
	return !pod.Ready.IsZero() && now.Sub(pod.Ready) >= limit
}

// unattached is about a Pod that is in none of a port's groups. Only what no reading can
// change is a time-out: groups that could not be listed may have it.
func unattached(pod neg.GatedPod, port Port, now time.Time, rules Rules) neg.Gate {
	if port.Partial {
		return over(pod, wait(ReasonNotAttached, "port %d: not all of its groups could be listed", port.Number), now, rules.Timeout)
	}
	limit, why := rules.Unattached, ""
	if pod.NoInstance != "" {
		limit, why = rules.Hybrid, ", and can be in none: "+pod.NoInstance
	}
	waits := wait(ReasonNotAttached, "port %d: %s is in none of the groups %s%s", port.Number, pod.IP, names(port.Groups), why)
	if len(port.Groups) == 0 {
		waits.Message = fmt.Sprintf("port %d has no groups yet%s", port.Number, why)
	}
	if limit < rules.Timeout && waited(pod, now, limit) && !waited(pod, now, rules.Timeout) {
		return neg.Gate{Open: true, Reason: ReasonNotAttached, Message: fmt.Sprintf("not attached within %s; %s", limit, waits.Message)}
	}
	return over(pod, waits, now, max(limit, rules.Timeout))
}

// worse prefers what waits, then what is open for want of anything better.
func worse(a, b neg.Gate) bool {
	if a.Open != b.Open {
		return !a.Open
	}
	return a.Open && a.Reason != ReasonReady && b.Reason == ReasonReady
}

func wait(reason, format string, args ...any) neg.Gate {
	return neg.Gate{Open: false, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func decidePort(pod neg.GatedPod, port Port, now time.Time, rules Rules) neg.Gate {
	group, seen, attached := find(port, pod.IP)
	if !attached {
		return unattached(pod, port, now, rules)
	}
	return over(pod, decideAttached(pod, port, group, seen, now, rules), now, rules.Timeout)
}

func decideAttached(pod neg.GatedPod, port Port, group neg.GroupID, seen []neg.Health, now time.Time, rules Rules) neg.Gate {
	serving := inUse(port.Asked)
	for _, s := range serving {
		if c, waits := hear(port, group, s.ID, holds(s, group), seen); waits {
			return c
		}
	}
	if healthy := healthyIn(seen); healthy != "" {
		return neg.Gate{Open: true, Reason: ReasonReady, Message: fmt.Sprintf("healthy in backend service %s, by group %s", healthy, group)}
	}
	if len(seen) > 0 {
		return wait(ReasonNotReady, "%s", unhealthy(port, group, seen))
	}
	if other, heard := heardElsewhere(port); heard {
		return wait(ReasonNotAttached, "group %s is in no backend service yet; %s serves other zones of port %d", group, other, port.Number)
	}
	return settle(pod, port, group, now, rules)
}

// find is the group that has the Pod, and what is said of it there.
func find(port Port, ip netip.Addr) (neg.GroupID, []neg.Health, bool) {
	for _, g := range port.Groups {
		for _, e := range g.Endpoints {
			if e.Addr.Addr() == ip && !drains(e.Seen) {
				return g.GroupID, e.Seen, true
			}
		}
	}
	return neg.GroupID{}, nil, false
}

// drains tells of an endpoint that has been detached, or of an earlier Pod of the address.
func drains(seen []neg.Health) bool {
	return slices.ContainsFunc(seen, func(h neg.Health) bool { return h.State == neg.Draining })
}

// inUse are the backend services that a load balancer refers to.
func inUse(asked []neg.BackendService) []neg.BackendService {
	return slices.DeleteFunc(slices.Clone(asked), func(s neg.BackendService) bool { return len(s.Users) == 0 })
}

func holds(s neg.BackendService, group neg.GroupID) bool {
	_, ok := s.Backend(group)
	return ok
}

// hear says whether to wait for a backend service that is in use.
func hear(port Port, group neg.GroupID, id neg.BackendServiceID, holds bool, seen []neg.Health) (neg.Gate, bool) {
	if !holds {
		return wait(ReasonNotAttached, "group %s is not in backend service %s yet", group, id), true
	}
	i := slices.IndexFunc(seen, func(h neg.Health) bool { return h.Service == id })
	if i < 0 {
		return wait(ReasonNotReady, "backend service %s says nothing of group %s yet", id, group), true
	}
	if seen[i].State != neg.Healthy {
		return wait(ReasonNotReady, "%s", unhealthy(port, group, seen[i:i+1])), true
	}
	return neg.Gate{}, false
}

func healthyIn(seen []neg.Health) string {
	for _, h := range seen {
		if h.State == neg.Healthy {
			return h.Service.String()
		}
	}
	return ""
}

// unhealthy says what is heard, and, when nobody is healthy anywhere, what that often means.
func unhealthy(port Port, group neg.GroupID, seen []neg.Health) string {
	var texts []string
	for _, h := range seen {
		texts = append(texts, fmt.Sprintf("%s in backend service %s", h.State, h.Service))
	}
	text := fmt.Sprintf("%s, by group %s", strings.Join(texts, ", "), group)
	if allUnhealthy(port) {
		text += "; no endpoint of port " + fmt.Sprint(port.Number) + " is healthy: does a firewall let health checks in from 35.191.0.0/16 and 130.211.0.0/22?"
	}
	return text
}

func allUnhealthy(port Port) bool {
	heard := false
	for _, g := range port.Groups {
		for _, e := range g.Endpoints {
			for _, h := range e.Seen {
				if h.State != neg.Unhealthy && h.State != neg.Draining {
					return false
				}
				heard = heard || h.State == neg.Unhealthy
			}
		}
	}
	return heard
}

// heardElsewhere is a backend service that serves another group of the port.
func heardElsewhere(port Port) (neg.BackendServiceID, bool) {
	for _, g := range port.Groups {
		for _, e := range g.Endpoints {
			if len(e.Seen) > 0 && !drains(e.Seen) {
				return e.Seen[0].Service, true
			}
		}
	}
	return neg.BackendServiceID{}, false
}

// settle opens the gate of a Pod that no load balancer leads to, a little later: a
// backend service that was just connected may not have been heard of yet.
func settle(pod neg.GatedPod, port Port, group neg.GroupID, now time.Time, rules Rules) neg.Gate {
	if pod.Ready.IsZero() || now.Sub(pod.Ready) < rules.Settle || now.Sub(pod.Attached) < rules.Settle {
		return wait(ReasonNotReady, "in group %s; no load balancer is heard of it yet", group)
	}
	switch {
	case len(port.Absent) > 0:
		return neg.Gate{Open: true, Reason: ReasonUnused, Message: fmt.Sprintf("in group %s; backend service %s does not exist", group, port.Absent[0])}
	case len(port.Asked) > 0:
		return neg.Gate{Open: true, Reason: ReasonUnused, Message: fmt.Sprintf("in group %s; no load balancer refers to backend service %s", group, port.Asked[0].ID)}
	}
	return neg.Gate{Open: true, Reason: ReasonNoCheck, Message: fmt.Sprintf("in group %s, which no load balancer checks", group)}
}

func names(groups []Group) string {
	var list []string
	for _, g := range groups {
		list = append(list, g.GroupID.String())
	}
	return strings.Join(list, ", ")
}
