package fakekube

import (
	"encoding/json"
	"errors"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A reply is an answer before it is sent.
type reply struct {
	code int
	body []byte
}

func (c *Cluster) serve(w http.ResponseWriter, r *http.Request, path string) {
	rq, err := c.parse(r, path)
	if err != nil {
		writeError(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	c.server.journal.called(Call{Cluster: c.name, Verb: rq.verb, Resource: rq.called()})
	fault := c.server.faults.pick(c.name, rq)
	if fault != nil && fault.before(w, r, rq) {
		return
	}
	answer, err := c.do(rq)
	switch {
	case fault != nil && fault.Committed && fault.answer(w, rq):
	case err != nil:
		writeError(w, err)
	default:
		write(w, answer)
	}
}

// errNoSuchPath is answered as plain text, as by the end of kube-apiserver's handler chain.
var errNoSuchPath = errors.New("404 page not found")

func (c *Cluster) do(rq *request) (reply, error) {
	if rq.res == nil {
		return c.discover(rq)
	}
	switch rq.verb {
	case "get":
		return c.get(rq)
	case "list":
		return c.list(rq)
	case "create":
		if rq.name == "" && (rq.namespace != "" || !rq.res.namespaced) {
			return c.create(rq)
		}
	case "update":
		return c.replace(rq)
	case "patch":
		return c.patch(rq)
	case "delete":
		return c.delete(rq)
	case "deletecollection":
		return c.deleteCollection(rq)
	}
	return reply{}, apierrors.NewMethodNotSupported(rq.res.GroupResource(), rq.verb)
}

func (c *Cluster) get(rq *request) (reply, error) {
	e := c.lookup(rq.res, rq.namespace, rq.name)
	if e == nil {
		return reply{}, notFound(rq.res, rq.name)
	}
	return object(http.StatusOK, rq.res, e), nil
}

// object is the reply with one object; kind and apiVersion are put in front of the
// shared encoding.
func object(code int, r *resource, e *entry) reply {
	if r.custom {
		return reply{code, e.json()}
	}
	head, err := json.Marshal(metav1.TypeMeta{Kind: r.kind, APIVersion: r.GroupVersion().String()})
	if err != nil {
		panic(err) // two strings always encode
	}
	body := append(head[:len(head)-1], ',')
	return reply{code, append(body, e.json()[1:]...)}
}

func value(code int, v any) (reply, error) {
	b, err := json.Marshal(v)
	return reply{code, b}, err
}

func write(w http.ResponseWriter, a reply) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // the client may be gone; that is its own affair
}
