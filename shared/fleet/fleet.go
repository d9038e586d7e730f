// Package fleet opens the clusters of the fleet file: it builds a client for each when it
// is first asked for, by a kubeconfig, as a GKE cluster or through Connect gateway, proves
// that the cluster is the one the file means, once a minute while it is used, and keeps it
// while the file's entry stays the same. A failure is not kept.
//
// Where a GKE cluster's control plane is, the container API says; it is asked again when a
// connection fails. Tokens are replaced before they end, and once when they are refused.
// Whether a cluster is alive, draining or gone is judged by package presence from what the
// API server, the container API and the fleet file say: Survey asks them.
//
// It answers who a cluster is and must not read or write anything else of it.
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/gke"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
)

// A Fleet opens clusters.
type Fleet struct {
	file   *config.File
	log    *slog.Logger
	now    func() time.Time
	google Google

	credentials *credentials
	gateway     *http.Transport
	flight      singleflight.Group

	mu           sync.Mutex // guards all below
	open         map[string]opened
	gke          *gke.Client
	descriptions map[neg.GKECluster]description
	claims       map[string]claim
	stale        string // what was last logged of a wrong fleet file
}

type opened struct {
	entry    config.Cluster
	stamp    time.Time // of the kubeconfig, which may be rotated
	proved   time.Time // when the cluster last showed its UID
	client   *kube.Cluster
	config   *rest.Config // that client was made from
	host     string       // where the client was made to go
	endpoint *endpoint    // of a GKE cluster
}

// New returns the fleet of the fleet file at path.
func New(path string, log *slog.Logger, now func() time.Time, options ...Option) (*Fleet, error) {
	file, err := config.OpenFile(path, now)
	if err != nil {
		return nil, err
	}
	f := &Fleet{
		file: file, log: log, now: now,
		open: map[string]opened{}, descriptions: map[neg.GKECluster]description{}, claims: map[string]claim{},
	}
	for _, o := range options {
		o(f)
	}
	if f.google.Credentials == nil {
		f.google.Credentials = defaultCredentials
	}
	f.credentials = &credentials{find: f.google.Credentials, now: now}
	f.gateway = newTransport(f.google.Roots)
	return f, nil
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

// Config returns the entry of that name and the way to it, for a client of one's own, as
// long as the cluster proves who it is. While the way is the same, so is the pointer.
func (f *Fleet) Config(ctx context.Context, name string) (config.Cluster, *rest.Config, error) {
	entry, _, err := f.Cluster(ctx, name)
	if err != nil {
		return entry, nil, err
	}
	o := f.known(entry)
	if o.config == nil {
		return entry, nil, fmt.Errorf("open cluster %s: the fleet file changed meanwhile", name)
	}
	return entry, o.config, nil
}

// known is what is open of an entry, without a client if nothing is.
func (f *Fleet) known(entry config.Cluster) opened {
	stamp := modified(entry.Connect.Kubeconfig)
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.open[entry.Name]
	if !ok || !same(o.entry, entry) || !o.stamp.Equal(stamp) {
		return opened{entry: entry, stamp: stamp}
	}
	o.entry = entry
	return o
}

func (f *Fleet) client(ctx context.Context, entry config.Cluster) (*kube.Cluster, error) {
	if o := f.known(entry); o.client != nil && f.now().Sub(o.proved) < provedFor && o.settled() {
		return o.client, nil
	}
	result := f.flight.DoChan(entry.Name+" "+entry.UID, func() (any, error) {
		return f.connect(context.WithoutCancel(ctx), entry)
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

// connect opens a cluster and has it prove who it is.
func (f *Fleet) connect(ctx context.Context, entry config.Cluster) (*kube.Cluster, error) {
	a, err := f.ask(ctx, entry)
	if err == nil {
		err = f.believe(ctx, a.opened, a.uid)
	}
	if err != nil {
		a.quit()
		return nil, err
	}
	o := a.opened
	o.proved = f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[entry.Name] = o
	return o.client, nil
}
