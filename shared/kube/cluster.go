// Package kube is the adapter to one cluster's Kubernetes API: it reads Services,
// EndpointSlices, Nodes and Ingresses as neg values and writes two things, the status
// annotation of a Service and Events.
//
// Every read asks the API server itself, with no watch and no cache, except for the map
// of nodes, which hardly changes: it is kept, and read again when somebody misses a node.
// A failed or partial list is an error, never an empty answer. It decides nothing about
// endpoints and must not import Compute.
package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/shared/neg"
)

// pageSize bounds one page of a list.
const pageSize = 500

// callTimeout bounds one request to the API server.
const callTimeout = 15 * time.Second

// A Cluster is one Kubernetes API.
type Cluster struct {
	name    string
	client  kubernetes.Interface
	dynamic dynamic.Interface
	now     func() time.Time

	flight   singleflight.Group
	mu       sync.Mutex
	nodes    map[string]neg.Node
	nodesAge time.Time
}

// New returns the cluster behind config, under the fleet file's name for it. It makes no
// call.
func New(name string, config *rest.Config, now func() time.Time) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's own fairness rules; a client-side limit only adds latency
	config.Timeout = callTimeout
	config.UserAgent = "negfleet"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	plain := rest.CopyConfig(config)
	plain.AcceptContentTypes = "application/json"
	dyn, err := dynamic.NewForConfig(plain)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	return &Cluster{name: name, client: client, dynamic: dyn, now: now}, nil
}

// UID reads the cluster's identity: the UID of its kube-system namespace.
func (c *Cluster) UID(ctx context.Context) (string, error) {
	ns, err := c.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", c.fail(ctx, "get namespace kube-system", err)
	}
	return string(ns.UID), nil
}

// Version reads the API server's version, such as v1.37.1.
func (c *Cluster) Version(ctx context.Context) (string, error) {
	raw, err := c.client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", c.fail(ctx, "get version", err)
	}
	var v version.Info
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", c.fail(ctx, "get version", err)
	}
	return v.GitVersion, nil
}

// Nodes returns the cluster's nodes by name, without those that have no Google providerID.
// It is at most nodesMaxAge old, and read now when fresh is asked for.
func (c *Cluster) Nodes(ctx context.Context, fresh bool) (map[string]neg.Node, error) {
	if nodes := c.knownNodes(fresh); nodes != nil {
		return nodes, nil
	}
	// Many looks that miss the same new node make one list.
	result := c.flight.DoChan("nodes", func() (any, error) {
		if nodes := c.knownNodes(fresh); nodes != nil {
			return nodes, nil // a list that ended since we looked
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		return c.listNodes(ctx)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return nil, c.fail(ctx, "list nodes", r.Err)
		}
		return r.Val.(map[string]neg.Node), nil
	case <-ctx.Done():
		return nil, c.fail(ctx, "list nodes", ctx.Err())
	}
}

// knownNodes is the map that is kept, if it is young enough; else nil.
func (c *Cluster) knownNodes(fresh bool) map[string]neg.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := c.now().Sub(c.nodesAge)
	if c.nodes == nil || age >= nodesMaxAge || fresh && age >= nodesMinAge {
		return nil
	}
	return c.nodes
}

const (
	nodesMaxAge = 5 * time.Minute
	nodesMinAge = time.Second // an endpoint on a node that nobody knows must not list the nodes at every look
)

func (c *Cluster) listNodes(ctx context.Context) (map[string]neg.Node, error) {
	nodes := map[string]neg.Node{}
	started := c.now()
	err := pages(func(o metav1.ListOptions) (string, error) {
		list, err := c.client.CoreV1().Nodes().List(ctx, o)
		if err != nil {
			return "", err
		}
		for _, n := range list.Items {
			if node, err := neg.ParseProviderID(n.Spec.ProviderID); err == nil {
				nodes[n.Name] = node
			}
		}
		return list.Continue, nil
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes, c.nodesAge = nodes, started
	return nodes, nil
}

// pages calls list until it returns no continue token. A token that expired is an error
// like any other: half a list is no list.
func pages(list func(metav1.ListOptions) (string, error)) error {
	o := metav1.ListOptions{Limit: pageSize}
	for {
		next, err := list(o)
		if err != nil || next == "" {
			return err
		}
		o.Continue = next
	}
}

// svcNEG is the object that GKE's own controller keeps for each group it writes.
var svcNEG = schema.GroupVersionResource{Group: "networking.gke.io", Version: "v1beta1", Resource: "servicenetworkendpointgroups"}

// OtherWriter names an object which shows that GKE's own controller serves the Service;
// empty when none does, which is also when the cluster has no such kind.
func (c *Cluster) OtherWriter(ctx context.Context, namespace, service string) (string, error) {
	o := metav1.ListOptions{LabelSelector: labelService + "=" + service, Limit: 1}
	list, err := c.dynamic.Resource(svcNEG).Namespace(namespace).List(ctx, o)
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", c.fail(ctx, "list servicenetworkendpointgroups in "+namespace, err)
	}
	for _, item := range list.Items {
		return "ServiceNetworkEndpointGroup " + item.GetName(), nil
	}
	return "", nil
}

// GKEGroups reads what GKE's own controller says of a Service's groups; nothing where the
// cluster has no such kind. An object that is being deleted says that its groups are, too.
func (c *Cluster) GKEGroups(ctx context.Context, namespace, service string) ([]neg.GKEGroup, error) {
	var found []neg.GKEGroup
	err := pages(func(o metav1.ListOptions) (string, error) {
		o.LabelSelector = labelService + "=" + service
		list, err := c.dynamic.Resource(svcNEG).Namespace(namespace).List(ctx, o)
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			if g, ok := gkeGroup(&list.Items[i]); ok {
				found = append(found, g)
			}
		}
		return list.GetContinue(), nil
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, c.fail(ctx, "list servicenetworkendpointgroups in "+namespace, err)
	}
	return found, nil
}

// gone tells whether an API server says that an object does not exist. A 404 in other
// words than an API server's comes from whatever stands where one should be, and says
// nothing about objects.
func gone(err error) bool {
	return apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err)
}

// ReasonUnreachable is why a call is blocked when no API server answered it.
const ReasonUnreachable = "ClusterUnreachable"

// ErrNotSent is what a transport says when it held a request back for a reason that passes.
var ErrNotSent = errors.New("not sent")

// fail names the cluster and classes the error by its status. That ctx ended is our own
// doing, and says nothing about the cluster.
func (c *Cluster) fail(ctx context.Context, what string, err error) error {
	what = fmt.Sprintf("cluster %s: %s", c.name, what)
	switch {
	case ctx.Err() != nil, errors.Is(err, ErrNotSent), len(neg.BlockedReasons(err)) > 0:
		return fmt.Errorf("%s: %w", what, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return neg.Block("ClusterPermissionDenied", "%s: %w; grant the ClusterRole in infra/rbac", what, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return neg.Block("ClusterRefused", "%s: %w", what, err)
	case apierrors.ReasonForError(err) == metav1.StatusReasonUnknown, apierrors.IsNotFound(err) && !gone(err):
		// No answer from an API server at all: retrying each message of a cluster that is
		// down would slow every other cluster; the sweep comes back to it.
		return neg.Block(ReasonUnreachable, "%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
