package fakekube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var metadata = field.NewPath("metadata")

// inNamespace fills in the namespace of the path.
func inNamespace(rq *request, m metav1.Object) error {
	if m.GetNamespace() == "" {
		m.SetNamespace(rq.namespace)
	}
	if m.GetNamespace() != rq.namespace {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}

func validateCreate(r *resource, obj runtime.Object, m metav1.Object) error {
	errs := validation.ValidateObjectMetaAccessor(m, r.namespaced, r.validName, metadata)
	switch o := obj.(type) {
	case *corev1.Event:
		errs = append(errs, validateEvent(o)...)
	case *corev1.Service:
		errs = append(errs, validateService(o)...)
	case *corev1.Pod:
		if len(o.Spec.Containers) == 0 {
			errs = append(errs, field.Required(field.NewPath("spec", "containers"), ""))
		}
	}
	if len(errs) > 0 {
		return invalid(r, m.GetName(), errs...)
	}
	return nil
}

// validateEvent has the one rule of core/v1 that a caller trips over: the event is in
// the namespace of what it is about, or in default.
func validateEvent(o *corev1.Event) field.ErrorList {
	about := o.InvolvedObject.Namespace
	if about == o.Namespace || about == "" && o.Namespace == metav1.NamespaceDefault {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("involvedObject", "namespace"), about, "does not match event.namespace")}
}

func validateService(o *corev1.Service) field.ErrorList {
	ports := field.NewPath("spec", "ports")
	if len(o.Spec.Ports) == 0 && o.Spec.ClusterIP != corev1.ClusterIPNone && o.Spec.Type != corev1.ServiceTypeExternalName {
		return field.ErrorList{field.Required(ports, "")}
	}
	var errs field.ErrorList
	for i, p := range o.Spec.Ports {
		if p.Name == "" && len(o.Spec.Ports) > 1 {
			errs = append(errs, field.Required(ports.Index(i).Child("name"), ""))
		}
		if p.Port < 1 || p.Port > 65535 {
			errs = append(errs, field.Invalid(ports.Index(i).Child("port"), p.Port, "must be between 1 and 65535, inclusive"))
		}
	}
	return errs
}

func validateUpdate(r *resource, subresource string, obj runtime.Object, m metav1.Object, old *entry) error {
	errs := validation.ValidateObjectMetaAccessorUpdate(m, old.meta, metadata)
	switch o := obj.(type) {
	case *corev1.Pod:
		if subresource == "" {
			errs = append(errs, validatePodUpdate(o, old.obj.(*corev1.Pod))...)
		}
	case *corev1.Service:
		errs = append(errs, validateService(o)...)
	}
	if len(errs) > 0 {
		return invalid(r, m.GetName(), errs...)
	}
	return nil
}

// validatePodUpdate lets only the few mutable fields of a Pod's spec change; readiness
// gates, for one, are fixed at creation.
func validatePodUpdate(pod, old *corev1.Pod) field.ErrorList {
	spec := pod.Spec.DeepCopy()
	spec.ActiveDeadlineSeconds = old.Spec.ActiveDeadlineSeconds
	spec.Tolerations = old.Spec.Tolerations
	if len(spec.Containers) == len(old.Spec.Containers) {
		for i := range spec.Containers {
			spec.Containers[i].Image = old.Spec.Containers[i].Image
		}
	}
	if equality.Semantic.DeepEqual(*spec, old.Spec) {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("spec"), "pod updates may not change fields other than `spec.containers[*].image`,"+
		"`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"+
		"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")}
}
