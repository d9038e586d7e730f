package doctor

import (
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Cluster is what is known of one.
type Cluster struct {
	Name    string
	State   string // of the fleet file: active, draining, decommissioned
	NEGs    string // of the fleet file: managed, gke
	Project string
	Network string // as the fleet file names it

	Presence  Read[string] // alive, draining, gone or unknown
	Evidence  []string     // of a presence that is not alive
	AddOn     string       // of HttpLoadBalancing: on, off, unknown, none
	CallsOut  Read[bool]   // its control plane calls URLs
	VPCNative Read[bool]
	Webhook   Read[Webhook]
	Grants    Read[[]Grant]
	Lease     Read[time.Time]     // when it was renewed; zero: there is none
	Clock     Read[time.Duration] // how far its API server's clock is ahead of this machine's
	Backends  Read[[]Backend]     // what health checks have to reach
	Rules     Read[[]Rule]        // of its network
}

// A Backend is one address and port at which Pods serve, on an instance.
type Backend struct {
	Address  string // of the Pod
	Port     int32
	Instance string
	Known    bool     // the instance was found
	Ranges   []string // the instance's own address and its alias ranges, as CIDRs
	Tags     []string
	Accounts []string
}

func (f *Facts) cluster(k Cluster) []Finding {
	if k.State == "decommissioned" {
		return []Finding{check{"reach", k.Name}.finding(Skipped, "", "decommissioned in the fleet file: it is called by nobody")}
	}
	return []Finding{
		k.reach(), k.addOn(), k.egress(), k.vpcNative(), k.webhook(), k.rbac(), f.lease(k), k.firewall(), f.clusterClock(k),
	}
}

func (k Cluster) reach() Finding {
	c := check{"reach", k.Name}
	switch {
	case k.Presence.Gap != nil:
		return c.gap(k.Presence.Gap)
	case k.Presence.Value == "draining":
		return c.ok("answers with the UID of the fleet file, which says that it drains")
	case k.Presence.Value != "alive":
		return c.finding(Problem, "negfleet clusters; docs/operators/fleet-file.md, Presence", "%s: %s", k.Presence.Value, strings.Join(k.Evidence, "; "))
	}
	return c.ok("answers with the UID of the fleet file")
}

// addOn says which negs: fits the state of GKE's own controller.
func (k Cluster) addOn() Finding {
	c := check{"add-on", k.Name}
	switch {
	case k.AddOn == "unknown":
		return c.finding(Unknown, "container.clusters.get in project "+k.Project, "the container API did not say whether HttpLoadBalancing is on")
	case k.AddOn == "on" && k.NEGs == "managed":
		return c.finding(Problem, "negs: gke in the fleet file; or gcloud container clusters update --update-addons=HttpLoadBalancing=DISABLED",
			"HttpLoadBalancing is on: GKE's own controller keeps the groups, so negs: managed does nothing here; negs: gke fits")
	case k.AddOn == "off" && k.NEGs == "gke":
		return c.finding(Problem, "negs: managed in the fleet file; or gcloud container clusters update --update-addons=HttpLoadBalancing=ENABLED",
			"HttpLoadBalancing is off: nobody keeps groups under negs: gke; negs: managed fits")
	case k.AddOn == "none" && k.NEGs == "gke":
		return c.finding(Problem, "say which GKE cluster it is by resource:, or negs: managed", "negs: gke, but the fleet file does not say that it is a GKE cluster")
	case k.AddOn == "none":
		return c.ok("not known as a GKE cluster: negs: %s", k.NEGs)
	}
	return c.ok("HttpLoadBalancing is %s: negs: %s fits", k.AddOn, k.NEGs)
}

func (k Cluster) egress() Finding {
	c := check{"egress", k.Name}
	switch {
	case k.AddOn == "none":
		return c.finding(Skipped, "", "not known as a GKE cluster: that its control plane calls the webhook is shown by Pods with a gate")
	case k.CallsOut.Gap != nil:
		return c.gap(k.CallsOut.Gap)
	case !k.CallsOut.Value:
		return c.finding(Problem, "gcloud container clusters update --control-plane-egress=VIA_CONTROL_PLANE", "control-plane egress is NONE: it calls no webhook by URL, and refuses to register one")
	}
	return c.ok("its control plane calls URLs")
}

// vpcNative holds that Pods have addresses that a group takes. GKE says so; elsewhere the
// instances' alias ranges do.
func (k Cluster) vpcNative() Finding {
	c := check{"vpc-native", k.Name}
	const rebuild = "groups take Pods with alias addresses alone: make the cluster anew as VPC-native"
	if k.AddOn != "none" {
		switch {
		case k.VPCNative.Gap != nil:
			return c.gap(k.VPCNative.Gap)
		case !k.VPCNative.Value:
			return c.finding(Problem, rebuild, "a routes-based cluster")
		}
		return c.ok("by alias addresses")
	}
	switch {
	case k.Backends.Gap != nil:
		return c.gap(k.Backends.Gap)
	case len(k.Backends.Value) == 0:
		return c.finding(Unknown, "ask again when a Service that asks for groups has Pods", "no Pod to go by")
	}
	var unknown, outside []string
	for _, b := range k.Backends.Value {
		switch {
		case !b.Known:
			unknown = append(unknown, b.Instance)
		case !within(b.Address, b.Ranges):
			outside = append(outside, b.Address+" on "+b.Instance)
		}
	}
	slices.Sort(unknown)
	switch {
	case len(outside) > 0:
		return c.finding(Problem, "give each node's instance the range of its Pods as an alias range", "in no range of their instance: %s", some(outside))
	case len(unknown) > 0:
		return c.finding(Problem, "project: in the fleet file must be where the nodes' instances are, and providerID of the nodes right", "no such instance in project %s: %s", k.Project, some(slices.Compact(unknown)))
	}
	return c.ok("%s in the alias ranges of their instances", neg.Count(len(k.Backends.Value), "address", "addresses"))
}

// A Webhook is a cluster's registration, and what its URL answers.
type Webhook struct {
	Registered    bool
	Host          string // without the path, which is secret
	CA            bool   // trusted by a certificate of the registration; else by public roots
	FailurePolicy string
	Failure       string // why it is not trusted, or what is wrong with its answer; empty: fine
}

func (k Cluster) webhook() Finding {
	c := check{"webhook", k.Name}
	if k.Webhook.Gap != nil {
		return c.gap(k.Webhook.Gap)
	}
	w := k.Webhook.Value
	if !w.Registered {
		return c.finding(Warning, "negfleet webhook register "+k.Name+", if Pods shall have gates", "not registered: Pods get no readiness gate, Services no annotation")
	}
	var wrong []remark
	if w.Failure != "" {
		wrong = append(wrong, remark{Problem, w.Failure, "docs/operators/admission.md; the function's log; negfleet webhook register " + k.Name})
	}
	if w.FailurePolicy != "Ignore" {
		wrong = append(wrong, remark{Problem, "failurePolicy " + w.FailurePolicy + ": no Pod can be made while the function is down", "negfleet webhook register " + k.Name})
	}
	by := "public roots"
	if w.CA {
		by = "the registration's caBundle"
	}
	return c.sum(wrong, "%s answers a dry run; trusted by %s. Seen from this machine, not from the control plane", w.Host, by)
}

// A Grant is a role of infra/rbac, as a cluster has it.
type Grant struct {
	Role    string   // "ClusterRole negfleet-sweep"
	Missing bool     // there is no such role
	Lacks   []string // rights of infra/rbac, such as "patch services"
	Users   []string // to whom it must be bound; empty where nobody here knows
	Bound   []string // Users to whom it is bound
	Others  []string // groups and Kubernetes service accounts to whom it is bound
}

// rbac holds a cluster's roles to infra/rbac: they are applied by hand or by scripts/deploy,
// and an upgrade may need more of them.
func (k Cluster) rbac() Finding {
	c := check{"rbac", k.Name}
	if k.Grants.Gap != nil {
		return c.gap(k.Grants.Gap)
	}
	var wrong []remark
	for _, g := range k.Grants.Value {
		wrong = append(wrong, g.remarks()...)
	}
	return c.sum(wrong, "%s as in infra/rbac, and bound", neg.Count(len(k.Grants.Value), "role", "roles"))
}

func (g Grant) remarks() []remark {
	const do = "scripts/deploy --from clusters; or apply infra/rbac, its users replaced by those that the functions are in this cluster"
	lacking := slices.DeleteFunc(slices.Clone(g.Users), func(u string) bool { return slices.Contains(g.Bound, u) })
	switch {
	case g.Missing:
		return []remark{{Problem, "no " + g.Role, do}}
	case len(g.Lacks) > 0:
		return []remark{{Problem, g.Role + " does not allow to " + some(g.Lacks), do}}
	case len(g.Bound)+len(g.Others) == 0:
		return []remark{{Problem, g.Role + " is bound to nobody", do}}
	case len(g.Others) > 0: // whose members nobody here knows
		return nil
	case len(lacking) > 0:
		return []remark{{Problem, g.Role + " is not bound to " + some(lacking), do}}
	}
	return nil
}

// leaseWarn is the age from which two runs of the sweep must have been missed.
const leaseWarn = 12 * time.Minute

func (f *Facts) lease(k Cluster) Finding {
	c := check{"lease", k.Name}
	const do = "the scheduler's check above; the log of negfleet-sweep (LeaseNotRenewed); its ClusterRole, infra/rbac/sweep.yaml"
	if k.Lease.Gap != nil {
		return c.gap(k.Lease.Gap)
	}
	if k.Lease.Value.IsZero() {
		return c.finding(Problem, do, "there is no Lease %s/%s: the webhook adds no gates", neg.LeaseNamespace, neg.LeaseName)
	}
	old := f.now().Sub(k.Lease.Value)
	switch {
	case old > neg.LeaseFresh:
		return c.finding(Problem, do, "renewed %s ago: past %s the webhook adds no gates", age(old), age(neg.LeaseFresh))
	case old > leaseWarn:
		return c.finding(Warning, do, "renewed %s ago: the sweep should do so every ten minutes", age(old))
	}
	return c.ok("renewed %s ago", age(old))
}

// Google's tokens are refused 5 minutes off; an age that is read here is off by as much as
// the clock.
const (
	skewWarn    = 30 * time.Second
	skewProblem = 5 * time.Minute
)

func (f *Facts) clock() Finding {
	c := check{"clock", "this machine"}
	if f.Google.Gap != nil {
		return c.gap(f.Google.Gap)
	}
	return c.skew(f.Google.Value, "Google's", "set this machine's clock by NTP; all ages below are by Google's")
}

func (f *Facts) clusterClock(k Cluster) Finding {
	c := check{"clock", k.Name}
	if k.Clock.Gap != nil {
		return c.gap(k.Clock.Gap)
	}
	const do = "set the clocks of the control plane by NTP: gates time out, and Leases age, by the difference"
	if f.Google.Gap != nil {
		return c.skew(-k.Clock.Value, "this machine's", do)
	}
	return c.skew(f.Google.Value-k.Clock.Value, "Google's", do)
}

// skew judges how far a clock is ahead of the subject's.
func (c check) skew(ahead time.Duration, whose, do string) Finding {
	switch {
	case ahead.Abs() >= skewProblem:
		return c.finding(Problem, do, "%s off %s", age(ahead), whose)
	case ahead.Abs() >= skewWarn:
		return c.finding(Warning, do, "%s off %s", age(ahead), whose)
	}
	return c.ok("within %s of %s", age(ahead.Abs()+time.Second), whose)
}

// Ahead is how far a clock that answered with a Date is ahead of one by which the question
// went out and the answer came in. A Date has whole seconds: what lies within is no
// difference.
func Ahead(date, out, in time.Time) time.Duration {
	switch {
	case date.Add(time.Second).Before(out):
		return date.Add(time.Second).Sub(out)
	case date.After(in):
		return date.Sub(in)
	}
	return 0
}
