package sweep

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// A Cloud is what is listed of a project, and asked about what a gone cluster left there.
type Cloud interface {
	// Groups hands on all groups page by page; missing are the zones that did not answer.
	Groups(ctx context.Context, page func([]neg.ListedGroup) error) (missing []string, err error)
	// BackendServices and HealthChecks are whole or an error.
	BackendServices(ctx context.Context) ([]neg.BackendService, error)
	HealthChecks(ctx context.Context) ([]neg.HealthCheck, error)
	// Quotas are those of the project and its regions.
	Quotas(ctx context.Context) ([]neg.Quota, error)

	Endpoints(ctx context.Context, id neg.GroupID) (endpoints []neg.Endpoint, exists bool, err error)
	InstanceExists(ctx context.Context, zone neg.Zone, name string) (bool, error)
}

// A Kubernetes is what is listed of a cluster, and the one thing written.
type Kubernetes interface {
	UID(ctx context.Context) (string, error)
	Services(ctx context.Context, page func([]neg.Service) error) error
	// EndpointCounts are the live endpoints of each Service that has a slice.
	EndpointCounts(ctx context.Context) (map[neg.Key]int, error)
	// OptedIn are the namespaces whose Pods the webhook is asked about.
	OptedIn(ctx context.Context, unlabelled bool) (map[string]bool, error)
	Pods(ctx context.Context, namespace string, page func([]neg.ListedPod)) error
	RenewLease(ctx context.Context, holder string) error
}

// A Reader reads an inventory.
type Reader struct {
	Clouds map[string]Cloud // by project
	// Survey says who of the fleet is there. It is asked after the projects were read.
	Survey func(ctx context.Context) ([]Cluster, error)
	Open   func(ctx context.Context, cluster string) (Kubernetes, error)
	// Holder renews the Lease of every cluster that was reached; empty: nobody does.
	Holder string
	// Only is the one cluster that is read; empty: all. What is of whole projects, as quotas
	// are, the run over all of them reads.
	Only string
	Now  func() time.Time
}

// Within is how long after its beginning a run over the whole fleet begins with another
// cluster. Those that are left get runs of their own, side by side.
const Within = 4 * time.Minute

const (
	// clustersAtOnce bounds the memory and the connections of a sweep.
	clustersAtOnce = 4
	// clusterTimeout keeps a cluster that answers slowly from holding up the others.
	clusterTimeout = time.Minute
	// groupsAsked is how many groups of a gone cluster are asked about in one run.
	groupsAsked = 100
)

// Read reads the projects, then the clusters. What cannot be read is said in the inventory;
// an error means that not even the fleet is known.
func (r Reader) Read(ctx context.Context) (Inventory, error) {
	in := Inventory{At: r.Now(), Only: r.Only}
	projects := slices.Sorted(maps.Keys(r.Clouds))
	in.Projects = make([]Project, len(projects))
	var g errgroup.Group
	g.SetLimit(clustersAtOnce)
	for i, name := range projects {
		g.Go(func() error { in.Projects[i] = r.project(ctx, name, r.Clouds[name]); return nil })
	}
	_ = g.Wait() // failures are in the projects
	clusters, err := r.Survey(ctx)
	if err != nil {
		return in, err
	}
	in.Clusters = clusters
	g = errgroup.Group{}
	g.SetLimit(clustersAtOnce)
	for i := range in.Clusters {
		g.Go(func() error {
			if in.Only == "" && r.Now().Sub(in.At) > Within {
				in.Clusters[i].Left = true
				return nil
			}
			r.cluster(ctx, &in.Clusters[i], in.Projects)
			return nil
		})
	}
	return in, g.Wait()
}

func (r Reader) project(ctx context.Context, name string, cloud Cloud) Project {
	p := Project{Name: name}
	var groups []Resource
	missing, err := cloud.Groups(ctx, func(page []neg.ListedGroup) error {
		for _, l := range page {
			groups = append(groups, Resource{Kind: Group, Name: l.GroupID.String(), Group: l.GroupID, Description: l.Description, Size: l.Size, Created: l.Created})
		}
		return nil
	})
	if p.Missing = missing; err != nil {
		p.Failed, groups = err.Error(), nil
	}
	services, err := cloud.BackendServices(ctx)
	if err != nil {
		p.UsesFailed = err.Error()
	}
	checks, err := cloud.HealthChecks(ctx)
	if err != nil {
		p.ChecksFailed = err.Error()
	}
	if r.Only == "" {
		if p.Quotas, err = cloud.Quotas(ctx); err != nil {
			p.QuotasFailed = err.Error()
		}
	}
	p.Resources = slices.Concat(withUses(groups, services), ofServices(services), ofChecks(checks, services), ofEntries(groups))
	return p
}

// usedBy begins the words for a use by a backend service.
const usedBy = "backend service "

func withUses(groups []Resource, services []neg.BackendService) []Resource {
	uses := map[neg.GroupID][]Use{}
	for _, s := range services {
		for _, b := range s.Backends {
			uses[b.Group] = append(uses[b.Group], Use{By: usedBy + s.ID.String(), Mark: text(b.Fields, "description")})
		}
	}
	for i := range groups {
		groups[i].Uses = uses[groups[i].Group]
	}
	return groups
}

// ofEntries are the marked entries of groups that a description says to be some Service's.
func ofEntries(groups []Resource) (all []Resource) {
	for _, g := range groups {
		if _, ok := described(g.Description); !ok {
			continue
		}
		for _, u := range g.Uses {
			if u.Mark != "" {
				all = append(all, Resource{Kind: Entry, Name: strings.TrimPrefix(u.By, usedBy) + " of " + g.Name, Description: g.Description, Created: g.Created, Uses: []Use{u}})
			}
		}
	}
	return all
}

// described is the Service that a group is for, whoever keeps it.
func described(description string) (neg.Owner, bool) {
	if o, err := neg.ParseOwner(description); err == nil {
		return o, true
	}
	gke, ok := neg.ParseGKEOwner(description)
	return neg.Owner{UID: gke.UID, Namespace: gke.Namespace, Service: gke.Service}, ok
}

func ofServices(services []neg.BackendService) (all []Resource) {
	for _, s := range services {
		r := Resource{Kind: BackendService, Name: s.ID.String(), Description: text(s.Fields, "description"), Created: created(s.Fields)}
		for _, user := range s.Users {
			r.Uses = append(r.Uses, Use{By: user})
		}
		all = append(all, r)
	}
	return all
}

func ofChecks(checks []neg.HealthCheck, services []neg.BackendService) (all []Resource) {
	used := map[neg.HealthCheckID][]Use{}
	for _, s := range services {
		used[s.HealthCheck] = append(used[s.HealthCheck], Use{By: usedBy + s.ID.String(), Mark: markOf(s)})
	}
	for _, h := range checks {
		all = append(all, Resource{Kind: HealthCheck, Name: h.ID.String(), Description: text(h.Fields, "description"), Created: created(h.Fields), Uses: used[h.ID]})
	}
	return all
}

// markOf is the mark of the key that a backend service of ours belongs to; empty: it is not
// ours. What it uses then it uses for that key.
func markOf(s neg.BackendService) string {
	o, err := neg.ParseOwner(text(s.Fields, "description"))
	if err != nil {
		return ""
	}
	return neg.BackendMark(o.UID, neg.Key{Cluster: o.Cluster, Namespace: o.Namespace, Service: o.Service})
}

func text(f neg.Fields, name string) string {
	s, _ := f[name].(string)
	return s
}

// created is zero where there is no time.
func created(f neg.Fields) time.Time {
	t, _ := time.Parse(time.RFC3339, text(f, "creationTimestamp"))
	return t
}

// cluster reads one, by what it is.
func (r Reader) cluster(ctx context.Context, c *Cluster, projects []Project) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	switch c.Presence.Presence {
	case presence.Alive, presence.Draining:
		if err := r.list(ctx, c); err != nil {
			c.Unlisted = err.Error()
		}
	case presence.Gone:
		for _, p := range projects {
			if cloud := r.Clouds[p.Name]; p.Name == c.Project && cloud != nil {
				r.instances(ctx, c, p, cloud)
			}
		}
	}
}

// list reads a cluster that is there. Its identity is asked for last: whose lists they were.
func (r Reader) list(ctx context.Context, c *Cluster) error {
	k, err := r.Open(ctx, c.Name)
	if err != nil {
		return err
	}
	services, err := listServices(ctx, k)
	if err != nil {
		return err
	}
	counts, err := k.EndpointCounts(ctx)
	if err != nil {
		return err
	}
	maps.DeleteFunc(counts, func(k neg.Key, _ int) bool { return !services[k].Asks })
	waiting, ungated, err := c.pods(ctx, k, services)
	if err != nil {
		return err
	}
	uid, err := k.UID(ctx)
	if err == nil && uid != c.UID {
		err = fmt.Errorf("it answers with kube-system UID %s now, the fleet file says %s", uid, c.UID)
	}
	if err != nil {
		return err
	}
	c.Services, c.Endpoints, c.Waiting, c.Ungated = services, counts, waiting, ungated
	if r.Holder != "" {
		if err := k.RenewLease(ctx, r.Holder); err != nil {
			c.LeaseFailed = err.Error()
		}
	}
	return nil
}

func listServices(ctx context.Context, k Kubernetes) (map[neg.Key]Service, error) {
	services := map[neg.Key]Service{}
	err := k.Services(ctx, func(page []neg.Service) error {
		for i := range page {
			services[page[i].Key] = ServiceOf(&page[i])
		}
		return nil
	})
	return services, err
}

// gates are the types of the conditions that negfleet sets. Where GKE's own controller keeps
// the groups it answers its own gate.
func (c *Cluster) gates() []string {
	if c.Skip != "" {
		return []string{neg.GateLoadBalancer}
	}
	return []string{neg.GateNEG, neg.GateLoadBalancer}
}

// pods looks at the Pods of the namespaces with a Service that asks for groups.
func (c *Cluster) pods(ctx context.Context, k Kubernetes, services map[neg.Key]Service) (waiting map[string]int, ungated map[string]Ungated, err error) {
	asking := map[string]bool{}
	for key, s := range services {
		if s.Asks {
			asking[key.Namespace] = true
		}
	}
	injects := map[string]bool{}
	if c.Uninjected == "" && len(asking) > 0 {
		if injects, err = k.OptedIn(ctx, c.Unlabelled); err != nil {
			return nil, nil, err
		}
	}
	waiting, ungated = map[string]int{}, map[string]Ungated{}
	for _, ns := range sortedNames(asking) {
		census := c.newCensus(ns, services, injects[ns])
		if err := k.Pods(ctx, ns, census.add); err != nil {
			return nil, nil, err
		}
		if n := len(census.waiting); n > 0 {
			waiting[ns] = n
		}
		if u := census.missed(); u.Count > 0 {
			ungated[ns] = u
		}
	}
	return waiting, ungated, nil
}

// instances asks whether the instances are gone that the groups of a gone cluster hold. Where
// there are more groups than one run asks about, others come first in each.
func (r Reader) instances(ctx context.Context, c *Cluster, p Project, cloud Cloud) {
	var groups []neg.GroupID
	for _, res := range p.Resources {
		if res.Kind == Group && res.Size > 0 && ofCluster(res.Description, c.UID) {
			groups = append(groups, res.Group)
		}
	}
	turn := rand.New(rand.NewPCG(uint64(r.Now().Unix()/int64(Every/time.Second)), 0))
	turn.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	c.Instances = map[neg.GroupID]string{}
	gone := map[neg.GroupID]bool{} // zone and instance
	for _, id := range groups[:min(len(groups), groupsAsked)] {
		there, err := anyInstance(ctx, cloud, id, gone)
		if err != nil {
			there = "whether their instances are gone is not known: " + err.Error()
		}
		c.Instances[id] = there
	}
}

func ofCluster(description, uid string) bool {
	o, err := neg.ParseOwner(description)
	g, gke := neg.ParseGKEOwner(description)
	return err == nil && o.UID == uid || gke && g.UID == uid
}

// anyInstance names an instance of the group's endpoints that is there; empty: none is. Those that
// are gone are asked for once.
func anyInstance(ctx context.Context, cloud Cloud, id neg.GroupID, gone map[neg.GroupID]bool) (string, error) {
	endpoints, _, err := cloud.Endpoints(ctx, id)
	if err != nil {
		return "", err
	}
	for _, e := range endpoints {
		instance := neg.GroupID{Zone: id.Zone, Name: e.Instance}
		if gone[instance] {
			continue
		}
		exists, err := cloud.InstanceExists(ctx, id.Zone, e.Instance)
		if err != nil {
			return "", err
		}
		if exists {
			return fmt.Sprintf("instance %s is there", instance), nil
		}
		gone[instance] = true
	}
	return "", nil
}
