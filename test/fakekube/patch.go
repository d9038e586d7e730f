package fakekube

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	jsonpatch "github.com/evanphx/json-patch/v5"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (c *Cluster) patch(rq *request) (reply, error) {
	return c.change(rq, func(old runtime.Object) (runtime.Object, error) {
		before, err := versioned(rq.res, old)
		if err != nil {
			return nil, err
		}
		after, err := applyPatch(rq, before)
		if err != nil {
			return nil, err
		}
		return patched(rq, after)
	})
}

// versioned is the JSON a patch is made against, with kind and apiVersion.
func versioned(r *resource, obj runtime.Object) ([]byte, error) {
	obj.GetObjectKind().SetGroupVersionKind(r.gvk())
	return json.Marshal(obj)
}

func applyPatch(rq *request, doc []byte) ([]byte, error) {
	switch types.PatchType(rq.contentType) {
	case types.MergePatchType:
		after, err := jsonpatch.MergePatch(doc, rq.body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return after, nil
	case types.JSONPatchType:
		return applyJSONPatch(rq, doc)
	case types.StrategicMergePatchType:
		if !rq.res.custom {
			return applyStrategic(rq, doc)
		}
	}
	return nil, apierrors.NewGenericServerResponse(http.StatusUnsupportedMediaType, rq.verb, rq.res.GroupResource(), rq.name,
		fmt.Sprintf("the body of the request was in an unknown format: %s", rq.contentType), 0, false)
}

// applyJSONPatch gives a failing test op the same 422 as any other operation that
// does not apply; kube-apiserver does not tell which one it was.
func applyJSONPatch(rq *request, doc []byte) ([]byte, error) {
	ops, err := jsonpatch.DecodePatch(rq.body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	after, err := ops.Apply(doc)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
	}
	return after, nil
}

func applyStrategic(rq *request, doc []byte) ([]byte, error) {
	after, err := strategicpatch.StrategicMergePatch(doc, rq.body, rq.res.empty())
	switch {
	case err == nil:
		return after, nil
	case errors.Is(err, mergepatch.ErrBadJSONDoc), mergepatch.IsPreconditionFailed(err):
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
}

// patched reads the result back. A patch that makes no object is invalid, not bad.
func patched(rq *request, doc []byte) (runtime.Object, error) {
	obj, err := rq.res.decode(doc)
	if err != nil {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", field.ErrorList{field.Invalid(field.NewPath("patch"), string(doc), err.Error())})
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, err
	}
	if m.GetName() != rq.name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the name of the object (%s) does not match the name on the URL (%s)", m.GetName(), rq.name))
	}
	return obj, nil
}
