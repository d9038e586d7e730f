package fakekube

import (
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// A resource is what the server knows about one kind. The three booleans about
// updates are those of the kind's strategy in kube-apiserver.
type resource struct {
	schema.GroupVersionResource
	kind           string
	short          string // kubectl's abbreviation
	namespaced     bool
	status         bool // has a status subresource
	createOnUpdate bool // a PUT to a missing name creates
	conditional    bool // a PUT needs a resourceVersion
	custom         bool // a CRD's: unstructured, there only when switched on
	validName      validation.ValidateNameFunc
	empty          func() runtime.Object
}

var (
	v1          = schema.GroupVersion{Version: "v1"}
	anyName     = validation.ValidateNameFunc(validation.NameIsDNSSubdomain)
	pathSegment = validation.ValidateNameFunc(func(name string, _ bool) []string { return content.IsPathSegmentName(name) })
	svcNEGGroup = schema.GroupVersion{Group: "networking.gke.io", Version: "v1beta1"}
)

// resources is in the order in which discovery lists them.
var resources = []*resource{
	{GroupVersionResource: v1.WithResource("events"), kind: "Event", short: "ev", namespaced: true, createOnUpdate: true,
		validName: anyName, empty: func() runtime.Object { return &corev1.Event{} }},
	{GroupVersionResource: v1.WithResource("namespaces"), kind: "Namespace", short: "ns", status: true,
		validName: validation.ValidateNamespaceName, empty: func() runtime.Object { return &corev1.Namespace{} }},
	{GroupVersionResource: v1.WithResource("nodes"), kind: "Node", short: "no", status: true,
		validName: anyName, empty: func() runtime.Object { return &corev1.Node{} }},
	{GroupVersionResource: v1.WithResource("pods"), kind: "Pod", short: "po", namespaced: true, status: true,
		validName: anyName, empty: func() runtime.Object { return &corev1.Pod{} }},
	{GroupVersionResource: v1.WithResource("services"), kind: "Service", short: "svc", namespaced: true, status: true, createOnUpdate: true,
		validName: validation.NameIsDNS1035Label, empty: func() runtime.Object { return &corev1.Service{} }},
	{GroupVersionResource: coordinationv1.SchemeGroupVersion.WithResource("leases"), kind: "Lease", namespaced: true, createOnUpdate: true, conditional: true,
		validName: anyName, empty: func() runtime.Object { return &coordinationv1.Lease{} }},
	{GroupVersionResource: discoveryv1.SchemeGroupVersion.WithResource("endpointslices"), kind: "EndpointSlice", namespaced: true,
		validName: anyName, empty: func() runtime.Object { return &discoveryv1.EndpointSlice{} }},
	{GroupVersionResource: networkingv1.SchemeGroupVersion.WithResource("ingresses"), kind: "Ingress", short: "ing", namespaced: true, status: true,
		validName: anyName, empty: func() runtime.Object { return &networkingv1.Ingress{} }},
	{GroupVersionResource: rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"), kind: "ClusterRoleBinding", createOnUpdate: true,
		validName: pathSegment, empty: func() runtime.Object { return &rbacv1.ClusterRoleBinding{} }},
	{GroupVersionResource: rbacv1.SchemeGroupVersion.WithResource("clusterroles"), kind: "ClusterRole", createOnUpdate: true,
		validName: pathSegment, empty: func() runtime.Object { return &rbacv1.ClusterRole{} }},
	{GroupVersionResource: rbacv1.SchemeGroupVersion.WithResource("rolebindings"), kind: "RoleBinding", namespaced: true, createOnUpdate: true,
		validName: pathSegment, empty: func() runtime.Object { return &rbacv1.RoleBinding{} }},
	{GroupVersionResource: rbacv1.SchemeGroupVersion.WithResource("roles"), kind: "Role", namespaced: true, createOnUpdate: true,
		validName: pathSegment, empty: func() runtime.Object { return &rbacv1.Role{} }},
	{GroupVersionResource: svcNEGGroup.WithResource("servicenetworkendpointgroups"), kind: "ServiceNetworkEndpointGroup", short: "svcneg",
		namespaced: true, status: true, conditional: true, custom: true,
		validName: anyName, empty: func() runtime.Object { return &unstructured.Unstructured{} }},
}

var byGVR, byGVK = index()

func index() (map[schema.GroupVersionResource]*resource, map[schema.GroupVersionKind]*resource) {
	gvr := map[schema.GroupVersionResource]*resource{}
	gvk := map[schema.GroupVersionKind]*resource{}
	for _, r := range resources {
		gvr[r.GroupVersionResource] = r
		gvk[r.gvk()] = r
	}
	return gvr, gvk
}

func (r *resource) gvk() schema.GroupVersionKind {
	return r.GroupVersion().WithKind(r.kind)
}

// named returns the resource called that, of whatever group.
func named(name string) *resource {
	for _, r := range resources {
		if r.Resource == name {
			return r
		}
	}
	panic(fmt.Sprintf("fakekube: no resource %q", name))
}

// resourceOf returns the resource of an object made in process.
func resourceOf(obj runtime.Object) (*resource, error) {
	if u, ok := obj.(*unstructured.Unstructured); ok && u.GetKind() == "" {
		return byGVR[svcNEGGroup.WithResource("servicenetworkendpointgroups")], nil
	}
	kinds := []schema.GroupVersionKind{obj.GetObjectKind().GroupVersionKind()}
	if _, ok := obj.(*unstructured.Unstructured); !ok {
		var err error
		if kinds, _, err = scheme.Scheme.ObjectKinds(obj); err != nil {
			return nil, err
		}
	}
	for _, k := range kinds {
		if r := byGVK[k]; r != nil {
			return r, nil
		}
	}
	return nil, fmt.Errorf("fakekube does not serve %v", kinds)
}

// decode reads an object a client sent. JSON, YAML and protobuf are all understood,
// whatever the Content-Type says.
func (r *resource) decode(body []byte) (runtime.Object, error) {
	gvk := r.gvk()
	if r.custom {
		obj, _, err := unstructured.UnstructuredJSONScheme.Decode(body, &gvk, nil)
		return obj, err
	}
	obj, got, err := scheme.Codecs.UniversalDeserializer().Decode(body, &gvk, r.empty())
	if err != nil {
		return nil, err
	}
	if *got != gvk {
		return nil, fmt.Errorf("%s in the body is not the expected %s", got, gvk)
	}
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return obj, nil
}
