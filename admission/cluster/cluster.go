// Package cluster reads what the admission webhook needs of one Kubernetes API: the
// Services and Ingresses of a namespace, one Lease, and the API server's version. Those
// are all its rights.
//
// It has a client of its own, on the way that shared/fleet opens and proves: client-go's
// REST client and a scheme of three kinds, with what a read finds made into values at once.
// A failed or partial list is an error, never an empty answer. It decides
// nothing and keeps nothing.
package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/object"
)

// pageSize bounds one page of a list.
const pageSize = 500

var (
	scheme     = runtime.NewScheme()
	codecs     = serializer.NewCodecFactory(scheme)
	parameters = runtime.NewParameterCodec(scheme)
)

func init() {
	for gv, kinds := range map[schema.GroupVersion][]runtime.Object{
		corev1.SchemeGroupVersion:         {&corev1.Service{}, &corev1.ServiceList{}},
		networkingv1.SchemeGroupVersion:   {&networkingv1.Ingress{}, &networkingv1.IngressList{}},
		coordinationv1.SchemeGroupVersion: {&coordinationv1.Lease{}},
	} {
		scheme.AddKnownTypes(gv, kinds...)
		metav1.AddToGroupVersion(scheme, gv)
	}
}

// A Reader is one Kubernetes API.
type Reader struct {
	name                           string // the fleet file's
	core, networking, coordination rest.Interface
}

// New returns the cluster behind config, under the fleet file's name for it. It makes no
// call.
func New(name string, config *rest.Config) (*Reader, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server's own fairness rules; a client-side limit only adds latency
	config.UserAgent = "negfleet-admission"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/json"
	config.NegotiatedSerializer = codecs.WithoutConversion()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	r := &Reader{name: name}
	for gv, into := range map[schema.GroupVersion]*rest.Interface{
		corev1.SchemeGroupVersion: &r.core, networkingv1.SchemeGroupVersion: &r.networking, coordinationv1.SchemeGroupVersion: &r.coordination,
	} {
		if *into, err = group(config, gv, client); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", name, err)
		}
	}
	return r, nil
}

func group(config *rest.Config, gv schema.GroupVersion, client *http.Client) (rest.Interface, error) {
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &gv, "/apis"
	if gv.Group == "" {
		config.APIPath = "/api"
	}
	return rest.RESTClientForConfigAndClient(config, client)
}

// Namespace lists the Services of a namespace, and its Ingresses if a Service asks for the
// ports of one.
func (r *Reader) Namespace(ctx context.Context, namespace string) (mutate.Namespace, error) {
	var found mutate.Namespace
	ingress := false
	err := pages(func(o metav1.ListOptions) (string, error) {
		var list corev1.ServiceList
		err := r.core.Get().Namespace(namespace).Resource("services").VersionedParams(&o, parameters).Do(ctx).Into(&list)
		for i := range list.Items {
			s := mutate.ReadService(r.name, namespace, &list.Items[i])
			ingress = ingress || s.Exposure.Ingress
			found.Services = append(found.Services, s)
		}
		return list.Continue, err
	})
	if err != nil {
		return mutate.Namespace{}, r.fail(ctx, "list services in "+namespace, err)
	}
	if !ingress {
		return found, nil
	}
	err = pages(func(o metav1.ListOptions) (string, error) {
		var list networkingv1.IngressList
		err := r.networking.Get().Namespace(namespace).Resource("ingresses").VersionedParams(&o, parameters).Do(ctx).Into(&list)
		for i := range list.Items {
			found.Ingress = append(found.Ingress, object.IngressPorts(&list.Items[i])...)
		}
		return list.Continue, err
	})
	if err != nil {
		return mutate.Namespace{}, r.fail(ctx, "list ingresses in "+namespace, err)
	}
	return found, nil
}

// pages calls list until it returns no continue token.
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

// Renewed reads when the Lease was last renewed; the zero time when there is no Lease.
func (r *Reader) Renewed(ctx context.Context) (time.Time, error) {
	var lease coordinationv1.Lease
	err := r.coordination.Get().Namespace(neg.LeaseNamespace).Resource("leases").Name(neg.LeaseName).Do(ctx).Into(&lease)
	switch {
	case apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, r.fail(ctx, "get lease "+neg.LeaseNamespace+"/"+neg.LeaseName, err)
	case lease.Spec.RenewTime == nil:
		return time.Time{}, nil
	}
	return lease.Spec.RenewTime.Time, nil
}

// sleepSince is the first minor version whose API server has the preStop sleep action
// switched on (https://kep.k8s.io/3960). An older one drops the field, and then refuses
// the Pod for its empty hook.
const sleepSince = 30

// Sleep tells whether the API server knows the preStop sleep action.
func (r *Reader) Sleep(ctx context.Context) (bool, error) {
	raw, err := r.core.Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return false, r.fail(ctx, "get /version", err)
	}
	var v version.Info
	if err := json.Unmarshal(raw, &v); err != nil {
		return false, fmt.Errorf("cluster %s: read /version: %w", r.name, err)
	}
	minor, err := strconv.Atoi(strings.TrimRight(v.Minor, "+"))
	if err != nil {
		return false, fmt.Errorf("cluster %s: read /version: minor %q is no number", r.name, v.Minor)
	}
	return v.Major == "1" && minor >= sleepSince, nil
}

// fail names the cluster and classes the error by its status, as shared/kube does.
func (r *Reader) fail(ctx context.Context, what string, err error) error {
	what = fmt.Sprintf("cluster %s: %s", r.name, what)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return neg.Block("ClusterPermissionDenied", "%s: %w; grant the ClusterRole in infra/rbac", what, err)
	}
	return neg.Block("ClusterUnreachable", "%s: %w", what, err)
}
