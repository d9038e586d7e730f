package fakekube

import (
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

func (c *Cluster) create(rq *request) (reply, error) {
	obj, err := rq.res.decode(rq.body)
	if err != nil {
		return reply{}, apierrors.NewBadRequest(err.Error())
	}
	return c.insert(rq, obj)
}

func (c *Cluster) insert(rq *request, obj runtime.Object) (reply, error) {
	m, err := meta.Accessor(obj)
	if err != nil {
		return reply{}, err
	}
	if err := inNamespace(rq, m); err != nil {
		return reply{}, err
	}
	c.stamp(m)
	prepareCreate(c.store, obj)
	if err := validateCreate(rq.res, obj, m); err != nil {
		return reply{}, err
	}
	if rq.namespace != "" && c.lookup(named("namespaces"), "", rq.namespace) == nil {
		return reply{}, notFound(named("namespaces"), rq.namespace)
	}
	e, _, err := c.swap(rq.res, nil, obj, rq.dryRun())
	if err == errMoved {
		return reply{}, apierrors.NewAlreadyExists(rq.res.GroupResource(), m.GetName())
	}
	if err != nil {
		return reply{}, err
	}
	rq.name = m.GetName()
	c.commit(rq, e, true)
	return object(http.StatusCreated, rq.res, e), nil
}

// replace is a PUT. Its UID, if any, is a precondition.
func (c *Cluster) replace(rq *request) (reply, error) {
	body, err := rq.res.decode(rq.body)
	if err != nil {
		return reply{}, apierrors.NewBadRequest(err.Error())
	}
	m, err := meta.Accessor(body)
	if err != nil {
		return reply{}, err
	}
	if m.GetName() != rq.name {
		return reply{}, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", m.GetName(), rq.name))
	}
	if err := inNamespace(rq, m); err != nil {
		return reply{}, err
	}
	old := c.lookup(rq.res, rq.namespace, rq.name)
	if uid := m.GetUID(); uid != "" && (old == nil && rq.res.createOnUpdate || old != nil && uid != old.meta.GetUID()) {
		found := ""
		if old != nil {
			found = string(old.meta.GetUID())
		}
		return reply{}, conflict(rq.res, rq.name, "Precondition failed: UID in precondition: %v, UID in object meta: %v", uid, found)
	}
	if old == nil && rq.res.createOnUpdate && rq.subresource == "" {
		return c.insert(rq, body)
	}
	return c.change(rq, func(runtime.Object) (runtime.Object, error) { return body.DeepCopyObject(), nil })
}

// change is every update: next makes the new object of a copy of the current one,
// and is asked again if another write came between.
func (c *Cluster) change(rq *request, next func(runtime.Object) (runtime.Object, error)) (reply, error) {
	for {
		old := c.lookup(rq.res, rq.namespace, rq.name)
		if old == nil {
			return reply{}, notFound(rq.res, rq.name)
		}
		obj, err := next(old.obj.DeepCopyObject())
		if err != nil {
			return reply{}, err
		}
		if err := admitUpdate(rq, obj, old); err != nil {
			return reply{}, err
		}
		e, changed, err := c.swap(rq.res, old, obj, rq.dryRun())
		if err == errMoved {
			continue
		}
		if err != nil {
			return reply{}, err
		}
		c.commit(rq, e, changed)
		return object(http.StatusOK, rq.res, e), nil
	}
}

// admitUpdate is the order of kube-apiserver: resourceVersion, then what the strategy
// keeps of the old object, then validation.
func admitUpdate(rq *request, obj runtime.Object, old *entry) error {
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	if err := inNamespace(rq, m); err != nil {
		return err
	}
	if err := checkVersion(rq.res, m, old.meta); err != nil {
		return err
	}
	m.SetGeneration(old.meta.GetGeneration())
	prepareUpdate(rq.subresource, obj, old.obj)
	inherit(m, old.meta)
	return validateUpdate(rq.res, rq.subresource, obj, m, old)
}

// commit tells the journal and the hooks.
func (c *Cluster) commit(rq *request, e *entry, changed bool) {
	if rq.dryRun() {
		return
	}
	verb := rq.verb
	if verb == "deletecollection" {
		verb = "delete"
	}
	w := Write{Cluster: c.name, Verb: verb, Group: rq.res.Group, Resource: rq.res.Resource, Subresource: rq.subresource,
		Namespace: e.meta.GetNamespace(), Name: e.meta.GetName(), User: rq.user, UserAgent: rq.agent, Object: e.obj, Changed: changed}
	c.server.journal.wrote(w)
	c.server.wrote(w)
}
