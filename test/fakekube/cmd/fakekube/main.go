// Command fakekube serves fake clusters until SIGTERM: nodes and, if asked for, a
// Service with Pods in each, a kubeconfig per cluster, and its address in a file that
// appears once it listens.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/test/fakekube"
)

type options struct {
	listen, addrFile, clusters, kubeconfigs, user string
	nodes, pods                                   int
	crds                                          bool
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on")
	flag.StringVar(&o.addrFile, "addr-file", "", "file to write the address to")
	flag.StringVar(&o.clusters, "clusters", "a", "names of the clusters, with commas")
	flag.StringVar(&o.kubeconfigs, "kubeconfig-dir", "", "directory to write CLUSTER.kubeconfig files to")
	flag.StringVar(&o.user, "user", "admin", "user of the kubeconfigs")
	flag.IntVar(&o.nodes, "nodes", 6, "nodes in each cluster")
	flag.IntVar(&o.pods, "pods", 0, "pods behind the service demo/web in each cluster; 0 is no service")
	flag.BoolVar(&o.crds, "service-negs", false, "install the ServiceNetworkEndpointGroup CRD")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "fakekube:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	server := fakekube.New()
	for i, name := range strings.Split(o.clusters, ",") {
		if err := addCluster(server, o, name, i); err != nil {
			return fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	if err := writeFiles(server, o, base); err != nil {
		return err
	}
	fmt.Println(base)
	return serve(ctx, l, server)
}

func addCluster(server *fakekube.Server, o options, name string, i int) error {
	var opts []fakekube.ClusterOption
	if o.crds {
		opts = append(opts, fakekube.WithServiceNEGs())
	}
	c := server.AddCluster(name, opts...)
	if o.nodes == 0 {
		return nil
	}
	pods := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i + 1), 0, 0}), 16)
	w, err := c.NewWorld(fakekube.Layout{Nodes: o.nodes, PodRange: pods})
	if err != nil || o.pods == 0 {
		return err
	}
	if err := w.Deploy(fakekube.Deployment{Namespace: "demo", Name: "web", Replicas: o.pods}); err != nil {
		return err
	}
	return w.AddService(&corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "demo", Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	})
}

// writeFiles writes the address last, and at once: whoever waits for that file finds
// everything else in place.
func writeFiles(server *fakekube.Server, o options, base string) error {
	if o.kubeconfigs != "" {
		if err := os.MkdirAll(o.kubeconfigs, 0o755); err != nil {
			return err
		}
		for _, name := range server.Clusters() {
			file := filepath.Join(o.kubeconfigs, name+".kubeconfig")
			if err := os.WriteFile(file, server.Cluster(name).Kubeconfig(base, o.user), 0o600); err != nil {
				return err
			}
		}
	}
	if o.addrFile == "" {
		return nil
	}
	part := o.addrFile + ".part"
	if err := os.WriteFile(part, []byte(strings.TrimPrefix(base, "http://")+"\n"), 0o644); err != nil {
		return err
	}
	return os.Rename(part, o.addrFile)
}

func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	web := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return web.Shutdown(grace)
	}
}
