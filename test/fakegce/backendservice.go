package fakegce

import "slices"

var backendServices = &family{
	collection: collection{name: "backendServices", kind: "compute#backendService", scopes: []scopeKind{region, global}, view: viewBackendService},
	one:        "backendService",
	links: map[string][]string{
		"group":        {groups.name, "instanceGroups"},
		"healthChecks": {healthChecks.name, "httpHealthChecks", "httpsHealthChecks"},
		"network":      {networks.name},
	},
	defaults: doc{
		"affinityCookieTtlSec": 0, "connectionDraining": doc{"drainingTimeoutSec": 0}, "description": "",
		"enableCDN": false, "loadBalancingScheme": "EXTERNAL", "sessionAffinity": "NONE", "timeoutSec": 30,
	},
	stamped:  true,
	guarded:  true,
	complete: completeBackendService,
}

// viewBackendService adds who refers to the service.
func viewBackendService(s *Server, res *resource) doc {
	users := s.store.usersOf(res.ref)
	if len(users) == 0 {
		return res.doc
	}
	usedBy := make([]doc, len(users))
	for i, user := range users {
		usedBy[i] = doc{"reference": user.link()}
	}
	return res.doc.with("usedBy", usedBy)
}

type serviceInput struct {
	Protocol           string         `json:"protocol"`
	Scheme             string         `json:"loadBalancingScheme"`
	SessionAffinity    string         `json:"sessionAffinity"`
	TimeoutSec         int            `json:"timeoutSec"`
	Port               int            `json:"port"`
	HealthChecks       []string       `json:"healthChecks"`
	Backends           []backendInput `json:"backends"`
	HAPolicy           any            `json:"haPolicy"`
	ConnectionDraining struct {
		DrainingTimeoutSec int `json:"drainingTimeoutSec"`
	} `json:"connectionDraining"`
}

// passthrough load balancers forward packets: no port, no name of one.
func (in *serviceInput) passthrough(d *draft) bool {
	return in.Scheme == "INTERNAL" || in.Scheme == "EXTERNAL" && d.ref.scope.kind == region
}

// http services count requests, others connections.
func (in *serviceInput) http() bool {
	return slices.Contains([]string{"HTTP", "HTTPS", "HTTP2", "H2C", "GRPC"}, in.Protocol)
}

const maxBackends = 50

func completeBackendService(s *Server, d *draft) *apiError {
	var in serviceInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.Protocol == "" {
		in.Protocol = "HTTP"
		if in.passthrough(d) {
			in.Protocol = "TCP"
		}
		d.doc["protocol"] = in.Protocol
	}
	if err := checkService(&in); err != nil {
		return err
	}
	if !in.passthrough(d) {
		port, name := 80, "http"
		if in.Protocol == "HTTPS" || in.Protocol == "HTTP2" {
			port, name = 443, "https"
		}
		d.doc.fill("port", port)
		d.doc.fill("portName", name)
	}
	for _, list := range []string{"backends", "healthChecks", "customRequestHeaders", "customResponseHeaders"} {
		if items, ok := d.doc[list].([]any); ok && len(items) == 0 {
			delete(d.doc, list)
		}
	}
	return s.completeBackends(d, &in)
}

func checkService(in *serviceInput) *apiError {
	err := first(
		oneOf("resource.protocol", in.Protocol, "GRPC", "H2C", "HTTP", "HTTP2", "HTTPS", "SSL", "TCP", "UDP", "UNSPECIFIED"),
		oneOf("resource.loadBalancingScheme", in.Scheme, "EXTERNAL", "EXTERNAL_MANAGED", "INTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED"),
		oneOf("resource.sessionAffinity", in.SessionAffinity, "CLIENT_IP", "CLIENT_IP_NO_DESTINATION", "CLIENT_IP_PORT_PROTO",
			"CLIENT_IP_PROTO", "GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE", "NONE", "STRONG_COOKIE_AFFINITY"),
		within("resource.timeoutSec", in.TimeoutSec, 1, 2147483647),
		within("resource.connectionDraining.drainingTimeoutSec", in.ConnectionDraining.DrainingTimeoutSec, 0, 3600),
	)
	switch {
	case err != nil:
		return err
	case len(in.HealthChecks) > 1:
		return errInvalid("resource.healthChecks", len(in.HealthChecks), "At most one health check can be specified.")
	case len(in.Backends) > maxBackends:
		return errInvalid("resource.backends", len(in.Backends), "A backend service can have at most %d backends.", maxBackends)
	case in.Port != 0:
		return within("resource.port", in.Port, 1, 65535)
	}
	return nil
}
