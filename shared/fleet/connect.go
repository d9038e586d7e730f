package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
)

// dial makes o's client by the way that its entry names.
func (f *Fleet) dial(ctx context.Context, o opened) (opened, error) {
	var to *rest.Config
	var err error
	entry := o.entry
	switch c := entry.Connect; {
	case c.Gateway != "":
		to = f.throughGateway(c)
	case c.GKE != neg.GKECluster{}:
		if o.endpoint, err = f.toGKE(ctx, c); err == nil {
			to = &rest.Config{Host: "https://" + o.endpoint.host(), Transport: &bearer{o.endpoint, f.credentials}}
		}
	default:
		if to, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
			err = neg.Block("KubeconfigInvalid", "kubeconfig %s: %w", c.Kubeconfig, err)
		}
	}
	if err != nil {
		return o, fmt.Errorf("cluster %s: %w", entry.Name, err)
	}
	o.config, o.host = to, to.Host
	o.client, err = kube.New(entry.Name, to, f.now)
	return o, err
}

// throughGateway leads through Connect gateway, whose URLs are the memberships' names.
// https://cloud.google.com/kubernetes-engine/enterprise/multicluster-management/gateway
func (f *Fleet) throughGateway(c config.Connect) *rest.Config {
	base := "https://connectgateway.googleapis.com"
	if l := c.GatewayLocation(); l != "global" {
		base = "https://" + l + "-connectgateway.googleapis.com"
	}
	if f.google.GatewayEndpoint != "" {
		base = strings.TrimSuffix(f.google.GatewayEndpoint, "/")
	}
	return &rest.Config{Host: base + "/v1/" + c.Gateway, Transport: &bearer{f.gateway, f.credentials}}
}

func (f *Fleet) toGKE(ctx context.Context, c config.Connect) (*endpoint, error) {
	locate := func(ctx context.Context) (route, error) {
		d, err := f.describe(ctx, c.GKE, 0)
		if err != nil {
			return route{}, err
		}
		return routeTo(d, c.DNS)
	}
	return newEndpoint(ctx, locate, f.google.Roots, f.now)
}

// identify has a cluster say who it is. A control plane that has moved is asked where it is.
func (o opened) identify(ctx context.Context) (uid string, err error) {
	ctx = proving(ctx)
	for range 2 {
		var at *leg
		if o.endpoint != nil {
			at = o.endpoint.current()
		}
		uid, err = o.client.UID(ctx)
		if err == nil && at != nil && uid == o.entry.UID {
			o.endpoint.proved(at)
		}
		if !errors.Is(err, kube.ErrNotSent) {
			break
		}
	}
	return uid, err
}

// quit closes the connections that nobody uses: those of a client that is not kept would stay
// for a while, and each who asks makes more.
func (o opened) quit() {
	if o.endpoint != nil {
		o.endpoint.current().base.CloseIdleConnections()
	}
}

// settled tells whether the cluster is still where it proved itself.
func (o opened) settled() bool { return o.endpoint == nil || o.endpoint.settled() }

// where is the API server's address, by which two of them are told apart.
func (o opened) where() string {
	host := o.host
	if o.endpoint != nil {
		host = o.endpoint.host()
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
	return strings.TrimSuffix(host, ":443")
}
