package cloudprovider

import (
	"errors"
	"strings"
	"testing"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/cerrors"
	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/filter"
	compute "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestErrorClasses: errors reach a caller of the library with what it, or a controller above
// it, tells them apart by. In use is 400 with "being used by" for ingress-gce; a failed
// operation becomes "CODE - message" with the operation's status.
func TestErrorClasses(t *testing.T) {
	w := newWorld(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 1}})
	negs, p := w.NetworkEndpointGroups(), w.places()["global"]
	w.must(negs.Insert(t.Context(), zonal("a"), group()))
	stale := w.serve(p, "a")
	w.must(p.services.Patch(t.Context(), p.key("s"), &compute.BackendService{Fingerprint: stale.Fingerprint, TimeoutSec: 45}))
	for _, c := range []struct {
		what     string
		do       func() error
		code     int
		text     string
		notFound bool
	}{
		{"get of what is absent", func() error { _, err := negs.Get(t.Context(), zonal("b")); return err },
			404, "The resource 'projects/p1/zones/europe-west1-b/networkEndpointGroups/b' was not found", true},
		{"delete of what is absent", func() error { return negs.Delete(t.Context(), zonal("b")) },
			404, "was not found", true},
		{"attach to what is absent", func() error { return w.attach("b", "10.8.0.1") },
			404, "was not found", true},
		{"insert of a taken name", func() error { return negs.Insert(t.Context(), zonal("a"), group()) },
			409, "already exists", false},
		{"delete of a group in use", func() error { return negs.Delete(t.Context(), zonal("a")) },
			400, "is already being used by 'projects/p1/global/backendServices/s'", false},
		{"delete of a health check in use", func() error { return p.healthChecks.Delete(t.Context(), p.key("h")) },
			400, "being used by", false},
		{"quota, inside the operation", func() error { return negs.Insert(t.Context(), zonal("c"), group()) },
			403, "QUOTA_EXCEEDED - Quota 'NETWORK_ENDPOINT_GROUPS' exceeded.", false},
		{"stale fingerprint, patch", func() error {
			return p.services.Patch(t.Context(), p.key("s"), &compute.BackendService{Fingerprint: stale.Fingerprint, TimeoutSec: 46})
		}, 412, "Invalid fingerprint.", false},
		{"stale fingerprint, update", func() error { return p.services.Update(t.Context(), p.key("s"), stale) },
			412, "Invalid fingerprint.", false},
		{"address of another machine", func() error { return w.attach("a", "192.0.2.1") },
			400, "Specified IP address 192.0.2.1 doesn't belong to the (sub)network default or to the instance node-1.", false},
		{"filter that is none", func() error { _, err := negs.List(t.Context(), zone, filter.Regexp("name", "((")); return err },
			400, "Invalid list filter expression", false},
	} {
		err := c.do()
		var apiErr *googleapi.Error
		if !errors.As(err, &apiErr) || apiErr.Code != c.code || !strings.Contains(apiErr.Message, c.text) {
			t.Errorf("%s: got %v\nwant %d …%s…", c.what, err, c.code, c.text)
		}
		if got := cerrors.IsGoogleAPINotFound(err); got != c.notFound {
			t.Errorf("%s: not found is %v, want %v", c.what, got, c.notFound)
		}
	}
}

// TestInjectedErrors: what a fault answers is what the library sees of it.
func TestInjectedErrors(t *testing.T) {
	for want, fault := range map[string]fakegce.Fault{
		"googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded": {Status: 403, Reason: "rateLimitExceeded", Message: "Rate Limit Exceeded"},
		"googleapi: Error 503: Service Unavailable, backendError":      {Status: 503},
		"googleapi: Error 400: RESOURCE_NOT_READY - later":             {Operation: &fakegce.OperationError{Code: "RESOURCE_NOT_READY", Message: "later", HTTPStatus: 400}},
	} {
		w := newWorld(t, fakegce.Options{})
		fault.Verb = "networkEndpointGroups.insert"
		w.must(w.server.AddFaults(fault))
		err := w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group())
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
