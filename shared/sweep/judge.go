package sweep

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// A Verdict is what is believed of a resource.
type Verdict int

// The verdicts. The zero value is Unknown: nothing may be concluded.
const (
	Unknown Verdict = iota
	Wanted
	Drifted
	Orphan       // of a living cluster
	OrphanOfGone // of a cluster that is proved gone
	InUse        // an orphan that something of somebody else's uses
	Foreign
)

func (v Verdict) String() string {
	return [...]string{"unknown", "owned and wanted", "drifted", "orphan of a living cluster", "orphan of a gone cluster", "in use", "foreign"}[v]
}

// MinAge is how old an orphan is at least. What is younger is still being worked on, or
// tells of clocks that disagree.
const MinAge = 15 * time.Minute

// manyOrphans is how many of a living cluster's keys may be orphaned at once, as one part in
// so many. More look like an API server that was restored from a backup.
const manyOrphans = 10

// A Finding is a verdict on a resource, or, without one, on a key.
type Finding struct {
	Verdict  Verdict
	Project  string
	Kind     Kind   // empty: the key has no resource
	Resource string // its name
	Key      neg.Key
	Evidence []string // the weightiest first
	// Held is why nothing is done about an orphan; empty: its key is for publishing.
	Held string
	// Unused: it is wanted, and yet nothing uses it.
	Unused bool

	orphaned bool // its Service is gone from a living cluster, whatever the verdict
}

// Judge is the verdict on everything that may be ours, in the order of the inventory. What
// is plainly somebody else's is left out.
func Judge(in Inventory) []Finding {
	j := judge{in: in, clusters: map[string]*Cluster{}, sizes: map[portOf]int{}}
	for i := range in.Clusters {
		j.clusters[in.Clusters[i].UID] = &in.Clusters[i]
	}
	j.addSizes()
	var all []Finding
	for i := range in.Projects {
		for _, r := range in.Projects[i].Resources {
			if f, worth := j.resource(&in.Projects[i], r); worth {
				all = append(all, f)
			}
		}
	}
	for i := range in.Clusters {
		j.many(&in.Clusters[i], all)
		all = append(all, j.missing(&in.Clusters[i])...)
	}
	return all
}

type judge struct {
	in       Inventory
	clusters map[string]*Cluster // by UID
	sizes    map[portOf]int
}

// portOf is one port of a Service, whose groups share its endpoints.
type portOf struct {
	key  neg.Key
	port int32
}

// owner is whose a resource is, when its description proves that it is ours.
func (j *judge) owner(r Resource) (*Cluster, neg.Owner, neg.Key, bool) {
	if r.Kind == Entry {
		return j.ownerOfEntry(r)
	}
	o, err := neg.ParseOwner(r.Description)
	c := j.clusters[o.UID]
	if err != nil || c == nil {
		return nil, o, neg.Key{}, false
	}
	k := neg.Key{Cluster: c.Name, Namespace: o.Namespace, Service: o.Service}
	return c, o, k, k.Service != "" && k.Validate() == nil && o.Owns(c.UID, k)
}

// ownerOfEntry is whose an entry is: the description of its group says for which Service, and the
// mark that it is ours.
func (j *judge) ownerOfEntry(r Resource) (*Cluster, neg.Owner, neg.Key, bool) {
	o, _ := described(r.Description)
	c := j.clusters[o.UID]
	if c == nil {
		return nil, o, neg.Key{}, false
	}
	k := neg.Key{Cluster: c.Name, Namespace: o.Namespace, Service: o.Service}
	return c, o, k, k.Validate() == nil && r.Uses[0].Mark == neg.BackendMark(c.UID, k)
}

// addSizes counts the endpoints of each port over its zones.
func (j *judge) addSizes() {
	for _, p := range j.in.Projects {
		for _, r := range p.Resources {
			if c, o, k, ours := j.owner(r); ours && r.Kind == Group && c.Project == p.Name {
				j.sizes[portOf{k, o.Port}] += r.Size
			}
		}
	}
}

// resource judges one; worth is false when it is nobody's business here.
func (j *judge) resource(p *Project, r Resource) (f Finding, worth bool) {
	f = Finding{Project: p.Name, Kind: r.Kind, Resource: r.Name}
	c, o, k, ours := j.owner(r)
	switch {
	case !ours && r.Kind == Entry:
		return f, false
	case !ours:
		return j.notOurs(f, p, r, c, o)
	}
	f.Key = k
	switch {
	case c.Project != p.Name:
		f.say("cluster %s has its groups in project %s, says the fleet file; it is in %s", c.Name, c.Project, p.Name)
	case c.Skip != "" && r.Kind == Group:
		f.say("%s", c.Skip)
	case c.Left:
		f.say("cluster %s is left to a run of its own", c.Name)
	case c.Presence.Presence == presence.Gone:
		f.ofGone(c, r)
		f.proveOrphan(j.in.At, p, r, neg.BackendMark(c.UID, k))
	case c.Presence.Presence == presence.Draining:
		f.Verdict = Orphan
		f.say("the fleet file says that cluster %s is draining", c.Name)
		f.proveOrphan(j.in.At, p, r, neg.BackendMark(c.UID, k))
	case c.Presence.Presence != presence.Alive:
		f.say("cluster %s is unknown: %s", c.Name, strings.Join(c.Presence.Evidence, "; "))
	case c.Unlisted != "":
		f.say("cluster %s: %s", c.Name, c.Unlisted)
	case len(c.Services) == 0:
		f.say("cluster %s lists no Service at all, not even the API server's own: that is no answer", c.Name)
	default:
		j.ofLiving(&f, c, p, r, o)
	}
	// There are many entries; of one that is no orphan its group tells.
	return f, r.Kind != Entry || f.orphaned || f.Verdict != Wanted && f.Verdict != Unknown
}

func (f *Finding) say(format string, args ...any) {
	f.Evidence = append(f.Evidence, fmt.Sprintf(format, args...))
}

// unknown takes a verdict back.
func (f *Finding) unknown(format string, args ...any) {
	f.Verdict = Unknown
	f.say(format, args...)
}

// notOurs is a verdict on what no description proves ours. It is worth telling when it
// looks like ours, or like what a cluster of ours left.
func (j *judge) notOurs(f Finding, p *Project, r Resource, c *Cluster, o neg.Owner) (Finding, bool) {
	f.Verdict = Foreign
	gke, fromGKE := neg.ParseGKEOwner(r.Description)
	switch {
	case c == nil && o.UID != "":
		k := neg.Key{Cluster: o.Cluster, Namespace: o.Namespace, Service: o.Service}
		if !o.Owns(o.UID, k) {
			f.say("its description is like ours, but its token does not fit what it says")
			return f, true
		}
		f.unknown("it says that it belongs to Service %s/%s of cluster %s with UID %s, and the fleet file has no such cluster", o.Namespace, o.Service, o.Cluster, o.UID)
	case c != nil:
		f.say("its description names cluster %s, but its token does not fit what it says", c.Name)
	case fromGKE && r.Kind == Group:
		return j.byGKE(f, p, r, gke)
	case strings.Contains(r.Description, neg.NamePrefix), strings.Contains(r.Name, "/"+neg.NamePrefix):
		f.say("its name or description is like ours, but its description does not say whose it is")
	default:
		return f, false
	}
	return f, true
}

// byGKE is about the groups of GKE's own controller. Of a living cluster they are its own.
// Ownership of one that is left is proved by a description with the cluster's UID and by a
// name that agrees with it.
func (j *judge) byGKE(f Finding, p *Project, r Resource, o neg.GKEOwner) (Finding, bool) {
	c := j.clusters[o.UID]
	if c == nil || c.Presence.Presence != presence.Gone {
		return f, false
	}
	f.Key = neg.Key{Cluster: c.Name, Namespace: o.Namespace, Service: o.Service}
	f.ofGone(c, r)
	f.say("GKE's own controller made it for Service %s/%s", o.Namespace, o.Service)
	switch {
	case c.Project != p.Name:
		f.unknown("cluster %s has its groups in project %s, says the fleet file; it is in %s", c.Name, c.Project, p.Name)
	case f.Key.Validate() != nil || !o.Named(r.Group.Name):
		f.Held = "reported only: its name is not one that GKE's controller makes for that Service"
	case c.GoneGKE != "delete":
		f.Held = fmt.Sprintf("reported only: say gone: delete and gone_gke: delete for cluster %s in the fleet file to have it deleted", c.Name)
	}
	f.proveOrphan(j.in.At, p, r, "")
	return f, true
}

// ofGone is about what a cluster that is proved gone has left.
func (f *Finding) ofGone(c *Cluster, r Resource) {
	f.Verdict = OrphanOfGone
	f.say("cluster %s is gone: %s", c.Name, c.Presence.Conclusion())
	switch there, asked := c.Instances[r.Group]; {
	case r.Size == 0:
	case !asked:
		f.unknown("it holds %s, and nobody asked whether their instances are gone", neg.Count(r.Size, "endpoint", "endpoints"))
	case there != "":
		f.unknown("it holds %s, and %s", neg.Count(r.Size, "endpoint", "endpoints"), there)
	default:
		f.say("no instance is left behind its %s", neg.Count(r.Size, "endpoint", "endpoints"))
	}
	if c.Gone != "delete" {
		f.Held = fmt.Sprintf("reported only: say gone: delete for cluster %s in the fleet file to have it deleted", c.Name)
	}
}

// ofLiving is about a cluster that answers, whole.
func (j *judge) ofLiving(f *Finding, c *Cluster, p *Project, r Resource, o neg.Owner) {
	s, exists := c.Services[f.Key]
	asks, what := s.Asks, "group"
	if c.Skip != "" || r.Kind == Entry { // others keep its groups
		asks, what = s.Backends, "backend service"
	}
	switch {
	case exists && (asks || s.Deleting):
		f.Verdict = Wanted
		f.say("Service %s/%s of cluster %s asks for it", o.Namespace, o.Service, c.Name)
		switch {
		case s.Deleting:
		case r.Kind == Group:
			j.drift(f, c, p, r, o, s)
		case r.Kind == Entry:
		default:
			f.unused(j.in.At, p, r)
		}
		return
	case exists:
		f.say("Service %s/%s of cluster %s asks for no %s", o.Namespace, o.Service, c.Name, what)
	default:
		f.say("cluster %s has no Service %s/%s", c.Name, o.Namespace, o.Service)
	}
	f.Verdict, f.orphaned = Orphan, true
	f.proveOrphan(j.in.At, p, r, neg.BackendMark(c.UID, f.Key))
}

// drift compares what a Service's groups hold with its slices, and with what its status
// names. A Service without a slice says nothing; nor do groups that were not all listed.
func (j *judge) drift(f *Finding, c *Cluster, p *Project, r Resource, o neg.Owner, s Service) {
	live, known := c.Endpoints[f.Key]
	attached := j.sizes[portOf{f.Key, o.Port}]
	switch {
	case !slices.Contains(s.Status.Names(), r.Group.Name) || !slices.Contains(s.Status.Zones, r.Group.Zone):
		f.Verdict = Drifted
		f.say("neg-status does not name it")
	case known && len(p.Missing) == 0 && attached != live && !(s.Keeps && attached > live):
		f.Verdict = Drifted
		f.say("the groups of port %d hold %s, the slices have %d", o.Port, neg.Count(attached, "endpoint", "endpoints"), live)
	}
	slices.Reverse(f.Evidence) // what drifted weighs more than that it is wanted
}

// unused tells of a backend service that no load balancer uses, and of a health check that no
// backend service does.
func (f *Finding) unused(at time.Time, p *Project, r Resource) {
	if len(r.Uses) > 0 || p.UsesFailed != "" || r.Created.IsZero() || at.Sub(r.Created) < MinAge {
		return
	}
	f.Unused = true
	f.say("nothing uses it")
}

// proveOrphan asks of an orphan what else must be so: that nobody else uses it, and that it
// has been there a while.
func (f *Finding) proveOrphan(at time.Time, p *Project, r Resource, mark string) {
	var users []string
	for _, u := range r.Uses {
		if u.Mark != mark || mark == "" {
			users = append(users, u.By)
		}
	}
	age := at.Sub(r.Created)
	switch {
	case f.Verdict != Orphan && f.Verdict != OrphanOfGone:
	case p.UsesFailed != "":
		f.unknown("whether something uses it is not known: %s", p.UsesFailed)
	case len(users) > 0:
		f.Verdict = InUse
		f.say("in use by %s", strings.Join(users, ", "))
	case r.Created.IsZero():
		f.unknown("it does not say when it was created")
	case age < MinAge:
		f.unknown("created %s ago, and only what is older than %s counts as left over", age.Round(time.Second), MinAge)
	}
}

// many takes the orphans of a living cluster back when there are too many. One is never too
// many: in a small cluster it is more than a tenth.
func (j *judge) many(c *Cluster, all []Finding) {
	keys, orphaned := map[neg.Key]bool{}, map[neg.Key]bool{}
	for k, s := range c.Services {
		keys[k] = s.Asks
	}
	for _, f := range all {
		if f.Key.Cluster != c.Name {
			continue
		}
		keys[f.Key] = true
		if f.orphaned {
			orphaned[f.Key] = true
		}
	}
	total := 0
	for _, counts := range keys {
		if counts {
			total++
		}
	}
	if len(orphaned) <= max(1, total/manyOrphans) {
		return
	}
	for i := range all {
		if f := &all[i]; f.Key.Cluster == c.Name && f.Verdict == Orphan && f.orphaned {
			f.unknown("%d of the %d keys of cluster %s are orphaned at once, which is what a restored API server looks like; if it is right, negfleet resync %s has them removed", len(orphaned), total, c.Name, c.Name)
		}
	}
}

// missing are the Services that ask for groups of a port and have none, where all groups
// were listed.
func (j *judge) missing(c *Cluster) (all []Finding) {
	i := slices.IndexFunc(j.in.Projects, func(p Project) bool { return p.Name == c.Project })
	if !c.readable() || i < 0 || j.in.Projects[i].Failed != "" || len(j.in.Projects[i].Missing) > 0 {
		return nil
	}
	for _, k := range sortedKeys(c.Services) {
		s := c.Services[k]
		for _, port := range s.Ports {
			if _, has := j.sizes[portOf{k, port}]; has || s.Deleting {
				continue
			}
			f := Finding{Verdict: Drifted, Project: c.Project, Key: k}
			f.say("Service %s/%s of cluster %s asks for groups of port %d and has none", k.Namespace, k.Service, c.Name, port)
			all = append(all, f)
			break
		}
	}
	return all
}

// readable tells whether a cluster is alive, its groups are ours to look at, and it was
// listed whole.
func (c *Cluster) readable() bool { return c.Skip == "" && c.listed() }

func (c *Cluster) listed() bool {
	return c.Presence.Presence == presence.Alive && c.Unlisted == "" && len(c.Services) > 0
}
