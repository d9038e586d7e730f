package storm

import (
	"net/http"
	"slices"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

const groups = "networkEndpointGroups."

// rough makes a tenth of all calls fail, in every way, until the weather clears.
func (s *storm) rough() {
	const tenth = 0.1
	all := slices.Clone(background)
	for i := range all {
		all[i].Probability = tenth / float64(len(all))
	}
	s.must(s.GCE.AddFaults(all...))
	for _, f := range passing {
		f.User, f.Probability = rig.User, tenth/float64(len(passing))
		s.Kube.Inject(f)
	}
}

// background are the ways in which any call to the cloud fails.
var background = []fakegce.Fault{
	{Status: http.StatusForbidden, Reason: "rateLimitExceeded"},
	{Status: http.StatusConflict},
	{Status: http.StatusPreconditionFailed},
	{Status: http.StatusServiceUnavailable},
	{Reset: true},
	{Reset: true, AfterCommit: true},
}

// trouble makes some calls fail, or ends what lasts.
func (s *storm) trouble() {
	switch n := s.rand.IntN(10); {
	case n < 4:
		f := pickOne(s.rand, computeFaults...)
		f.Count = 1 + s.rand.IntN(2)
		s.must(s.GCE.AddFaults(f))
	case n < 6:
		f := pickOne(s.rand, passing...)
		f.User, f.Times = rig.User, 1+s.rand.IntN(3)
		f.Cluster = s.Clusters[s.rand.IntN(len(s.Clusters))].Name()
		s.Kube.Inject(f)
	case n < 7 && len(s.weather) == 0:
		f := pickOne(s.rand, lasting...)
		f.User, f.Cluster = rig.User, s.Clusters[s.rand.IntN(len(s.Clusters))].Name()
		s.weather = append(s.weather, s.Kube.Inject(f).Lift)
	default:
		s.lift()
	}
}

// lift ends the trouble that lasts.
func (s *storm) lift() {
	for _, end := range s.weather {
		end()
	}
	s.weather = nil
}

var computeFaults = []fakegce.Fault{
	{Status: http.StatusServiceUnavailable},
	{Status: http.StatusTooManyRequests},
	{Status: http.StatusForbidden, Reason: "rateLimitExceeded"},
	{Reset: true},
	{Verb: groups + "attachNetworkEndpoints", Reset: true, AfterCommit: true},
	{Verb: groups + "detachNetworkEndpoints", Status: http.StatusServiceUnavailable, AfterCommit: true},
	{Verb: groups + "insert", Reset: true, AfterCommit: true},
	{Verb: groups + "delete", Status: http.StatusBadGateway, AfterCommit: true},
	{Verb: groups + "attachNetworkEndpoints", Operation: &fakegce.OperationError{}},
	{Verb: groups + "detachNetworkEndpoints", Operation: &fakegce.OperationError{}},
	{Verb: groups + "insert", Operation: &fakegce.OperationError{Code: "QUOTA_EXCEEDED", HTTPStatus: http.StatusForbidden}},
	{Verb: groups + "delete", Operation: &fakegce.OperationError{Code: "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", HTTPStatus: http.StatusBadRequest}},
	{Verb: "zoneOperations.wait", WaitEarly: true},
	{Verb: "backendServices.insert", Reset: true, AfterCommit: true},
	{Verb: "backendServices.patch", Status: http.StatusServiceUnavailable, AfterCommit: true},
	{Verb: "backendServices.patch", Status: http.StatusPreconditionFailed, Reason: "conditionNotMet"},
	{Verb: "backendServices.patch", Operation: &fakegce.OperationError{}},
	{Verb: "backendServices.delete", Reset: true, AfterCommit: true},
	{Verb: "healthChecks.insert", Status: http.StatusServiceUnavailable, AfterCommit: true},
	{Verb: "healthChecks.delete", Status: http.StatusServiceUnavailable},
	{Verb: groups + "attachNetworkEndpoints", Delay: fakegce.Duration(200 * time.Millisecond)},
	{Verb: groups + "aggregatedList", Unreachable: "zones/us-central1-a"},
	{Verb: groups + "listNetworkEndpoints", Status: http.StatusForbidden},
}

// passing troubles hit a few calls.
var passing = []fakekube.Fault{
	{Verb: "patch", Status: http.StatusConflict},
	{Verb: "create", Status: http.StatusConflict},
	{Status: http.StatusServiceUnavailable},
	{Status: http.StatusGatewayTimeout},
	{Status: http.StatusInternalServerError, Resource: "endpointslices"},
	{Reset: true},
	{Verb: "patch", Reset: true, Committed: true},
	{Verb: "create", Status: http.StatusGatewayTimeout, Committed: true},
}

// lasting ones stay until they are lifted.
var lasting = []fakekube.Fault{
	{Unreachable: true},
	{Status: http.StatusForbidden, Resource: "endpointslices"},
	{Status: http.StatusForbidden, Resource: "services"},
	{Status: http.StatusServiceUnavailable},
}
