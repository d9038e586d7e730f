package nodes

import (
	"sync"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

// placement decides on which node a Pod runs: in the zone that has the fewest
// Pods of the same group, there on the node that has the fewest of them; a tie
// goes to whichever has the fewest Pods of any group, then to the first.
type placement struct {
	mu     sync.Mutex
	nodes  []layout.Node
	placed map[types.UID]placed
	counts map[place]int // by node or zone, and group; the empty group counts all
}

type placed struct {
	node  layout.Node
	group string
}

type place struct {
	where string
	group string
}

func newPlacement(nodes []layout.Node) *placement {
	return &placement{nodes: nodes, placed: map[types.UID]placed{}, counts: map[place]int{}}
}

// group is what is spread: the Pods of one controller, or the bare Pods of
// one namespace.
func group(pod *v1.Pod) string {
	if owner := metav1.GetControllerOf(pod); owner != nil {
		return string(owner.UID)
	}
	return "namespace " + pod.Namespace
}

// choose reserves a node for a Pod, out of those that fit.
func (p *placement) choose(uid types.UID, group string, fits func(string) bool) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if was, ok := p.placed[uid]; ok {
		return was.node.Name, true
	}
	var best *layout.Node
	for i := range p.nodes {
		n := &p.nodes[i]
		if p.counts[place{n.Name, ""}] >= layout.PodsPerNode || !fits(n.Name) {
			continue
		}
		if best == nil || p.less(n, best, group) {
			best = n
		}
	}
	if best == nil {
		return "", false
	}
	p.add(uid, placed{*best, group})
	return best.Name, true
}

func (p *placement) less(a, b *layout.Node, group string) bool {
	for _, pair := range [][2]place{
		{{a.Zone, group}, {b.Zone, group}},
		{{a.Name, group}, {b.Name, group}},
		{{a.Zone, ""}, {b.Zone, ""}},
		{{a.Name, ""}, {b.Name, ""}},
	} {
		if x, y := p.counts[pair[0]], p.counts[pair[1]]; x != y {
			return x < y
		}
	}
	return false
}

// observe counts a Pod that is on a node, whoever put it there.
func (p *placement) observe(uid types.UID, group, node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.placed[uid]; ok {
		return
	}
	for _, n := range p.nodes {
		if n.Name == node {
			p.add(uid, placed{n, group})
		}
	}
}

// forget gives a Pod's place back.
func (p *placement) forget(uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was, ok := p.placed[uid]
	if !ok {
		return
	}
	delete(p.placed, uid)
	p.count(was, -1)
}

func (p *placement) add(uid types.UID, at placed) {
	p.placed[uid] = at
	p.count(at, 1)
}

func (p *placement) count(at placed, by int) {
	for _, key := range []place{
		{at.node.Name, at.group}, {at.node.Zone, at.group}, {at.node.Name, ""}, {at.node.Zone, ""},
	} {
		if p.counts[key] += by; p.counts[key] == 0 {
			delete(p.counts, key)
		}
	}
}
