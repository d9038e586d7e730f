package admission

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/admission/cluster"
	"github.com/negfleet/negfleet/admission/fresh"
	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/neg"
)

const (
	namespaceAge = 5 * time.Second  // a match may be this old
	leaseAge     = 30 * time.Second // and that something is alive this old
	versionAge   = 10 * time.Minute
	// readTimeout ends a read whose askers may all be gone; their own deadlines are shorter.
	readTimeout = 5 * time.Second
)

// reads are those of every cluster, kept where that is good enough.
type reads struct {
	readers    readers
	now        func() time.Time
	namespaces fresh.Cache[place, mutate.Namespace]
	leases     fresh.Cache[string, time.Time]
	versions   fresh.Cache[string, bool]
}

type place struct{ cluster, namespace string }

func newReads(config func(context.Context, string) (*rest.Config, error), now func() time.Time) *reads {
	r := &reads{readers: readers{config: config, open: map[string]opened{}}, now: now}
	r.namespaces = fresh.Cache[place, mutate.Namespace]{
		MaxAge: namespaceAge, Timeout: readTimeout, Now: now,
		Read: func(ctx context.Context, p place) (found mutate.Namespace, err error) {
			reader, err := r.readers.get(ctx, p.cluster)
			if err != nil {
				return found, err
			}
			return reader.Namespace(ctx, p.namespace)
		},
	}
	r.leases = fresh.Cache[string, time.Time]{
		MaxAge: leaseAge, Timeout: readTimeout, Now: now,
		Read: func(ctx context.Context, name string) (renewed time.Time, err error) {
			reader, err := r.readers.get(ctx, name)
			if err != nil {
				return renewed, err
			}
			return reader.Renewed(ctx)
		},
	}
	r.versions = fresh.Cache[string, bool]{
		MaxAge: versionAge, Timeout: readTimeout, Now: now,
		Read: func(ctx context.Context, name string) (sleep bool, err error) {
			reader, err := r.readers.get(ctx, name)
			if err != nil {
				return false, err
			}
			return reader.Sleep(ctx)
		},
	}
	return r
}

func (r *reads) Namespace(ctx context.Context, cluster, namespace string, asked time.Time, enough func(mutate.Namespace) bool) (mutate.Namespace, error) {
	return r.namespaces.Get(ctx, place{cluster, namespace}, asked, enough)
}

func (r *reads) Alive(ctx context.Context, cluster string, asked time.Time) (bool, error) {
	// A renewal that has yet to come is as little proof as an old one; clocks may differ a bit.
	alive := func(renewed time.Time) bool { return r.now().Sub(renewed).Abs() < neg.LeaseFresh }
	renewed, err := r.leases.Get(ctx, cluster, asked, alive)
	return err == nil && alive(renewed), err
}

func (r *reads) Sleep(ctx context.Context, cluster string, asked time.Time) (bool, error) {
	return r.versions.Get(ctx, cluster, asked, func(known bool) bool { return known })
}

// readers are the clients of the fleet's clusters.
type readers struct {
	config func(ctx context.Context, cluster string) (*rest.Config, error)

	mu   sync.Mutex
	open map[string]opened
}

type opened struct {
	config *rest.Config
	reader *cluster.Reader
}

func (r *readers) get(ctx context.Context, name string) (*cluster.Reader, error) {
	config, err := r.config(ctx, name)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.open[name]; ok && o.config == config {
		return o.reader, nil
	}
	reader, err := cluster.New(name, config)
	if err != nil {
		return nil, err
	}
	r.open[name] = opened{config, reader}
	return reader, nil
}
