// Package nodes simulates the machines of a cluster and the Pods on them.
//
// It stands where the scheduler, the kubelets and the node lifecycle
// controller would be, and talks to the API server as they do:
//
//   - placement.go, scheduler.go: a Pod without a node is bound to one, spread
//     by zone and then by node;
//   - behaviour.go, machine.go: what the containers of a Pod do, as a pure
//     function of the Pod, its annotations and the time;
//   - status.go: the Pod status that follows, with the conditions computed by
//     the kubelet's own functions and written by the kubelet's own patch;
//   - server.go: the ports the containers listen on, on loopback;
//   - kubelet.go: one look at one Pod, which puts these together;
//   - node.go, loss.go: registration, leases, and nodes that go away.
//
// Everything is level triggered: work is a key in a queue, a look at a key
// reads the present state and a clock, and may ask to be called again later.
// Only the Pod's machine, its address and its open ports are kept in memory.
package nodes

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

const (
	kubeletWorkers   = 48
	schedulerWorkers = 24
	nodeWorkers      = 8

	byNode = "node"
)

// Simulator runs the nodes of one cluster.
type Simulator struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	grace    time.Duration // from a node's loss until the cluster notices

	nodes     map[string]*node
	placement *placement

	podIndex   cache.Indexer
	podLister  listers.PodLister
	nodeLister listers.NodeLister

	toPlace *queue // Pods without a node
	toRun   *queue // Pods on a node
	toTend  *queue // nodes

	mu      sync.Mutex
	records map[string]*podRecord
}

// Run registers the nodes of spec and runs them until ctx ends.
func Run(ctx context.Context, config *rest.Config, spec layout.Spec, grace time.Duration) error {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the workers are the limit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("node simulator: client: %w", err)
	}
	s := newSimulator(client, spec, grace)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(trim))
	if err := s.watch(factory); err != nil {
		return err
	}
	defer s.startEvents(ctx)()
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	factory.WaitForCacheSync(ctx.Done())
	if err := s.register(ctx); err != nil {
		return err
	}
	s.work(ctx)
	s.closeAll()
	return nil
}

func newSimulator(client kubernetes.Interface, spec layout.Spec, grace time.Duration) *Simulator {
	list := spec.NodeList()
	s := &Simulator{
		client:    client,
		grace:     grace,
		nodes:     map[string]*node{},
		placement: newPlacement(list),
		records:   map[string]*podRecord{},
	}
	for _, n := range list {
		s.nodes[n.Name] = &node{Node: n, pool: newIPPool(n, spec.Octet)}
	}
	s.toPlace = newQueue("scheduler", s.place)
	s.toRun = newQueue("kubelet", s.runPod)
	s.toTend = newQueue("node", s.tend)
	return s
}

// trim drops what no part of the simulator reads; it is most of a Pod's size.
func trim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}

func (s *Simulator) watch(factory informers.SharedInformerFactory) error {
	pods, nodes := factory.Core().V1().Pods(), factory.Core().V1().Nodes()
	s.podIndex = pods.Informer().GetIndexer()
	s.podLister, s.nodeLister = pods.Lister(), nodes.Lister()
	if err := pods.Informer().AddIndexers(cache.Indexers{byNode: nodeOf}); err != nil {
		return fmt.Errorf("node simulator: index pods: %w", err)
	}
	if _, err := pods.Informer().AddEventHandler(podEvents(s)); err != nil {
		return fmt.Errorf("node simulator: watch pods: %w", err)
	}
	if _, err := nodes.Informer().AddEventHandler(nodeEvents(s)); err != nil {
		return fmt.Errorf("node simulator: watch nodes: %w", err)
	}
	return nil
}

func nodeOf(obj any) ([]string, error) {
	return []string{obj.(*v1.Pod).Spec.NodeName}, nil
}

func (s *Simulator) startEvents(ctx context.Context) (stop func()) {
	b := record.NewBroadcaster(record.WithContext(ctx))
	b.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: s.client.CoreV1().Events("")})
	s.recorder = b.NewRecorder(scheme.Scheme, v1.EventSource{Component: "node-simulator"})
	return b.Shutdown
}

func (s *Simulator) work(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.toPlace.run(ctx, schedulerWorkers) })
	wg.Go(func() { s.toRun.run(ctx, kubeletWorkers) })
	wg.Go(func() { s.toTend.run(ctx, nodeWorkers) })
	wg.Go(func() { s.renewLeases(ctx) })
	wg.Wait()
}

// podsOn lists what the cluster believes to be on a node; on the empty name,
// the Pods that wait for one.
func (s *Simulator) podsOn(node string) []*v1.Pod {
	objs, err := s.podIndex.ByIndex(byNode, node)
	if err != nil {
		return nil
	}
	pods := make([]*v1.Pod, len(objs))
	for i, obj := range objs {
		pods[i] = obj.(*v1.Pod)
	}
	return pods
}
