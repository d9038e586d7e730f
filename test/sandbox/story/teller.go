//go:build linux

package story

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox"
)

//go:embed manifests
var manifests embed.FS

// A teller is what the steps work with.
type teller struct {
	world     *sandbox.World
	cluster   *sandbox.Cluster
	client    kubernetes.Interface
	dynamic   dynamic.Interface
	mapper    meta.RESTMapper
	cloud     *cloud
	nodes     map[string]sandbox.Node
	second    *teller // of the second cluster; nil: there is none
	cancel    context.CancelFunc
	following sync.WaitGroup
}

func newTeller(ctx context.Context, w *sandbox.World) (*teller, error) {
	t, err := in(w, w.Clusters[0], newCloud(w.GCE))
	if err == nil && len(w.Clusters) > 1 {
		t.second, err = in(w, w.Clusters[1], t.cloud)
	}
	if err != nil {
		return nil, err
	}
	following, cancel := context.WithCancel(ctx)
	t.cancel = cancel
	t.following.Go(func() { t.cloud.follow(following) })
	return t, nil
}

// in is a teller of one cluster.
func in(w *sandbox.World, c *sandbox.Cluster, cloud *cloud) (*teller, error) {
	config, err := c.Config()
	if err != nil {
		return nil, err
	}
	config.WarningHandler = rest.NoWarnings{} // the manifests use the Ingress annotation that GKE reads
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(client.Discovery())
	if err != nil {
		return nil, fmt.Errorf("discover the cluster's kinds: %w", err)
	}
	t := &teller{world: w, cluster: c, client: client, dynamic: dyn, mapper: restmapper.NewDiscoveryRESTMapper(groups), cloud: cloud, nodes: map[string]sandbox.Node{}}
	for _, n := range c.Nodes {
		t.nodes[n.Name] = n
	}
	return t, nil
}

func (t *teller) close() {
	t.cancel()
	t.following.Wait()
}

// objects decodes a manifest.
func objects(name string) ([]*unstructured.Unstructured, error) {
	data, err := manifests.ReadFile("manifests/" + name)
	if err != nil {
		return nil, err
	}
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var all []*unstructured.Unstructured
	for {
		u := &unstructured.Unstructured{}
		if err := dec.Decode(u); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", name, err)
		}
		all = append(all, u)
	}
}

func (t *teller) resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	m, err := t.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	if m.Scope.Name() == meta.RESTScopeNameRoot {
		return t.dynamic.Resource(m.Resource), nil
	}
	return t.dynamic.Resource(m.Resource).Namespace(u.GetNamespace()), nil
}

// apply does what kubectl apply --server-side does with a manifest.
func (t *teller) apply(ctx context.Context, name string) error {
	all, err := objects(name)
	if err != nil {
		return err
	}
	for _, u := range all {
		r, err := t.resource(u)
		if err != nil {
			return err
		}
		if _, err := r.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "story", Force: true}); err != nil {
			return fmt.Errorf("apply %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// annotate sets annotations of a Service.
func (t *teller) annotate(ctx context.Context, service string, annotations map[string]string) error {
	s, err := t.client.CoreV1().Services("shop").Get(ctx, service, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for k, v := range annotations {
		s.Annotations[k] = v
	}
	_, err = t.client.CoreV1().Services("shop").Update(ctx, s, metav1.UpdateOptions{})
	return err
}

// hint publishes a key, as an operator does to have a Service looked at.
func (t *teller) hint(ctx context.Context, service string) error { return t.ask(ctx, t.key(service)) }

func (t *teller) ask(ctx context.Context, k neg.Key) error {
	data, attributes, err := event.Encode(event.Message{Key: k, Reason: "asked for", Source: "operator", Observed: time.Now()})
	if err != nil {
		return err
	}
	return t.world.PubSub.Publish(ctx, event.TopicKeys, data, attributes)
}

func (t *teller) key(service string) neg.Key {
	return neg.Key{Cluster: t.cluster.Name, Namespace: "shop", Service: service}
}

func (t *teller) group(service string, port int32) string {
	return neg.GroupName(t.cluster.UID, t.key(service), port)
}

// pods lists the Pods of an app that live: with an address and not terminating.
func (t *teller) pods(ctx context.Context, app string) ([]corev1.Pod, error) {
	list, err := t.client.CoreV1().Pods("shop").List(ctx, metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return p.DeletionTimestamp != nil || p.Status.PodIP == "" || p.Status.Phase != corev1.PodRunning
	}), nil
}

// exact waits until the groups of that name hold exactly the app's n Pods on port, each
// in the zone and with the instance of its node, and every zone has a group.
func (t *teller) exact(ctx context.Context, app, group string, port, n int) error {
	return t.until(ctx, func() (string, error) {
		pods, err := t.pods(ctx, app)
		if err != nil {
			return "", err
		}
		want := map[string][]string{}
		for _, z := range sandbox.Zones {
			want[z] = nil
		}
		for _, p := range pods {
			node := t.nodes[p.Spec.NodeName]
			want[node.Zone] = append(want[node.Zone], fmt.Sprintf("%s:%d %s", p.Status.PodIP, port, node.Instance))
		}
		for z := range want {
			slices.Sort(want[z])
		}
		if len(pods) != n {
			return fmt.Sprintf("%d Pods of %s live, want %d", len(pods), app, n), nil
		}
		return cmp.Diff(want, t.cloud.members(group)), nil
	})
}

// until asks again at every transition of the cloud, and now and then, until check finds
// nothing missing.
func (t *teller) until(ctx context.Context, check func() (missing string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		changed := t.cloud.changed()
		missing, err := check()
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("still missing after %s: %s", patience, strings.TrimSpace(missing))
		}
	}
}
