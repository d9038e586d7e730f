package readiness

import (
	"context"

	"github.com/negfleet/negfleet/shared/neg"
)

// maxInFlight bounds the calls to one cluster that are under way, so that one which hangs
// leaves connections and memory to the others. Waiting between looks takes no place.
const maxInFlight = 40

func (f *Follower) crowd(cluster string) chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crowds == nil {
		f.crowds = map[string]chan struct{}{}
	}
	if f.crowds[cluster] == nil {
		f.crowds[cluster] = make(chan struct{}, maxInFlight) // opened before: one of the fleet file's
	}
	return f.crowds[cluster]
}

// bounded is a Cluster whose calls are.
type bounded struct {
	cluster Cluster
	room    chan struct{}
}

func within[T any](ctx context.Context, room chan struct{}, call func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	select {
	case room <- struct{}{}:
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	defer func() { <-room }()
	return call(ctx)
}

func (b bounded) Exposed(ctx context.Context, namespace string) ([]neg.Service, error) {
	return within(ctx, b.room, func(ctx context.Context) ([]neg.Service, error) { return b.cluster.Exposed(ctx, namespace) })
}

func (b bounded) IngressPorts(ctx context.Context, namespace string) ([]neg.IngressPort, error) {
	return within(ctx, b.room, func(ctx context.Context) ([]neg.IngressPort, error) { return b.cluster.IngressPorts(ctx, namespace) })
}

func (b bounded) GatedPods(ctx context.Context, namespace string, selector map[string]string, gates []string) ([]neg.GatedPod, error) {
	return within(ctx, b.room, func(ctx context.Context) ([]neg.GatedPod, error) {
		return b.cluster.GatedPods(ctx, namespace, selector, gates)
	})
}

func (b bounded) Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error) {
	return within(ctx, b.room, func(ctx context.Context) ([]neg.Slice, error) { return b.cluster.Slices(ctx, k) })
}

func (b bounded) GKEGroups(ctx context.Context, namespace, service string) ([]neg.GKEGroup, error) {
	return within(ctx, b.room, func(ctx context.Context) ([]neg.GKEGroup, error) { return b.cluster.GKEGroups(ctx, namespace, service) })
}

func (b bounded) Nodes(ctx context.Context, fresh bool) (map[string]neg.Node, error) {
	return within(ctx, b.room, func(ctx context.Context) (map[string]neg.Node, error) { return b.cluster.Nodes(ctx, fresh) })
}

func (b bounded) SetGate(ctx context.Context, p neg.GatedPod, gate neg.Gate) error {
	_, err := within(ctx, b.room, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.cluster.SetGate(ctx, p, gate) })
	return err
}

func (b bounded) RenewLease(ctx context.Context, holder string) error {
	_, err := within(ctx, b.room, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.cluster.RenewLease(ctx, holder) })
	return err
}
