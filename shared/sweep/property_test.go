package sweep

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// A maker makes random worlds: of three projects, clusters in every state, and groups that
// are ours, nearly ours and not ours.
type maker struct{ *rand.Rand }

func (m maker) one(of ...string) string { return of[m.IntN(len(of))] }

func (m maker) sometimes(text string) string {
	if m.IntN(8) == 0 {
		return text
	}
	return ""
}

// gkeName is what GKE's controller calls its groups of a/s1.
const gkeName = "k8s1-01234567-a-s1-80-a4963150"

func gkeDescription(uid string) string {
	return fmt.Sprintf(`{"cluster-uid":%q,"namespace":"a","service-name":"s1","port":"80"}`, uid)
}

func uidOf(i int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", i) }

func (m maker) key(cluster int) neg.Key {
	return neg.Key{Cluster: fmt.Sprintf("c%d", cluster), Namespace: m.one("a", "b"), Service: fmt.Sprintf("s%d", m.IntN(30))}
}

func (m maker) resource(i int) Resource {
	cluster := m.IntN(5) // the last one is not in the fleet file
	k := m.key(cluster)
	description, name := neg.OwnerOf(uidOf(cluster), k, 80).Description(), fmt.Sprintf("g%d", i)
	switch m.IntN(12) {
	case 0:
		description = neg.OwnerOf(uidOf(m.IntN(5)), m.key(cluster), 80).Description()[:m.IntN(60)]
	case 1:
		o := neg.OwnerOf(uidOf(cluster), k, 80)
		o.UID = uidOf(m.IntN(5))
		description = o.Description()
	case 2:
		o := neg.OwnerOf(uidOf(cluster), k, 80)
		o.Service = m.key(cluster).Service
		description = o.Description()
	case 3:
		k, description = neg.Key{Cluster: k.Cluster, Namespace: "a", Service: "s1"}, gkeDescription(uidOf(cluster))
		name = m.one(gkeName, name)
	}
	id := neg.GroupID{Zone: zone, Name: name}
	r := Resource{Kind: Group, Name: id.String(), Group: id, Description: description, Size: m.IntN(3), Created: now.Add(time.Duration(m.IntN(120)-20) * time.Minute)}
	if m.IntN(10) == 0 {
		r.Created = time.Time{}
	}
	for range m.IntN(2) {
		r.Uses = append(r.Uses, Use{By: "backend service global/x", Mark: m.one("", "mine", neg.BackendMark(uidOf(cluster), k))})
	}
	return r
}

func (m maker) cluster(i int) Cluster {
	c := Cluster{
		Name: fmt.Sprintf("c%d", i), UID: uidOf(i), Project: fmt.Sprintf("p%d", m.IntN(3)), Gone: m.one("report", "delete"), GoneGKE: m.one("report", "delete"), Skip: m.sometimes("negs: gke"),
		Presence: presence.Verdict{Presence: presence.Presence(m.IntN(4))}, Unlisted: m.sometimes("500"),
		Services: map[neg.Key]Service{}, Endpoints: map[neg.Key]int{}, Instances: map[neg.GroupID]string{},
	}
	for range m.IntN(240) {
		k := m.key(i)
		c.Services[k] = Service{Asks: m.IntN(4) > 0, Deleting: m.IntN(10) == 0}
		c.Endpoints[k] = m.IntN(3)
	}
	return c
}

func (m maker) world() Inventory {
	in := Inventory{At: now}
	for i := range 3 {
		p := Project{Name: fmt.Sprintf("p%d", i), UsesFailed: m.sometimes("403")}
		for j := range m.IntN(40) {
			p.Resources = append(p.Resources, m.resource(j))
		}
		in.Projects = append(in.Projects, p)
	}
	for i := range 4 {
		c := m.cluster(i)
		for _, p := range in.Projects {
			for _, r := range p.Resources {
				if m.IntN(2) == 0 {
					c.Instances[r.Group] = m.sometimes("instance vm-1 is there")
				}
			}
		}
		in.Clusters = append(in.Clusters, c)
	}
	return in
}

// proved says, in other words than Judge, that a key may be published for removal: there is
// a group in the cluster's project that is the key's beyond doubt, old enough and used by
// nobody else, and either the cluster is gone and its instances with it, or its whole list
// has the Service not, or not asking.
func proved(in Inventory, k neg.Key) bool {
	i := slices.IndexFunc(in.Clusters, func(c Cluster) bool { return c.Name == k.Cluster })
	if i < 0 {
		return false
	}
	c := in.Clusters[i]
	p := in.Projects[slices.IndexFunc(in.Projects, func(p Project) bool { return p.Name == c.Project })]
	return p.UsesFailed == "" && slices.ContainsFunc(p.Resources, func(r Resource) bool {
		mine := r.Description == neg.OwnerOf(c.UID, k, 80).Description() && c.Skip == ""
		theirs := r.Description == gkeDescription(c.UID) && r.Group.Name == gkeName && k.Namespace == "a" && k.Service == "s1" && len(r.Uses) == 0
		if theirs && c.Presence.Presence == presence.Gone && c.GoneGKE == "delete" {
			mine = true
		}
		foreign := slices.ContainsFunc(r.Uses, func(u Use) bool { return u.Mark != neg.BackendMark(c.UID, k) })
		if !mine || foreign || r.Created.IsZero() || in.At.Sub(r.Created) < MinAge {
			return false
		}
		s, exists := c.Services[k]
		instances, asked := c.Instances[r.Group]
		switch c.Presence.Presence {
		case presence.Gone:
			return c.Gone == "delete" && (r.Size == 0 || asked && instances == "")
		case presence.Draining:
			return true
		case presence.Alive:
			return c.Unlisted == "" && len(c.Services) > 0 && (!exists || !s.Asks && !s.Deleting)
		}
		return false
	})
}

// TestPublishedIsProved: what is published for removal is owned and proved orphan, never
// more than the budget, and a living cluster never loses more than one key in ten at once.
func TestPublishedIsProved(t *testing.T) {
	orphans, kinds, worlds := 0, map[Verdict]int{}, 1000
	if testing.Short() {
		worlds = 200
	}
	for seed := range uint64(worlds) {
		in := maker{rand.New(rand.NewPCG(seed, 7))}.world()
		budget := int(seed % 8)
		found := Judge(in)
		for _, f := range found {
			kinds[f.Verdict]++
		}
		s := Publish(in, found, budget)
		count, seen, byCluster := 0, map[neg.Key]bool{}, map[string]int{}
		for _, p := range s.Publications {
			if seen[p.Key] {
				t.Fatalf("seed %d: %s twice", seed, p.Key)
			}
			seen[p.Key] = true
			if !p.Orphan {
				continue
			}
			count++
			byCluster[p.Key.Cluster]++
			if !proved(in, p.Key) {
				t.Fatalf("seed %d: %s is published for removal without proof: %s", seed, p.Key, p.Why)
			}
		}
		for _, c := range in.Clusters {
			if n := byCluster[c.Name]; c.Presence.Presence == presence.Alive && n > max(1, (len(c.Services)+n)/manyOrphans) {
				t.Fatalf("seed %d: %d keys of %s at once", seed, n, c.Name)
			}
		}
		if orphans += count; count > budget {
			t.Fatalf("seed %d: %d published, the budget is %d", seed, count, budget)
		}
	}
	for v := Unknown; v <= Foreign; v++ {
		if kinds[v] < worlds/20 {
			t.Errorf("only %d findings %q: the worlds are too tame", kinds[v], v)
		}
	}
	if orphans < worlds/13 {
		t.Errorf("only %d orphans in all: the worlds are too tame", orphans)
	}
}

// TestEveryKeyWithinTheHour: six runs look at every wanted key, each once, and reach every
// orphan that the budget has room for.
func TestEveryKeyWithinTheHour(t *testing.T) {
	in := small()
	in.Projects[0].Resources = nil
	c := &in.Clusters[0]
	delete(c.Services, web)
	for i := range 60 {
		k := neg.Key{Cluster: "c1", Namespace: "shop", Service: fmt.Sprintf("s%d", i)}
		c.Services[k] = Service{Asks: true}
	}
	looks := map[neg.Key]int{}
	for run := range turns {
		in.At = now.Add(time.Duration(run) * Every)
		for _, p := range Publish(in, Judge(in), Budget).Publications {
			looks[p.Key]++
		}
	}
	for k, s := range c.Services {
		if want := map[bool]int{true: 1}[s.Asks]; looks[k] != want {
			t.Errorf("%s: %d looks in an hour, want %d", k, looks[k], want)
		}
	}
}

// TestBudgetReachesAll: orphans that cannot be removed do not keep the others from their
// turn.
func TestBudgetReachesAll(t *testing.T) {
	in := small()
	gone(&in, "delete")
	in.Projects[0].Resources = nil
	for i := range 60 {
		in.Projects[0].Resources = append(in.Projects[0].Resources, groupOf(neg.Key{Cluster: "c1", Namespace: "shop", Service: fmt.Sprintf("s%d", i)}, 0))
	}
	reached := map[neg.Key]bool{}
	for run := range turns {
		in.At = now.Add(time.Duration(run) * Every)
		s := Publish(in, Judge(in), 20)
		if len(s.Publications) != 20 || s.Deferred != 40 {
			t.Errorf("%d published, %d deferred", len(s.Publications), s.Deferred)
		}
		for _, p := range s.Publications {
			reached[p.Key] = true
		}
	}
	if len(reached) != 60 {
		t.Errorf("%d of 60 reached in an hour", len(reached))
	}
}
