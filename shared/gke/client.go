// Package gke is the adapter to the GKE API, and the only package that imports
// container/v1. It reads clusters as values and changes nothing.
//
// Facts it rests on (discovery document of container/v1):
//   - locations/- lists all regions and zones at once, without pages; those that did not
//     answer are named in missingZones, and the list may lack their clusters.
//   - HttpLoadBalancing is on unless it says disabled.
//   - A DNS endpoint has a public certificate; the IP endpoints have the cluster's own CA.
//
// It decides nothing about what an absence means and must not import Kubernetes.
package gke

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/api/container/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/shared/neg"
)

// callTimeout bounds one call.
const callTimeout = 15 * time.Second

// A Client reads clusters.
type Client struct {
	api *container.ProjectsLocationsClustersService
}

// New returns a client that sends through h, which brings the credentials along. endpoint
// is another API's base URL; empty: Google's. It makes no call.
func New(ctx context.Context, endpoint string, h *http.Client) (*Client, error) {
	opts := []option.ClientOption{option.WithHTTPClient(h), option.WithUserAgent("negfleet")}
	if endpoint != "" {
		opts = append(opts, option.WithEndpoint(endpoint))
	}
	service, err := container.NewService(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("container client: %w", err)
	}
	return &Client{service.Projects.Locations.Clusters}, nil
}

// A Cluster is what matters here of one.
type Cluster struct {
	Name    neg.GKECluster
	Status  string // PROVISIONING, RUNNING, RECONCILING, STOPPING, ERROR, DEGRADED
	Version string // of the control plane
	CA      []byte // PEM, of the IP endpoints

	PublicIP, PrivateIP string // of the control plane; empty: not enabled
	DNS                 string // host name; empty: none
	DNSExternal         bool   // and reachable from outside the cluster's network

	HTTPLoadBalancing bool // GKE's own NEG controller is on
	EgressNone        bool // the control plane calls no URL outside
	VPCNative         bool // Pods have alias addresses, which a group takes
}

// A Listing is all clusters of a project that the API could see.
type Listing struct {
	Clusters []Cluster
	Missing  []string // locations that did not answer
}

// ErrNotFound says that the API has no such cluster.
var ErrNotFound = errors.New("no such cluster")

// Get reads one cluster.
func (c *Client) Get(ctx context.Context, name neg.GKECluster) (Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	got, err := c.api.Get(name.String()).Context(ctx).Do()
	if err != nil {
		return Cluster{}, fail("container API: get "+name.String(), err)
	}
	return read(name.Project, got)
}

// List reads all clusters of a project.
func (c *Client) List(ctx context.Context, project string) (Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	what := "container API: list clusters of project " + project
	got, err := c.api.List("projects/" + project + "/locations/-").Context(ctx).Do()
	if err != nil {
		return Listing{}, fail(what, err)
	}
	list := Listing{Missing: got.MissingZones}
	for _, each := range got.Clusters {
		one, err := read(project, each)
		if err != nil {
			return Listing{}, fmt.Errorf("%s: %w", what, err)
		}
		list.Clusters = append(list.Clusters, one)
	}
	return list, nil
}

func read(project string, got *container.Cluster) (Cluster, error) {
	c := Cluster{
		Name:   neg.GKECluster{Project: project, Location: got.Location, Name: got.Name},
		Status: got.Status, Version: got.CurrentMasterVersion, HTTPLoadBalancing: true,
	}
	if a := got.AddonsConfig; a != nil && a.HttpLoadBalancing != nil {
		c.HTTPLoadBalancing = !a.HttpLoadBalancing.Disabled
	}
	c.EgressNone = got.ControlPlaneEgress != nil && got.ControlPlaneEgress.Mode == "NONE"
	c.VPCNative = got.IpAllocationPolicy != nil && got.IpAllocationPolicy.UseIpAliases
	if got.MasterAuth != nil {
		var err error
		if c.CA, err = base64.StdEncoding.DecodeString(got.MasterAuth.ClusterCaCertificate); err != nil {
			return c, fmt.Errorf("%s: its CA certificate: %w", c.Name, err)
		}
	}
	c.addresses(got)
	return c, nil
}

// addresses reads the control plane's endpoints. Without endpoint settings, which older
// clusters lack, its one endpoint is public unless a private one was asked for.
func (c *Cluster) addresses(got *container.Cluster) {
	if p := got.PrivateClusterConfig; p != nil && p.EnablePrivateEndpoint {
		c.PrivateIP = got.Endpoint
	} else {
		c.PublicIP = got.Endpoint
	}
	e := got.ControlPlaneEndpointsConfig
	if e == nil {
		return
	}
	if ip := e.IpEndpointsConfig; ip != nil {
		c.PublicIP, c.PrivateIP = "", ""
		if ip.Enabled {
			c.PrivateIP = ip.PrivateEndpoint
		}
		if ip.Enabled && ip.EnablePublicEndpoint {
			c.PublicIP = ip.PublicEndpoint
		}
	}
	if dns := e.DnsEndpointConfig; dns != nil {
		c.DNS, c.DNSExternal = dns.Endpoint, dns.AllowExternalTraffic
	}
}

// fail classes an error by its status.
func fail(what string, err error) error {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch {
	case api.Code == http.StatusNotFound:
		return neg.Block("GKEClusterNotFound", "%s: %w; check its project, location and name in the fleet file", what, ErrNotFound)
	case api.Code == http.StatusForbidden, api.Code == http.StatusUnauthorized:
		return neg.Block("ContainerPermissionDenied", "%s: %s (HTTP %d); grant container.clusters.get and container.clusters.list", what, api.Message, api.Code)
	case api.Code == http.StatusTooManyRequests, api.Code >= 500:
		return fmt.Errorf("%s: %s (HTTP %d)", what, api.Message, api.Code)
	}
	return neg.Block("ContainerRefused", "%s: %s (HTTP %d)", what, api.Message, api.Code)
}
