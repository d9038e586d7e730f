package reconcile

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

const (
	// maxInFlight bounds the calls to one cluster that are under way. It is half of the
	// deliveries that an instance serves at once, so that a cluster which hangs leaves the
	// other half to the others.
	maxInFlight = 40
	// maxQueueing is how long a call over the bound waits for its turn, then comes back as
	// a message: it holds up a handler meanwhile.
	maxQueueing = 100 * time.Millisecond
	// maxSilence is how long a cluster may answer no call until those over the bound are
	// blocked at once, as those that hang will be.
	maxSilence = 2 * time.Second
	// forgotten is how long after its last call a cluster's silence counts no more.
	forgotten = 30 * time.Second
)

// inFlight bounds the calls to one cluster.
type inFlight struct {
	cluster string
	slots   chan struct{}

	mu    sync.Mutex
	busy  int
	idle  time.Time // when the last call ended and left none
	since time.Time // of the silence: when the first call after the last answer began
}

func newInFlight(cluster string) *inFlight {
	return &inFlight{cluster: cluster, slots: make(chan struct{}, maxInFlight)}
}

// within makes a call when there is room.
func within[T any](ctx context.Context, f *inFlight, call func() (T, error)) (answer T, err error) {
	if err := f.enter(ctx); err != nil {
		return answer, err
	}
	defer func() { <-f.slots }()
	f.began()
	defer func() { f.ended(err == nil) }()
	return call()
}

func (f *inFlight) enter(ctx context.Context) error {
	select {
	case f.slots <- struct{}{}:
		return nil
	default:
	}
	queued := time.NewTimer(maxQueueing)
	defer queued.Stop()
	if f.silence() < maxSilence {
		select {
		case f.slots <- struct{}{}:
			return nil
		case <-queued.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.silence() < maxSilence {
		return fmt.Errorf("cluster %s: %d calls are under way and this one found no room for %v", f.cluster, maxInFlight, maxQueueing)
	}
	return neg.Block("ClusterUnreachable", "cluster %s: %d calls wait for it and it has answered none for %v; look at its API server's health", f.cluster, maxInFlight, maxSilence)
}

func (f *inFlight) began() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy == 0 && time.Since(f.idle) > forgotten {
		f.since = time.Now()
	}
	f.busy++
}

func (f *inFlight) ended(answered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.busy--; f.busy == 0 {
		f.idle = now
	}
	if answered {
		f.since = now // what is still under way counts from here
	}
}

// silence is how long the cluster has answered none of as many calls as are allowed.
func (f *inFlight) silence() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy < maxInFlight {
		return 0
	}
	return time.Since(f.since)
}

// A crowd is the calls under way, by cluster.
type crowd struct {
	mu       sync.Mutex
	clusters map[string]*inFlight
}

func (c *crowd) of(cluster string) *inFlight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clusters == nil {
		c.clusters = map[string]*inFlight{}
	}
	f := c.clusters[cluster]
	if f == nil {
		if len(c.clusters) > 1000 { // messages may name any cluster
			maps.DeleteFunc(c.clusters, func(_ string, f *inFlight) bool { return len(f.slots) == 0 })
		}
		f = newInFlight(cluster)
		c.clusters[cluster] = f
	}
	return f
}

// open returns the scope of a cluster with its calls bounded; so is opening, which may have
// to wait for the cluster to say who it is.
func (r *Reconciler) open(ctx context.Context, cluster string) (Scope, error) {
	f := r.crowd.of(cluster)
	scope, err := within(ctx, f, func() (Scope, error) { return r.Open(ctx, cluster) })
	if scope.Cluster != nil {
		scope.Cluster = bounded{scope.Cluster, f}
	}
	return scope, err
}

// bounded is a Cluster whose calls are.
type bounded struct {
	Cluster
	f *inFlight
}

func (b bounded) UID(ctx context.Context) (string, error) {
	return within(ctx, b.f, func() (string, error) { return b.Cluster.UID(ctx) })
}

func (b bounded) Service(ctx context.Context, k neg.Key) (*neg.Service, error) {
	return within(ctx, b.f, func() (*neg.Service, error) { return b.Cluster.Service(ctx, k) })
}

func (b bounded) Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error) {
	return within(ctx, b.f, func() ([]neg.Slice, error) { return b.Cluster.Slices(ctx, k) })
}

func (b bounded) Nodes(ctx context.Context, fresh bool) (map[string]neg.Node, error) {
	return within(ctx, b.f, func() (map[string]neg.Node, error) { return b.Cluster.Nodes(ctx, fresh) })
}

func (b bounded) IngressPorts(ctx context.Context, namespace string) ([]neg.IngressPort, error) {
	return within(ctx, b.f, func() ([]neg.IngressPort, error) { return b.Cluster.IngressPorts(ctx, namespace) })
}

func (b bounded) OtherWriter(ctx context.Context, namespace, service string) (string, error) {
	return within(ctx, b.f, func() (string, error) { return b.Cluster.OtherWriter(ctx, namespace, service) })
}

func (b bounded) Stopping(ctx context.Context, namespace string, selector map[string]string) (map[string]time.Time, error) {
	return within(ctx, b.f, func() (map[string]time.Time, error) { return b.Cluster.Stopping(ctx, namespace, selector) })
}

func (b bounded) GKEGroups(ctx context.Context, namespace, service string) ([]neg.GKEGroup, error) {
	return within(ctx, b.f, func() ([]neg.GKEGroup, error) { return b.Cluster.GKEGroups(ctx, namespace, service) })
}

func (b bounded) Probes(ctx context.Context, s *neg.Service) (map[int32]neg.Probe, error) {
	return within(ctx, b.f, func() (map[int32]neg.Probe, error) { return b.Cluster.Probes(ctx, s) })
}

func (b bounded) RemoveFinalizer(ctx context.Context, s *neg.Service, name string, annotations map[string]string) error {
	_, err := within(ctx, b.f, func() (struct{}, error) {
		return struct{}{}, b.Cluster.RemoveFinalizer(ctx, s, name, annotations)
	})
	return err
}

func (b bounded) Annotate(ctx context.Context, s *neg.Service, values map[string]string) error {
	_, err := within(ctx, b.f, func() (struct{}, error) { return struct{}{}, b.Cluster.Annotate(ctx, s, values) })
	return err
}

func (b bounded) Note(ctx context.Context, s *neg.Service, n neg.Note) error {
	_, err := within(ctx, b.f, func() (struct{}, error) { return struct{}{}, b.Cluster.Note(ctx, s, n) })
	return err
}
