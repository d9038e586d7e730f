package fakekube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const staleVersion = "the object has been modified; please apply your changes to the latest version and try again"

func notFound(r *resource, name string) error {
	return apierrors.NewNotFound(r.GroupResource(), name)
}

func conflict(r *resource, name, format string, args ...any) error {
	return apierrors.NewConflict(r.GroupResource(), name, fmt.Errorf(format, args...))
}

func invalid(r *resource, name string, errs ...*field.Error) error {
	return apierrors.NewInvalid(r.gvk().GroupKind(), name, errs)
}

func writeError(w http.ResponseWriter, err error) {
	if errors.Is(err, errNoSuchPath) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	var known apierrors.APIStatus
	if !errors.As(err, &known) {
		known = apierrors.NewInternalError(err)
	}
	status := known.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	body, err := json.Marshal(status)
	if err != nil {
		panic(err) // a Status always encodes
	}
	write(w, reply{int(status.Code), body})
}

// faultError is the error kube-apiserver would give with a fault's status and reason.
func faultError(f Fault, rq *request) error {
	e := usualError(f, rq)
	if f.Reason != "" {
		e.ErrStatus.Reason = f.Reason
	}
	if f.Message != "" {
		e.ErrStatus.Message = f.Message
	}
	return e
}

func usualError(f Fault, rq *request) *apierrors.StatusError {
	r := rq.res
	if r == nil {
		r = &resource{}
	}
	gr := r.GroupResource()
	switch f.Status {
	case http.StatusUnauthorized:
		return apierrors.NewUnauthorized("Unauthorized")
	case http.StatusForbidden:
		return forbidden(rq, r)
	case http.StatusNotFound:
		return apierrors.NewNotFound(gr, rq.name)
	case http.StatusConflict:
		return apierrors.NewConflict(gr, rq.name, errors.New(staleVersion))
	case http.StatusGone:
		return apierrors.NewResourceExpired(continueTooOld)
	case http.StatusTooManyRequests:
		return apierrors.NewTooManyRequests("too many requests, please try again later", f.RetryAfter)
	case http.StatusInternalServerError:
		return apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
	case http.StatusServiceUnavailable:
		return apierrors.NewServiceUnavailable("apiserver is shutting down")
	case http.StatusGatewayTimeout:
		return apierrors.NewTimeoutError("request did not complete within the allotted timeout", f.RetryAfter)
	}
	return apierrors.NewGenericServerResponse(f.Status, rq.verb, gr, rq.name, http.StatusText(f.Status), f.RetryAfter, false)
}

// forbidden says it in the words of kube-apiserver's authorizer.
func forbidden(rq *request, r *resource) *apierrors.StatusError {
	scope := "at the cluster scope"
	if rq.namespace != "" {
		scope = fmt.Sprintf("in the namespace %q", rq.namespace)
	}
	//lint:ignore ST1005 the authorizer's words
	return apierrors.NewForbidden(r.GroupResource(), rq.name, fmt.Errorf(
		"User %q cannot %s resource %q in API group %q %s", rq.user, rq.verb, rq.called(), r.Group, scope))
}
