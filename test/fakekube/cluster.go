package fakekube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// A Cluster is one cluster as one user sees it in process: Apply, Delete, Get, List
// and Edit work on its objects without HTTP, are not counted and never fail by
// injection, but are seen by OnWrite.
type Cluster struct {
	*store
	user string
}

// Name is the cluster's name in the path.
func (c *Cluster) Name() string { return c.name }

// UID is the UID of the kube-system namespace.
func (c *Cluster) UID() types.UID {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.uid
}

// SetUID gives kube-system another UID, as if another cluster answered at this address.
func (c *Cluster) SetUID(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uid = uid
	c.putNamespace(metav1.NamespaceSystem, uid)
}

// As returns the same cluster with its in-process writes made by user.
func (c *Cluster) As(user string) *Cluster {
	return &Cluster{store: c.store, user: user}
}

func (c *Cluster) addNamespaces() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ns := range []string{metav1.NamespaceDefault, metav1.NamespacePublic, metav1.NamespaceSystem, corev1.NamespaceNodeLease} {
		uid := types.UID("")
		if ns == metav1.NamespaceSystem {
			uid = c.uid
		}
		c.putNamespace(ns, uid)
	}
}

func (c *Cluster) putNamespace(name string, uid types.UID) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.stamp(ns)
	if uid != "" {
		ns.UID = uid
	}
	prepareCreate(c.store, ns)
	ns.ResourceVersion = c.nextVersion()
	c.put(named("namespaces"), &entry{obj: ns, meta: ns})
}

// Config returns a client-go configuration for user; the bearer token is the user's name.
// Client-side rate limiting is off.
func (c *Cluster) Config(baseURL, user string) *rest.Config {
	return &rest.Config{Host: baseURL + "/clusters/" + c.name, BearerToken: user, QPS: -1}
}

// Kubeconfig returns a kubeconfig for user; the bearer token is the user's name.
func (c *Cluster) Kubeconfig(baseURL, user string) []byte {
	b, err := clientcmd.Write(api.Config{
		Clusters:       map[string]*api.Cluster{c.name: {Server: baseURL + "/clusters/" + c.name}},
		AuthInfos:      map[string]*api.AuthInfo{user: {Token: user}},
		Contexts:       map[string]*api.Context{c.name: {Cluster: c.name, AuthInfo: user}},
		CurrentContext: c.name,
	})
	if err != nil {
		panic(fmt.Sprintf("fakekube: kubeconfig: %v", err)) // plain strings always encode
	}
	return b
}

// Apply creates each object or replaces the one there, status included, and fills in
// a missing namespace. A resourceVersion or UID in the object is not a precondition.
func (c *Cluster) Apply(objs ...runtime.Object) error {
	for _, obj := range objs {
		if err := c.apply(obj.DeepCopyObject()); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
	}
	return nil
}

func (c *Cluster) apply(obj runtime.Object) error {
	r, err := resourceOf(obj)
	if err != nil {
		return err
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	if !r.custom {
		obj.GetObjectKind().SetGroupVersionKind(emptyKind)
	} else {
		obj.GetObjectKind().SetGroupVersionKind(r.gvk())
	}
	if r.namespaced {
		c.ensureNamespace(m.GetNamespace())
	}
	setDefaults(c.store, obj)
	for {
		old := c.lookup(r, m.GetNamespace(), m.GetName())
		verb := "update"
		if old == nil {
			verb = "create"
			c.complete(m, graceOf(obj))
		} else {
			adopt(m, old.meta)
		}
		e, changed, err := c.swap(r, old, obj, false)
		if err == errMoved {
			continue
		}
		if err == nil {
			c.wroteInProcess(verb, r, e, changed)
		}
		return err
	}
}

func graceOf(obj runtime.Object) int64 {
	if _, ok := obj.(*corev1.Pod); ok {
		return corev1.DefaultTerminationGracePeriodSeconds
	}
	return 0
}

func (c *Cluster) ensureNamespace(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.objects[named("namespaces")][""][name] == nil {
		c.putNamespace(name, "")
	}
}

func (c *Cluster) wroteInProcess(verb string, r *resource, e *entry, changed bool) {
	c.server.wrote(Write{Cluster: c.name, Verb: verb, Resource: r.Resource, Group: r.Group, Namespace: e.meta.GetNamespace(),
		Name: e.meta.GetName(), User: c.user, Object: e.obj, Changed: changed, InProcess: true})
}

// Delete removes the objects at once, whatever their grace period or finalizers.
// One that is not there is no error.
func (c *Cluster) Delete(objs ...runtime.Object) error {
	for _, obj := range objs {
		r, err := resourceOf(obj)
		if err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		m, err := meta.Accessor(obj)
		if err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		c.deleteEntry(r, m.GetNamespace(), m.GetName())
	}
	return nil
}

func (c *Cluster) deleteEntry(r *resource, ns, name string) {
	for {
		e := c.lookup(r, ns, name)
		if e == nil {
			return
		}
		if c.remove(r, e) == nil {
			c.wroteInProcess("delete", r, e, true)
			return
		}
	}
}

// Get returns a copy of an object. T is the pointer type, as in Get[*corev1.Pod].
func Get[T runtime.Object](c *Cluster, namespace, name string) (T, bool) {
	var none T
	e := c.lookup(resourceFor[T](), namespace, name)
	if e == nil {
		return none, false
	}
	return e.obj.DeepCopyObject().(T), true
}

// List returns copies of the objects with those labels, in key order; namespace ""
// means all of them.
func List[T runtime.Object](c *Cluster, namespace string, selector map[string]string) []T {
	sel := labels.SelectorFromSet(selector)
	found, _ := c.sorted(resourceFor[T](), namespace, func(e *entry) bool {
		return sel.Matches(labels.Set(e.meta.GetLabels()))
	})
	out := make([]T, len(found))
	for i, e := range found {
		out[i] = e.obj.DeepCopyObject().(T)
	}
	return out
}

// Edit changes one object, status included, with a function that may run more than once.
func Edit[T runtime.Object](c *Cluster, namespace, name string, change func(T)) error {
	r := resourceFor[T]()
	for {
		old := c.lookup(r, namespace, name)
		if old == nil {
			return notFound(r, name)
		}
		obj := old.obj.DeepCopyObject()
		change(obj.(T))
		e, changed, err := c.swap(r, old, obj, false)
		if err == errMoved {
			continue
		}
		if err == nil {
			c.wroteInProcess("update", r, e, changed)
		}
		return err
	}
}

func resourceFor[T runtime.Object]() *resource {
	var t T
	for _, r := range resources {
		if _, ok := r.empty().(T); ok {
			return r
		}
	}
	panic(fmt.Sprintf("fakekube does not serve %T", t))
}
