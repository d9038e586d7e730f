package fakekube

import (
	"fmt"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Layout is what a World starts with. The zero value of a field gets a default.
type Layout struct {
	Project  string       // "demo-project"
	Zones    []string     // us-central1-a, -b, -c
	Nodes    int          // 3, spread over the zones in turn
	PodRange netip.Prefix // 10.1.0.0/16; a /24 of it for each node
	Room     int          // addresses of each node that Pods get, 253; with few they come back soon
}

// A World fills a cluster with nodes, Pods, Services and EndpointSlices, in process and
// fast, and plays the controllers that a Service needs to come alive: it schedules and
// starts Pods, keeps their Ready condition in step with their readiness gates, and
// writes EndpointSlices. It reacts to its own methods, and to writes of Pods and
// Services over HTTP before their caller has the answer.
//
// A hook of OnWrite must not call a World: it runs within the World's own writes.
type World struct {
	c     *Cluster
	nodes []*node

	mu      sync.Mutex
	deploys map[string]Deployment // by namespace/name
	serial  int                   // of the last Pod
}

// A node hands out the addresses of its range in turn, as the host-local IPAM plugin
// does: a freed one comes back late, but it does come back.
type node struct {
	name, zone, hostIP string
	cidr               netip.Prefix
	last, room         int
	used               map[string]bool
}

// The users of the world's writes.
const (
	scheduler       = "system:kube-scheduler"
	sliceController = "system:serviceaccount:kube-system:endpointslice-controller"
	deployer        = "system:serviceaccount:kube-system:replicaset-controller"
)

// NewWorld adds the nodes to the cluster and starts playing its controllers. A cluster
// has at most one World.
func (c *Cluster) NewWorld(l Layout) (*World, error) {
	l.setDefaults()
	w := &World{c: c, deploys: map[string]Deployment{}}
	for i := range l.Nodes {
		n := l.node(i)
		w.nodes = append(w.nodes, n)
		if err := c.Apply(l.object(c.name, n, i)); err != nil {
			return nil, err
		}
	}
	c.server.OnWrite(w.observe)
	return w, nil
}

func (l *Layout) setDefaults() {
	setIfZero(&l.Project, "demo-project")
	setIfZero(&l.Nodes, 3)
	setIfZero(&l.Room, 253)
	setIfZero(&l.PodRange, netip.MustParsePrefix("10.1.0.0/16"))
	if l.Zones == nil {
		l.Zones = []string{"us-central1-a", "us-central1-b", "us-central1-c"}
	}
}

func (l *Layout) node(i int) *node {
	base := l.PodRange.Addr().As4()
	cidr := netip.PrefixFrom(netip.AddrFrom4([4]byte{base[0], base[1] + byte(i>>8), base[2] + byte(i), 0}), 24)
	return &node{
		name:   fmt.Sprintf("node-%d", i),
		zone:   l.Zones[i%len(l.Zones)],
		hostIP: fmt.Sprintf("192.168.%d.%d", i/250, i%250+1),
		cidr:   cidr,
		last:   1, // .1 is the bridge
		room:   l.Room,
		used:   map[string]bool{},
	}
}

// object is the Node. Its instance has another name, as off GKE, so that nothing can
// take the one for the other.
func (l *Layout) object(cluster string, n *node, i int) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: map[string]string{
			corev1.LabelHostname:       n.name,
			corev1.LabelTopologyZone:   n.zone,
			corev1.LabelTopologyRegion: n.zone[:max(len(n.zone)-2, 0)],
		}},
		Spec: corev1.NodeSpec{
			PodCIDR: n.cidr.String(), PodCIDRs: []string{n.cidr.String()},
			ProviderID: fmt.Sprintf("gce://%s/%s/vm-%s-%04d", l.Project, n.zone, cluster, i),
		},
		Status: corev1.NodeStatus{
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.hostIP}, {Type: corev1.NodeHostName, Address: n.name}},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}},
		},
	}
}

// allocate returns the next free address of the node, or false if it is full.
func (n *node) allocate() (string, bool) {
	base := n.cidr.Addr().As4()
	for range n.room {
		n.last = n.last%(n.room+1) + 1
		base[3] = byte(max(n.last, 2))
		if ip := netip.AddrFrom4(base).String(); !n.used[ip] {
			n.used[ip] = true
			return ip, true
		}
	}
	return "", false
}

// place finds a node with room, beginning with the one whose turn it is.
func (w *World) place() (*node, string, error) {
	for i := range w.nodes {
		n := w.nodes[(w.serial+i)%len(w.nodes)]
		if ip, ok := n.allocate(); ok {
			return n, ip, nil
		}
	}
	return nil, "", fmt.Errorf("no node has room for another pod")
}

func (w *World) free(pod *corev1.Pod) {
	for _, n := range w.nodes {
		delete(n.used, pod.Status.PodIP)
	}
}

// observe reacts to what clients do over HTTP, as the controllers would on their watch.
func (w *World) observe(wr Write) {
	if wr.InProcess || wr.Cluster != w.c.name || wr.Verb == "create" && wr.Resource == "pods" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o := wr.Object.(type) {
	case *corev1.Pod:
		w.settle(o)
	case *corev1.Service:
		w.sync(o)
	}
}
