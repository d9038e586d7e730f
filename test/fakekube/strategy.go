package fakekube

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// This file is the registry strategies: what a client may decide about an object
// and what the server keeps.

var emptyKind = schema.GroupVersionKind{}

// prepareCreate drops what a client may not set, and fills in defaults.
func prepareCreate(st *store, obj runtime.Object) {
	switch o := obj.(type) {
	case *corev1.Pod:
		o.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: corev1.PodQOSBestEffort}
	case *corev1.Service:
		o.Status = corev1.ServiceStatus{}
	case *networkingv1.Ingress:
		o.Status = networkingv1.IngressStatus{}
	case *corev1.Namespace:
		o.Status = corev1.NamespaceStatus{Phase: corev1.NamespaceActive}
	case *unstructured.Unstructured:
		delete(o.Object, "status")
	}
	setDefaults(st, obj)
}

// prepareUpdate keeps the status of a write to the object and the spec of a write to
// its status, and counts generations.
func prepareUpdate(subresource string, obj, old runtime.Object) {
	if subresource == "status" {
		keepSpec(obj, old)
		return
	}
	switch o := obj.(type) {
	case *corev1.Pod:
		was := old.(*corev1.Pod)
		o.Status = was.Status
		bump(o, !equality.Semantic.DeepEqual(o.Spec, was.Spec))
	case *corev1.Service:
		o.Status = old.(*corev1.Service).Status
	case *corev1.Node:
		o.Status = old.(*corev1.Node).Status
	case *corev1.Namespace:
		o.Status = old.(*corev1.Namespace).Status
	case *networkingv1.Ingress:
		was := old.(*networkingv1.Ingress)
		o.Status = was.Status
		bump(o, !equality.Semantic.DeepEqual(o.Spec, was.Spec))
	case *discoveryv1.EndpointSlice:
		was := old.(*discoveryv1.EndpointSlice)
		bump(o, !equality.Semantic.DeepEqual(o.Endpoints, was.Endpoints) || !equality.Semantic.DeepEqual(o.Ports, was.Ports) ||
			!equality.Semantic.DeepEqual(o.Labels, was.Labels))
	case *unstructured.Unstructured:
		was := old.(*unstructured.Unstructured)
		copyField(o, was, "status")
		bump(o, !equality.Semantic.DeepEqual(o.Object["spec"], was.Object["spec"]))
	}
}

// keepSpec leaves the metadata alone: kube-apiserver, too, lets a write to the status
// of a built-in kind change labels and annotations.
func keepSpec(obj, old runtime.Object) {
	switch o := obj.(type) {
	case *corev1.Pod:
		was := old.(*corev1.Pod)
		o.Spec, o.OwnerReferences = was.Spec, was.OwnerReferences
	case *corev1.Service:
		o.Spec = old.(*corev1.Service).Spec
	case *corev1.Node:
		o.Spec = old.(*corev1.Node).Spec
	case *corev1.Namespace:
		o.Spec = old.(*corev1.Namespace).Spec
	case *networkingv1.Ingress:
		o.Spec = old.(*networkingv1.Ingress).Spec
	case *unstructured.Unstructured:
		was := old.(*unstructured.Unstructured)
		version := o.GetResourceVersion()
		kept := was.DeepCopy()
		copyField(kept, o, "status")
		o.Object = kept.Object
		o.SetResourceVersion(version)
	}
}

func copyField(to, from *unstructured.Unstructured, name string) {
	if v, ok := from.Object[name]; ok {
		to.Object[name] = v
	} else {
		delete(to.Object, name)
	}
}

func bump(m metav1.Object, changed bool) {
	if changed {
		m.SetGeneration(m.GetGeneration() + 1)
	}
}

// checkVersion is the optimistic lock. Without a resourceVersion most kinds are
// written unconditionally.
func checkVersion(r *resource, m, old metav1.Object) error {
	given := m.GetResourceVersion()
	if given == "" || given == "0" {
		if r.conditional {
			return apierrors.NewInvalid(schema.GroupKind{Group: r.Group, Kind: r.Resource}, old.GetName(), field.ErrorList{
				field.Invalid(field.NewPath("metadata", "resourceVersion"), 0, "must be specified for an update")})
		}
		m.SetResourceVersion(old.GetResourceVersion())
		return nil
	}
	if _, err := strconv.ParseUint(given, 10, 64); err != nil {
		return invalid(r, old.GetName(), field.Invalid(field.NewPath("metadata", "resourceVersion"), given, err.Error()))
	}
	if given != old.GetResourceVersion() {
		return conflict(r, old.GetName(), staleVersion)
	}
	return nil
}

// inherit keeps the metadata no update can change, but lets a wrong UID stand:
// validation refuses it.
func inherit(m, old metav1.Object) {
	if m.GetUID() == "" {
		m.SetUID(old.GetUID())
	}
	m.SetCreationTimestamp(old.GetCreationTimestamp())
	m.SetDeletionTimestamp(old.GetDeletionTimestamp())
	m.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
}

// adopt makes m the successor of old, for in-process writes.
func adopt(m, old metav1.Object) {
	m.SetUID(old.GetUID())
	m.SetCreationTimestamp(old.GetCreationTimestamp())
	m.SetResourceVersion(old.GetResourceVersion())
	m.SetGeneration(old.GetGeneration())
}
