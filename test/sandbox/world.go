//go:build linux

package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// Project, Network, Region and Zones are where the sandbox's clusters and groups are.
const (
	Project = "sandbox"
	Network = "default"
	Region  = "us-central1"
)

var Zones = []string{"us-central1-a", "us-central1-b", "us-central1-c"}

// Options say how large a sandbox is and what it is made of.
type Options struct {
	Dir      string // of everything it writes
	Bin      string // folder of the programs that make build builds
	Clusters int
	Guest    bool // one more, emulated
	Nodes    int  // of each cluster, over the zones in turn
	// ControlPlane is the binary of test/controlplane.
	ControlPlane string
	// Grace is the deletion grace; 1 s when zero.
	Grace time.Duration
	// OpLatency is how long the emulator's operations take.
	OpLatency time.Duration
	// Ports fixes ports of the loopback address: compute, container, pubsub, api (of the first
	// cluster), reconcile, events, audit, readiness, admission. What is not named takes a free one.
	Ports map[string]int
	// PubSub is the address of a Pub/Sub emulator to use instead of the own server.
	PubSub string
	// AuditLog has the API servers log what the functions ask of them; Asked reads it.
	AuditLog bool
	// Progress gets a line for each thing that is started.
	Progress io.Writer
}

// A World is a running sandbox.
type World struct {
	Dir      *Dir
	GCE      *admin.Client
	Clusters []*Cluster
	Guest    *Guest // nil: there is none
	PubSub   *pubsub.Server

	opts      Options
	launch    *launcher
	keys      string // of the path MAC
	sink      *sink
	running   atomic.Pointer[pubsub.Server] // PubSub, for the sink, which runs before it
	gceURL    string
	entries   map[string][]string // further lines of the fleet file, by cluster
	urls      map[string]string   // of the functions, by name
	processes map[string]*process
	front     *httptest.Server // TLS before the admission function

	containerURL  string
	stopScheduler context.CancelFunc
}

// Start makes a world, and on failure takes down what it made.
func Start(ctx context.Context, o Options) (*World, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	dir, err := OpenDir(o.Dir)
	if err != nil {
		return nil, err
	}
	w := &World{Dir: dir, opts: o, launch: newLauncher(), urls: map[string]string{}, entries: map[string][]string{}, processes: map[string]*process{}}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (o *Options) complete() error {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Grace == 0 {
		o.Grace = time.Second
	}
	needed := []string{o.ControlPlane}
	for _, name := range []string{"fakegce", "fakecontainer", "function", "admission", "negfleet"} {
		needed = append(needed, filepath.Join(o.Bin, name))
	}
	for _, path := range needed {
		if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
			return fmt.Errorf("%q is not a program; make build makes it", path)
		}
	}
	var err error
	if o.Bin, err = filepath.Abs(o.Bin); err == nil {
		o.ControlPlane, err = filepath.Abs(o.ControlPlane)
	}
	return err
}

// start brings things up in the order in which they need each other: the API servers must
// know the audit function's address, and the functions the clusters' UIDs.
func (w *World) start(ctx context.Context) error {
	if err := w.makeKeys(); err != nil {
		return err
	}
	if err := w.reservePorts(); err != nil {
		return err
	}
	var err error
	if w.sink, err = startSink(w.publish); err != nil {
		return err
	}
	if w.opts.Guest {
		if err := w.startGuest(); err != nil {
			return err
		}
	}
	if err := w.startContainer(ctx); err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error { return w.startClusters(ctx) })
	g.Go(func() error { return w.startGCE(ctx) })
	g.Go(func() error { return w.startPubSub(ctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := w.applyRoles(ctx); err != nil {
		return err
	}
	if err := errors.Join(w.seed(ctx), w.seedContainer(ctx)); err != nil {
		return err
	}
	if err := w.writeFleetFiles(); err != nil {
		return err
	}
	if err := w.startFunctions(ctx); err != nil {
		return err
	}
	if err := w.startScheduler(ctx); err != nil {
		return err
	}
	if err := w.startWebhook(ctx); err != nil {
		return err
	}
	return w.Dir.WriteEnv(w.Env())
}

// publish fails until Pub/Sub runs; API servers post a batch again.
func (w *World) publish(ctx context.Context, topic string, data []byte, attributes map[string]string) error {
	server := w.running.Load()
	if server == nil {
		return errors.New("pub/sub does not run yet")
	}
	return server.Publish(ctx, topic, data, attributes)
}

func (w *World) say(format string, args ...any) {
	fmt.Fprintf(w.opts.Progress, format+"\n", args...)
}

// makeKeys draws the key of the path MAC.
func (w *World) makeKeys() error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	w.keys = hex.EncodeToString(key)
	return nil
}

func (w *World) reservePorts() error {
	for _, f := range functions {
		addr, err := w.address(f.name)
		if err != nil {
			return err
		}
		w.urls[f.name] = "http://" + addr
	}
	addr, err := w.address("compute")
	if err != nil {
		return err
	}
	w.gceURL = "http://" + addr
	w.GCE = &admin.Client{Base: w.gceURL, HTTP: &http.Client{Timeout: time.Minute}}
	return nil
}

// address is where name listens: on the port that was fixed for it, or a free one.
func (w *World) address(name string) (string, error) {
	if port := w.opts.Ports[name]; port != 0 {
		return fmt.Sprintf("127.0.0.1:%d", port), nil
	}
	port, err := freePort()
	return "127.0.0.1:" + port, err
}

// auditURL is where the API server of a cluster, counted from 1, posts its audit entries:
// to the audit function, or to what stands for a log sink.
func (w *World) auditURL(number int, cluster string) (string, error) {
	if number%2 == 0 {
		return w.sink.url(cluster), nil
	}
	keys, err := caller.ParseKeys(w.keys)
	if err != nil {
		return "", err
	}
	path, err := keys.Sign(cluster)
	return w.urls["audit"] + path, err
}

func (w *World) startClusters(ctx context.Context) error {
	for i := range w.opts.Clusters {
		name := fmt.Sprintf("cluster-%d", i+1)
		url, err := w.auditURL(i+1, name)
		if err != nil {
			return err
		}
		api := 0
		if i == 0 {
			api = w.opts.Ports["api"]
		}
		c, err := w.startCluster(name, url, api)
		if err != nil {
			return err
		}
		w.Clusters = append(w.Clusters, c)
	}
	for _, c := range w.Clusters {
		if err := c.await(ctx, w.Dir.Path("cluster", c.Name)); err != nil {
			return err
		}
		w.say("cluster %s: kube-apiserver at %s, %d nodes, Pods in 10.%d.0.0/16", c.Name, c.Server, len(c.Nodes), c.PodOctet)
	}
	return mergeKubeconfigs(w.Dir.Path("kubeconfig"), w.Clusters)
}

func (w *World) startGCE(ctx context.Context) error {
	addr := strings.TrimPrefix(w.gceURL, "http://")
	argv := []string{filepath.Join(w.opts.Bin, "fakegce"), "--listen", addr, "--probe", "10.0.0.0/8=127.0.0.0/8"}
	if w.opts.OpLatency > 0 {
		argv = append(argv, "--op-latency", w.opts.OpLatency.String())
	}
	p, err := w.launch.start(w.Dir.Path("log"), "fakegce", nil, argv...)
	if err != nil {
		return err
	}
	w.processes["fakegce"] = p
	if err := p.until(ctx, accepts(addr)); err != nil {
		return err
	}
	w.say("compute: emulator at %s", w.gceURL)
	return nil
}

// seed tells the emulator of the instances behind the nodes.
func (w *World) seed(ctx context.Context) error {
	seed := fakegce.Seed{Projects: []string{Project}}
	for _, c := range w.fleet() {
		for _, n := range c.Nodes {
			seed.Instances = append(seed.Instances, fakegce.Instance{Zone: n.Zone, Name: n.Instance, IP: n.InternalIP, AliasRanges: []string{n.PodCIDR}})
		}
	}
	if err := w.GCE.Seed(ctx, seed); err != nil {
		return err
	}
	return w.openFirewall(ctx)
}

// Close stops everything, functions first, and leaves the folder free.
func (w *World) Close() error {
	if w.stopScheduler != nil {
		w.stopScheduler()
	}
	if w.front != nil {
		w.front.Close()
	}
	for _, f := range functions {
		if p := w.processes[f.name]; p != nil {
			p.stop()
		}
	}
	var g errgroup.Group
	for _, c := range w.Clusters {
		g.Go(func() error { c.process.stop(); return nil })
	}
	_ = g.Wait() // stop has no error
	if w.sink != nil {
		w.sink.close()
	}
	if w.PubSub != nil {
		w.PubSub.Close()
	}
	for _, name := range []string{"fakegce", "fakecontainer"} {
		if p := w.processes[name]; p != nil {
			p.stop()
		}
	}
	if w.Guest != nil {
		w.Guest.server.Close()
	}
	close(w.launch.work)
	return w.Dir.Close()
}

// Processes names what runs, for the memory report.
func (w *World) PeakRSS(name string) (int64, error) {
	p, ok := w.processes[name]
	if !ok {
		return 0, fmt.Errorf("no process %s", name)
	}
	return p.peakRSS()
}
