package fakekube

import (
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

func (c *Cluster) delete(rq *request) (reply, error) {
	opts, err := deleteOptions(rq)
	if err != nil {
		return reply{}, err
	}
	for {
		old := c.lookup(rq.res, rq.namespace, rq.name)
		if old == nil {
			return reply{}, notFound(rq.res, rq.name)
		}
		if err := checkPreconditions(rq.res, old, opts.Preconditions); err != nil {
			return reply{}, err
		}
		answer, err := c.deleteOne(rq, old, opts)
		if err != errMoved {
			return answer, err
		}
	}
}

// deleteOne removes the object, or only marks it if it has a grace period left or
// finalizers, and then answers with the object.
func (c *Cluster) deleteOne(rq *request, old *entry, opts *metav1.DeleteOptions) (reply, error) {
	grace := gracePeriod(old, opts)
	if grace == 0 && len(old.meta.GetFinalizers()) == 0 {
		if !rq.dryRun() {
			if err := c.remove(rq.res, old); err != nil {
				return reply{}, err
			}
		}
		c.commit(rq, old, true)
		return value(http.StatusOK, deleted(rq.res, old))
	}
	obj := old.obj.DeepCopyObject()
	m, err := meta.Accessor(obj)
	if err != nil {
		return reply{}, err
	}
	markDeleted(m, grace, c.server.now())
	e, changed, err := c.swap(rq.res, old, obj, rq.dryRun())
	if err != nil {
		return reply{}, err
	}
	c.commit(rq, e, changed)
	return object(http.StatusOK, rq.res, e), nil
}

// markDeleted sets the deletion timestamp, or shortens the time that is left: it can
// never be made longer.
func markDeleted(m metav1.Object, grace int64, now time.Time) {
	start := now.Truncate(time.Second)
	if t := m.GetDeletionTimestamp(); t != nil {
		had := *m.GetDeletionGracePeriodSeconds()
		if grace >= had {
			return
		}
		start = t.Add(-time.Duration(had) * time.Second)
	} else if m.GetGeneration() > 0 {
		m.SetGeneration(m.GetGeneration() + 1)
	}
	at := metav1.NewTime(start.Add(time.Duration(grace) * time.Second))
	m.SetDeletionTimestamp(&at)
	m.SetDeletionGracePeriodSeconds(&grace)
}

// gracePeriod is the Pod strategy's: a Pod that no node runs goes at once, and so
// does everything that is not a Pod.
func gracePeriod(e *entry, opts *metav1.DeleteOptions) int64 {
	pod, ok := e.obj.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return 0
	}
	var grace int64
	switch {
	case opts.GracePeriodSeconds != nil:
		grace = *opts.GracePeriodSeconds
	case pod.DeletionGracePeriodSeconds != nil:
		grace = *pod.DeletionGracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		grace = *pod.Spec.TerminationGracePeriodSeconds
	}
	if grace < 0 {
		return 1
	}
	return grace
}

func checkPreconditions(r *resource, e *entry, p *metav1.Preconditions) error {
	if p == nil {
		return nil
	}
	// The real one fills the kind in where the resource should be; so the details name "Pod".
	byKind := &resource{GroupVersionResource: r.GroupVersion().WithResource(r.kind)}
	if p.UID != nil && *p.UID != e.meta.GetUID() {
		return conflict(byKind, e.meta.GetName(), "the UID in the precondition (%s) does not match the UID in record (%s). "+
			"The object might have been deleted and then recreated", *p.UID, e.meta.GetUID())
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != e.meta.GetResourceVersion() {
		return conflict(byKind, e.meta.GetName(), "the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). "+
			"The object might have been modified", *p.ResourceVersion, e.meta.GetResourceVersion())
	}
	return nil
}

func deleteOptions(rq *request) (*metav1.DeleteOptions, error) {
	opts := &metav1.DeleteOptions{}
	if len(rq.body) == 0 {
		if n, err := strconv.ParseInt(rq.query.Get("gracePeriodSeconds"), 10, 64); err == nil {
			opts.GracePeriodSeconds = &n
		}
		return opts, nil
	}
	kind := schema.GroupVersionKind{Version: "v1", Kind: "DeleteOptions"}
	if _, _, err := scheme.Codecs.UniversalDeserializer().Decode(rq.body, &kind, opts); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if len(opts.DryRun) > 0 {
		rq.query.Set("dryRun", opts.DryRun[0])
	}
	return opts, nil
}

func (c *Cluster) deleteCollection(rq *request) (reply, error) {
	opts, err := deleteOptions(rq)
	if err != nil {
		return reply{}, err
	}
	match, err := matcher(rq)
	if err != nil {
		return reply{}, err
	}
	found, rv := c.sorted(rq.res, rq.namespace, match)
	for _, e := range found {
		one := *rq
		one.namespace, one.name = e.meta.GetNamespace(), e.meta.GetName()
		if _, err := c.deleteOne(&one, e, opts); err != nil && err != errMoved {
			return reply{}, err
		}
	}
	return listReply(rq.res, page{entries: found, rv: int64(rv)})
}

func deleted(r *resource, e *entry) metav1.Status {
	return metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusSuccess,
		Details:  &metav1.StatusDetails{Name: e.meta.GetName(), Group: r.Group, Kind: r.Resource, UID: e.meta.GetUID()},
	}
}
