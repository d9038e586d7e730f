// Package fleet opens the clusters of the fleet file: it builds a client for each when it
// is first asked for, proves that the cluster is the one the file means, once a minute
// while it is used, and keeps it while the file's entry stays the same. A failure is not
// kept.
//
// It answers who a cluster is and must not read or write anything else of it.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
)

// A Fleet opens clusters.
type Fleet struct {
	file *config.File
	log  *slog.Logger
	now  func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	open   map[string]opened
	stale  string // what was last logged of a wrong fleet file
}

type opened struct {
	entry  config.Cluster
	stamp  time.Time // of the kubeconfig, which may be rotated
	proved time.Time // when the cluster last showed its UID
	client *kube.Cluster
}

// New returns the fleet of the fleet file at path.
func New(path string, log *slog.Logger, now func() time.Time) (*Fleet, error) {
	file, err := config.OpenFile(path, now)
	if err != nil {
		return nil, err
	}
	return &Fleet{file: file, log: log, now: now, open: map[string]opened{}}, nil
}

// File returns the fleet file in force.
func (f *Fleet) File() (*config.Fleet, error) {
	fleet, err := f.file.Fleet()
	f.reportStale(f.file.Stale())
	return fleet, err
}

// reportStale logs a wrong fleet file once, and not at every call.
func (f *Fleet) reportStale(stale error) {
	text := ""
	if stale != nil {
		text = stale.Error()
	}
	f.mu.Lock()
	news := text != f.stale
	f.stale = text
	f.mu.Unlock()
	if news && text != "" {
		f.log.Error("the fleet file changed and is wrong: the last good one stays in force", "reason", "FleetFileInvalid", "error", text)
	}
}

// Cluster returns the entry of that name and an open client to it.
func (f *Fleet) Cluster(ctx context.Context, name string) (config.Cluster, *kube.Cluster, error) {
	fleet, err := f.File()
	if err != nil {
		return config.Cluster{}, nil, err
	}
	entry, ok := fleet.Cluster(name)
	if !ok {
		return config.Cluster{}, nil, neg.Block("ClusterUnknown", "cluster %q is not in the fleet file; add it, or let its events stop", name)
	}
	client, err := f.client(ctx, entry)
	return entry, client, err
}

func (f *Fleet) client(ctx context.Context, entry config.Cluster) (*kube.Cluster, error) {
	stamp := modified(entry.Connect.Kubeconfig)
	f.mu.Lock()
	o, ok := f.open[entry.Name]
	f.mu.Unlock()
	known := ok && same(o.entry, entry) && o.stamp.Equal(stamp)
	if known && f.now().Sub(o.proved) < provedFor {
		return o.client, nil
	}
	result := f.flight.DoChan(entry.Name+" "+entry.UID, func() (any, error) {
		o := opened{entry: entry, stamp: stamp, client: o.client}
		if !known {
			o.client = nil
		}
		return f.connect(context.WithoutCancel(ctx), o)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*kube.Cluster), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("open cluster %s: %w", entry.Name, ctx.Err())
	}
}

// provedFor is how long a cluster's identity is believed. Before a group is deleted it is
// asked for again all the same.
const provedFor = time.Minute

// same tells whether an entry still leads to the same API server with the same identity.
func same(a, b config.Cluster) bool { return a.UID == b.UID && a.Connect == b.Connect }

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// connect makes o's client, unless it has one, and has the cluster prove who it is.
func (f *Fleet) connect(ctx context.Context, o opened) (*kube.Cluster, error) {
	entry := o.entry
	if o.client == nil {
		rest, err := clientcmd.BuildConfigFromFlags("", entry.Connect.Kubeconfig)
		if err != nil {
			return nil, neg.Block("KubeconfigInvalid", "cluster %s: kubeconfig %s: %w", entry.Name, entry.Connect.Kubeconfig, err)
		}
		if o.client, err = kube.New(entry.Name, rest, f.now); err != nil {
			return nil, err
		}
	}
	uid, err := o.client.UID(ctx)
	if err != nil {
		return nil, err
	}
	if uid != entry.UID {
		return nil, neg.Block("ClusterReplaced", "cluster %s answers with kube-system UID %s, line %d of the fleet file says %s; if it was rebuilt on purpose, change that line", entry.Name, uid, entry.Line, entry.UID)
	}
	o.proved = f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[entry.Name] = o
	return o.client, nil
}
