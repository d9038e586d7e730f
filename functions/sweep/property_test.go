package sweep_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestDeletedIsOwnedAndOrphan: in random worlds, with one call in ten failing or not, whatever
// is deleted was owned and proved orphan, by what the world was made from; once nothing fails,
// all that is proved goes. Every other world has a look made at every key, published or not:
// reconcile proves by itself what it deletes.
func TestDeletedIsOwnedAndOrphan(t *testing.T) {
	seeds, deleted, kept := 40, 0, 0
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newRandomWorld(t, uint64(seed))
			w.run(seed%3 > 0, seed%2 > 0)
			d, k := w.judge(seed%2 > 0)
			deleted, kept = deleted+d, kept+k
		})
	}
	if deleted < seeds || kept < seeds {
		t.Errorf("%d groups deleted and %d kept in %d worlds: the worlds are too tame", deleted, kept, seeds)
	}
}

// A randomWorld has clusters of every kind and groups that are ours, nearly ours and not ours.
type randomWorld struct {
	*world
	*rand.Rand
	clusters []*randomCluster
	groups   map[string]*randomGroup // by name
}

type randomCluster struct {
	name, uid string
	kind      string          // alive, draining, gone, silent, rebuilt
	delete    bool            // the fleet file says gone: delete
	deleteGKE bool            // and gone_gke: delete
	asks      map[string]bool // whether a Service that exists asks for groups
	kube      *fakekube.Cluster
}

// A randomGroup is a group and the truth about it.
type randomGroup struct {
	cluster *randomCluster
	key     neg.Key
	named   bool // as the Service would have it
	owned   bool
	gke     bool // by GKE's own controller, name and description agreeing
	young   bool
	used    bool // by somebody else's backend service
	holds   bool // an endpoint on an instance that is there
}

func (g *randomGroup) String() string {
	return fmt.Sprintf("%s; its cluster is %s, gone: delete %t, gone_gke: delete %t, asked for %t; named %t, owned %t, GKE's %t, young %t, used %t, holds %t",
		g.key, g.cluster.kind, g.cluster.delete, g.cluster.deleteGKE, g.cluster.asks[g.key.Service], g.named, g.owned, g.gke, g.young, g.used, g.holds)
}

func newRandomWorld(t *testing.T, seed uint64) *randomWorld {
	clock := &shifted{}
	w := &randomWorld{world: newWorldOn(t, fakegce.Options{Clock: clock}, "  state: decommissioned\n"), Rand: rand.New(rand.NewPCG(seed, 1)), groups: map[string]*randomGroup{}}
	for _, g := range w.cloud.Groups() {
		w.groups[g.Name] = &randomGroup{cluster: &randomCluster{kind: "other"}} // newWorld's own, of which nothing is asked
	}
	w.check(w.cloud.Seed(fakegce.Seed{Instances: []fakegce.Instance{{Project: "p1", Zone: "us-central1-a", Name: "vm-1", IP: "10.128.0.9", AliasRanges: []string{"10.1.0.0/24"}}}}))
	var fleet strings.Builder
	fmt.Fprint(&fleet, "version: 1\nproject: p1\nnetwork: default\nsubnetwork: default\nclusters:\n")
	for i, kind := range []string{"alive", "alive", "draining", "gone", "gone", "silent", "rebuilt"} {
		w.addCluster(i, kind, &fleet)
	}
	w.check(os.WriteFile(w.env.FleetFile, []byte(fleet.String()), 0o600))
	for i := range 20 {
		if i == 16 { // the rest is five minutes old when the runs begin
			clock.by.Store(int64(55 * time.Minute))
		}
		w.addGroup(i, i >= 16)
	}
	w.scopes(w.Now)
	return w
}

func (w *randomWorld) addCluster(i int, kind string, fleet *strings.Builder) {
	c := &randomCluster{
		name: fmt.Sprintf("r%d", i), uid: fmt.Sprintf("%08d-4b9b-4c1e-8a53-0d6a2f1f8a11", i+1), kind: kind, delete: w.IntN(3) > 0, asks: map[string]bool{},
	}
	w.clusters = append(w.clusters, c)
	answers, url := c.uid, w.api
	switch kind {
	case "gone", "silent":
		url = "http://127.0.0.1:1"
	case "rebuilt":
		answers = "77777777-4b9b-4c1e-8a53-0d6a2f1f8a11"
	}
	c.kube = w.kube.AddCluster(c.name, fakekube.WithUID(types.UID(answers)))
	path := filepath.Join(filepath.Dir(w.env.FleetFile), c.name+".kubeconfig")
	w.check(os.WriteFile(path, c.kube.Kubeconfig(url, "negfleet-sweep"), 0o600))
	fmt.Fprintf(fleet, "- name: %s\n  uid: %s\n  zones: [us-central1-a]\n  connect: {kubeconfig: %s.kubeconfig}\n", c.name, c.uid, c.name)
	if state := map[string]string{"draining": "draining", "gone": "decommissioned"}[kind]; state != "" {
		fmt.Fprintf(fleet, "  state: %s\n", state)
	}
	if c.delete {
		fmt.Fprint(fleet, "  gone: delete\n")
	}
	if c.deleteGKE = c.delete && w.IntN(2) == 0; c.deleteGKE {
		fmt.Fprint(fleet, "  gone_gke: delete\n")
	}
	w.check(c.kube.Apply(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}}}))
	for s := range w.IntN(8) {
		w.addService(c, fmt.Sprintf("s%d", s), w.IntN(4) > 0)
	}
	// With many that ask, one or two orphans are not too many at once.
	for s := range w.IntN(2) * 30 {
		w.addService(c, fmt.Sprintf("more%d", s), true)
	}
}

func (w *randomWorld) addService(c *randomCluster, name string, asks bool) {
	c.asks[name] = asks
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if asks {
		s.Annotations = map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}
	}
	w.check(c.kube.Apply(s))
}

func gkeDescription(uid string, k neg.Key) string {
	return fmt.Sprintf(`{"cluster-uid":%q,"namespace":%q,"service-name":%q,"port":"80"}`, uid, k.Namespace, k.Service)
}

// gkeName is what GKE's controller calls a key's group.
func gkeName(i int, k neg.Key) string {
	uid8 := fmt.Sprintf("%08d", i)
	sum := sha256.Sum256([]byte(strings.Join([]string{uid8, k.Namespace, k.Service, "80"}, ";")))
	return fmt.Sprintf("k8s1-%s-%s-%s-80-%x", uid8, k.Namespace, k.Service, sum[:4])
}

func (w *randomWorld) addGroup(i int, young bool) {
	c := w.clusters[w.IntN(len(w.clusters))]
	g := &randomGroup{cluster: c, key: neg.Key{Cluster: c.name, Namespace: "shop", Service: fmt.Sprintf("s%d", w.IntN(10))}, owned: true, young: young}
	name := neg.GroupName(c.uid, g.key, 80) // that a Service wants which asks
	if w.groups[name] != nil {
		name = fmt.Sprintf("nf1-random-%d", i)
	}
	owner := neg.OwnerOf(c.uid, g.key, 80)
	description := owner.Description()
	switch w.IntN(12) {
	case 0:
		g.owned, description = false, description[:w.IntN(len(description))]
	case 1:
		g.owned, description = false, strings.Replace(description, c.uid, other, 1)
	case 2:
		g.owned, description = false, strings.Replace(description, g.key.Service, "else", 1)
	case 3:
		g.owned, description = false, gkeDescription(c.uid, g.key)
	case 4:
		g.gke, description, name = true, gkeDescription(c.uid, g.key), gkeName(i, g.key)
	}
	g.named = !strings.HasPrefix(name, "nf1-random-") && !g.gke
	w.groups[name] = g
	w.foreign(name, description)
	if w.IntN(6) == 0 {
		g.holds = true
		w.insert("zones/us-central1-a/networkEndpointGroups/"+name+"/attachNetworkEndpoints",
			fmt.Sprintf(`{"networkEndpoints":[{"instance":"vm-1","ipAddress":"10.1.0.%d","port":80}]}`, i+2))
	}
	if w.IntN(6) == 0 {
		g.used = true
		w.insert("global/healthChecks", fmt.Sprintf(`{"name":"hc-%d","type":"TCP"}`, i))
		w.insert("global/backendServices", fmt.Sprintf(
			`{"name":"bs-%d","healthChecks":["global/healthChecks/hc-%[1]d"],"protocol":"HTTP","loadBalancingScheme":"EXTERNAL_MANAGED","backends":[{"group":"projects/p1/zones/us-central1-a/networkEndpointGroups/%[2]s","balancingMode":"RATE","maxRatePerEndpoint":1}]}`, i, name))
	}
}

// run sweeps and has everything published looked at, first with faults; hostile has every key
// looked at.
func (w *randomWorld) run(faults, hostile bool) {
	if faults {
		w.kube.Seed(w.Uint64())
		w.kube.Inject(fakekube.Fault{Probability: 0.1, Status: http.StatusForbidden})
		w.check(w.cloud.AddFaults(fakegce.Fault{Probability: 0.1, Status: http.StatusForbidden}))
	}
	for i := range 4 {
		if i == 2 {
			w.kube.ClearFaults()
			w.cloud.ClearFaults()
		}
		w.messages = map[string][]event.Message{}
		w.scopes(w.Now)
		w.post("/", "", "")
		for _, m := range w.messages[event.TopicKeys] {
			_ = w.lookAt(m.Key, m.Source == event.SourceSweepGroups) // what fails comes again
		}
		if !hostile {
			continue
		}
		for _, g := range w.groups {
			_ = w.lookAt(g.key, true)
		}
	}
}

// judge counts the groups that were deleted, which all may be, and those that were kept.
func (w *randomWorld) judge(hostile bool) (deleted, kept int) {
	there := map[string]bool{}
	for _, g := range w.cloud.Groups() {
		there[g.Name] = true
	}
	for name, g := range w.groups {
		if there[name] {
			kept++
		} else {
			deleted++
		}
		switch {
		case !there[name] && !w.may(g, hostile):
			w.t.Errorf("group %s is deleted: %s", name, g)
		case there[name] && w.must(g, there):
			w.t.Errorf("group %s is left: %s", name, g)
		}
	}
	return deleted, kept
}

// may tells whether a group may be deleted. That it is too young, or one of too many, keeps
// the sweep from publishing its key; who asks for a look at the key all the same gets one.
func (w *randomWorld) may(g *randomGroup, hostile bool) bool {
	c := g.cluster
	if !g.owned || g.used || g.gke && !c.deleteGKE {
		return false
	}
	switch {
	case g.gke && c.kind != "gone":
		return false
	case c.kind == "alive" && c.asks[g.key.Service]:
		return !g.named
	case c.kind == "alive":
		return hostile || w.old(g) && !w.many(c)
	case c.kind == "draining":
		return hostile || w.old(g)
	case c.kind == "gone":
		return c.delete && (hostile || w.old(g)) && !slices.ContainsFunc(w.of(g.key), func(g *randomGroup) bool { return g.used || g.holds })
	}
	return false
}

// must tells whether a group has to be deleted. One whose older siblings went, and that was
// refused itself, waits until it is old enough alone.
func (w *randomWorld) must(g *randomGroup, there map[string]bool) bool {
	orphan, old := g.cluster.kind != "alive" || !g.cluster.asks[g.key.Service], false
	for name, other := range w.groups {
		old = old || there[name] && other.owned && other.key == g.key && !other.young && !other.used
	}
	return orphan && old && w.may(g, false)
}

// of are the owned groups of a key.
func (w *randomWorld) of(k neg.Key) (all []*randomGroup) {
	for _, g := range w.groups {
		if g.owned && g.key == k && (!g.gke || g.cluster.kind == "gone" && g.cluster.deleteGKE) {
			all = append(all, g)
		}
	}
	return all
}

// old tells whether one of the key's groups is old enough, and used by nobody else.
func (w *randomWorld) old(g *randomGroup) bool {
	return slices.ContainsFunc(w.of(g.key), func(g *randomGroup) bool { return !g.young && !g.used })
}

// many tells whether more than one key in ten, and more than one, is orphaned at once.
func (w *randomWorld) many(c *randomCluster) bool {
	orphaned, all := map[neg.Key]bool{}, map[string]bool{}
	for name, asks := range c.asks {
		if asks {
			all[name] = true
		}
	}
	for _, g := range w.groups {
		if g.cluster == c && g.owned && !g.gke {
			all[g.key.Service] = true
			if !c.asks[g.key.Service] {
				orphaned[g.key] = true
			}
		}
	}
	return len(orphaned) > 1 && len(orphaned) > len(all)/10
}

// shifted is the wall clock and some.
type shifted struct{ by atomic.Int64 }

func (c *shifted) Now() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }

func (c *shifted) AfterFunc(d time.Duration, f func()) func() {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}
