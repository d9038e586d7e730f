package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"

	"github.com/negfleet/negfleet/test/controlplane/controllers"
	"github.com/negfleet/negfleet/test/controlplane/nodes"
)

// runAPIServer is the real kube-apiserver with the real flags.
func runAPIServer(args []string) int {
	command := app.NewAPIServerCommand()
	command.SetArgs(args)
	return cli.Run(command)
}

// runEtcd runs etcd in the current directory. Nothing is synced to disk,
// because nothing is worth it.
//
// Clients come over TCP with certificates, as on a real control plane. A Unix
// socket would be simpler and is a trap: its buffers are small and do not grow,
// and under a storm of writes the two gRPC ends each stop reading until the
// other reads, and wait for each other until the requests time out.
func runEtcd(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	listen := fs.String("listen", "", "address for clients")
	cert := fs.String("cert", "", "certificate file")
	key := fs.String("key", "", "key file")
	clientCA := fs.String("client-ca", "", "certificate authority of the clients")
	if err := fs.Parse(args); err != nil {
		return flag.ErrHelp
	}
	client, peer := url.URL{Scheme: "https", Host: *listen}, url.URL{Scheme: "unix", Host: "peer.sock"}
	c := embed.NewConfig()
	c.Dir = "data"
	c.UnsafeNoFsync = true
	c.LogLevel = "warn"
	c.LogOutputs = []string{"stderr"}
	c.TickMs, c.ElectionMs = 50, 250
	c.QuotaBackendBytes = 8 << 30
	c.ClientTLSInfo = transport.TLSInfo{CertFile: *cert, KeyFile: *key, TrustedCAFile: *clientCA, ClientCertAuth: true}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer e.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd: %w", err)
	}
}

func runControllers(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("controllers", flag.ContinueOnError)
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig file")
	rootCA := fs.String("root-ca", "", "certificate authority to publish")
	if err := fs.Parse(args); err != nil {
		return flag.ErrHelp
	}
	config, err := loadConfig(*kubeconfig, "controllers")
	if err != nil {
		return err
	}
	return controllers.Run(ctx, config, *rootCA)
}

func runNodes(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("nodes", flag.ContinueOnError)
	kubeconfig := fs.String("kubeconfig", "", "kubeconfig file")
	grace := fs.Duration("node-grace", 2*time.Second, "from a node's loss until the cluster notices")
	spec := specFlags(fs)
	if err := fs.Parse(args); err != nil {
		return flag.ErrHelp
	}
	config, err := loadConfig(*kubeconfig, "nodes")
	if err != nil {
		return err
	}
	return nodes.Run(ctx, config, spec(), *grace)
}

func loadConfig(path, agent string) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	config.UserAgent = fmt.Sprintf("%s/%d", agent, os.Getpid())
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return config, nil
}
