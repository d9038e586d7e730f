package conformance

import (
	"errors"
	"strings"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
)

// reasonOf is the reason of an API error, empty for none.
func reasonOf(err error) string {
	var apiErr *googleapi.Error
	if errors.As(err, &apiErr) && len(apiErr.Errors) > 0 {
		return apiErr.Errors[0].Reason
	}
	return ""
}

// refusal is a call that is refused, for its text.
type refusal struct {
	name string
	do   func(*world) (*compute.Operation, error)
}

var refusals = []refusal{
	{"text: absent", func(w *world) (*compute.Operation, error) { return w.deleteGroup("none") }},
	{"text: name taken", func(w *world) (*compute.Operation, error) {
		g := w.group("a")
		w.insert(g)
		return w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	}},
	{"text: bad name", func(w *world) (*compute.Operation, error) {
		g := w.group("a")
		g.Name = "Upper"
		return w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	}},
	{"text: no such network", func(w *world) (*compute.Operation, error) {
		g := w.group("a")
		g.Network, g.Subnetwork = "global/networks/"+w.token, ""
		return w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	}},
	{"text: 501 endpoints", func(w *world) (*compute.Operation, error) {
		return w.attach(w.inserted("a"), w.endpoints(0, 501)...)
	}},
	{"text: no endpoints", func(w *world) (*compute.Operation, error) { return w.attach(w.inserted("a")) }},
	{"text: port 0", func(w *world) (*compute.Operation, error) {
		ep := w.endpoint(0)
		ep.Port, ep.ForceSendFields = 0, []string{"Port"}
		return w.attach(w.inserted("a"), ep)
	}},
	{"text: no address", func(w *world) (*compute.Operation, error) {
		ep := w.endpoint(0)
		ep.IpAddress = "nowhere"
		return w.attach(w.inserted("a"), ep)
	}},
	{"text: address of nobody", func(w *world) (*compute.Operation, error) {
		ep := w.endpoint(0)
		ep.IpAddress = "192.0.2.7"
		return w.attach(w.inserted("a"), ep)
	}},
	{"text: no such instance", func(w *world) (*compute.Operation, error) {
		ep := w.endpoint(0)
		ep.Instance = "no-such-instance"
		return w.attach(w.inserted("a"), ep)
	}},
	{"text: attach existing", func(w *world) (*compute.Operation, error) {
		name := w.inserted("a")
		w.done(w.attach(name, w.endpoint(0)))
		return w.attach(name, w.endpoint(0))
	}},
	{"text: detach absent", func(w *world) (*compute.Operation, error) { return w.detach(w.inserted("a"), w.endpoint(0)) }},
	{"text: bad request id", func(w *world) (*compute.Operation, error) {
		return w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, w.group("a")).RequestId("1").Context(w.ctx).Do()
	}},
	{"text: bad filter", func(w *world) (*compute.Operation, error) {
		_, err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).Filter("name eq ((").Context(w.ctx).Do()
		return nil, err
	}},
	{"text: bad page token", func(w *world) (*compute.Operation, error) {
		_, err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).PageToken("no token").Context(w.ctx).Do()
		return nil, err
	}},
	{"text: too many results", func(w *world) (*compute.Operation, error) {
		_, err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).MaxResults(501).Context(w.ctx).Do()
		return nil, err
	}},
	{"text: no such zone", func(w *world) (*compute.Operation, error) {
		_, err := w.svc.NetworkEndpointGroups.List(w.Project, "nowhere-9z").Context(w.ctx).Do()
		return nil, err
	}},
	{"text: absent operation", func(w *world) (*compute.Operation, error) {
		_, err := w.svc.ZoneOperations.Get(w.Project, w.Zone, "operation-"+w.token).Context(w.ctx).Do()
		return nil, err
	}},
	{"text: group in use", func(w *world) (*compute.Operation, error) {
		w.service(w.healthCheck("h"), w.inserted("a"))
		return w.deleteGroup("a")
	}},
	{"text: health check in use", func(w *world) (*compute.Operation, error) {
		w.service(w.healthCheck("h"), w.inserted("a"))
		return w.svc.HealthChecks.Delete(w.Project, w.token+"-h").Context(w.ctx).Do()
	}},
	{"text: duplicate group", func(w *world) (*compute.Operation, error) {
		a := w.inserted("a")
		bs := w.service(w.healthCheck("h"), a)
		return w.patchService(bs.Name, &compute.BackendService{
			Fingerprint: bs.Fingerprint, Backends: []*compute.Backend{w.backend(a), w.backend(a)},
		})
	}},
	{"text: stale fingerprint", func(w *world) (*compute.Operation, error) {
		bs := w.service(w.healthCheck("h"), w.inserted("a"))
		w.done(w.patchService(bs.Name, &compute.BackendService{Fingerprint: bs.Fingerprint, TimeoutSec: 41}))
		return w.patchService(bs.Name, &compute.BackendService{Fingerprint: bs.Fingerprint, TimeoutSec: 42})
	}},
	{"text: missing fingerprint", func(w *world) (*compute.Operation, error) {
		bs := w.service(w.healthCheck("h"), w.inserted("a"))
		return w.patchService(bs.Name, &compute.BackendService{TimeoutSec: 41})
	}},
	{"text: health of another group", func(w *world) (*compute.Operation, error) {
		bs := w.service(w.healthCheck("h"), w.inserted("a"))
		in := &compute.ResourceGroupReference{Group: w.groupLink(w.inserted("b"))}
		_, err := w.svc.BackendServices.GetHealth(w.Project, bs.Name, in).Context(w.ctx).Do()
		return nil, err
	}},
}

func (w *world) deleteGroup(name string) (*compute.Operation, error) {
	return w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, w.token+"-"+name).Context(w.ctx).Do()
}

// see is the refusal with everything that is this run's alone made general.
func (r refusal) see(w *world) string {
	op, err := r.do(w)
	if err == nil && op != nil {
		_, err = await(w.ctx, w.svc, w.Project, op)
	}
	var apiErr *googleapi.Error
	switch {
	case err == nil:
		return "accepted"
	case !errors.As(err, &apiErr):
		return w.general(err.Error())
	}
	return w.general(w.outcome("", nil, err) + ": " + apiErr.Message)
}

func (w *world) general(text string) string {
	pairs := []string{
		w.token, "TOKEN", "projects/" + w.Project + "/", "projects/PROJECT/", w.Zone, "ZONE", w.region(), "REGION",
		w.endpoint(0).IpAddress, "ADDRESS",
	}
	if w.Instance != "" {
		pairs = append(pairs, w.Instance, "INSTANCE")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
