// Package supervisor starts the processes of one cluster, says when it is
// ready, and stops them.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"time"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

// The children, by the first argument that the binary is started with.
const (
	Etcd        = "etcd"
	APIServer   = "kube-apiserver"
	Controllers = "controllers"
	Nodes       = "nodes"
)

const startTimeout = 2 * time.Minute

// Options is what the operator chose.
type Options struct {
	layout.Spec
	Dir          string
	APIPort      int
	AuditPolicy  string
	AuditWebhook string
	AuditLog     string
	Users        []string
	NodeGrace    time.Duration
}

// cluster is a cluster that is being started or runs.
type cluster struct {
	Options
	claims   claims
	server   string
	children []*child    // in the order of their start
	ended    chan *child // has room for all of them
}

// Up runs a cluster until ctx ends. A child that ends by itself is an error,
// and so is a start that does not succeed.
func Up(ctx context.Context, o Options) error {
	started := time.Now()
	// The kernel ties a child's fate to the thread that started it, so the
	// thread must last as long as the cluster.
	runtime.LockOSThread()
	c, err := prepare(o)
	if err != nil {
		return err
	}
	defer c.release()
	defer c.stop()
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.start(startCtx); err != nil {
		return c.explain(ctx, startCtx, err)
	}
	fmt.Printf("cluster %s is ready after %.1f s: %d nodes, pods in %s, kubeconfig %s\n",
		c.Name, time.Since(started).Seconds(), c.Spec.Nodes, c.PodRange(), c.path("admin.kubeconfig"))
	select {
	case <-ctx.Done():
		return nil
	case ended := <-c.ended:
		return ended.failure()
	}
}

// explain turns the end of a start into what the operator should read: being
// told to stop is no failure, and running out of time is.
func (c *cluster) explain(ctx, startCtx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case startCtx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("cluster %s is not ready after %v: %w", c.Name, startTimeout, err)
	}
	return err
}

func prepare(o Options) (*cluster, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	c := &cluster{Options: o, ended: make(chan *child, 4)}
	err := c.claim()
	if err == nil {
		err = c.writeCredentials()
	}
	if err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// claim takes everything that could be somebody else's: the directory, the
// Pod network, the API server's port.
func (c *cluster) claim() (err error) {
	if c.claims.lock, err = claimDir(c.Dir); err != nil {
		return err
	}
	if c.claims.octet, c.Octet, err = claimOctet(c.Octet); err != nil {
		return err
	}
	if c.claims.port, c.APIPort, err = claimPort(c.APIPort); err != nil {
		return err
	}
	c.server = fmt.Sprintf("https://127.0.0.1:%d", c.APIPort)
	return nil
}

// validate also makes every path absolute: the children run in the directory.
func (o *Options) validate() (err error) {
	if o.Dir == "" {
		return errors.New("dir: must not be empty")
	}
	if err := o.Spec.Validate(); err != nil {
		return err
	}
	if (o.AuditPolicy == "") != (o.AuditWebhook == "") {
		return errors.New("audit policy and audit webhook config: want both or neither")
	}
	if o.AuditLog != "" && o.AuditPolicy == "" {
		return errors.New("audit log: needs an audit policy")
	}
	for _, path := range []*string{&o.Dir, &o.AuditPolicy, &o.AuditWebhook, &o.AuditLog} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return fmt.Errorf("path %s: make absolute: %w", *path, err)
		}
	}
	for _, user := range o.Users {
		if filepath.Base(user) != user || user == "" {
			return fmt.Errorf("user %q: cannot be part of a file name", user)
		}
	}
	return nil
}

func (c *cluster) path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

// start starts the children, each when what it needs answers.
func (c *cluster) start(ctx context.Context) error {
	if err := c.launch(Etcd, c.etcdFlags()); err != nil {
		return err
	}
	if err := c.await(ctx, "etcd", c.etcdListens); err != nil {
		return err
	}
	if err := c.launch(APIServer, c.apiServerFlags()); err != nil {
		return err
	}
	p, err := newProbe(c.path("admin.kubeconfig"))
	if err != nil {
		return err
	}
	if err := c.await(ctx, "the API server", p.apiReady); err != nil {
		return err
	}
	if err := c.launch(Controllers, c.controllersFlags()); err != nil {
		return err
	}
	if err := c.launch(Nodes, c.nodesFlags()); err != nil {
		return err
	}
	if err := c.await(ctx, "service account and nodes", p.clusterReady(c.Spec.Nodes)); err != nil {
		return err
	}
	return c.writeReady(ctx, p)
}

func (c *cluster) etcdListens(context.Context) bool {
	conn, err := net.Dial("tcp4", c.etcdAddress())
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// await polls until ok, and gives up when a child ends or ctx does.
func (c *cluster) await(ctx context.Context, what string, ok func(context.Context) bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w%s", what, ctx.Err(), c.tails())
		case ended := <-c.ended:
			return ended.failure()
		case <-tick.C:
		}
	}
	return nil
}
