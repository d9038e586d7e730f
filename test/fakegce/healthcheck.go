package fakegce

var healthChecks = &family{
	collection: collection{name: "healthChecks", kind: "compute#healthCheck", aggregated: "compute#healthChecksAggregatedList", scopes: []scopeKind{region, global}},
	one:        "healthCheck",
	defaults:   doc{"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2},
	complete:   completeHealthCheck,
}

// protocol is what one type of health check has.
type protocol struct {
	field string // of its settings
	port  int    // probed when nothing else is said; 0: one has to be given
	http  bool
	grpc  bool
}

var protocols = map[string]protocol{
	"HTTP":          {field: "httpHealthCheck", port: 80, http: true},
	"HTTPS":         {field: "httpsHealthCheck", port: 443, http: true},
	"HTTP2":         {field: "http2HealthCheck", port: 443, http: true},
	"TCP":           {field: "tcpHealthCheck", port: 80},
	"SSL":           {field: "sslHealthCheck", port: 443},
	"GRPC":          {field: "grpcHealthCheck", grpc: true},
	"GRPC_WITH_TLS": {field: "grpcTlsHealthCheck", grpc: true},
}

type healthCheckInput struct {
	Type               string `json:"type"`
	CheckIntervalSec   int    `json:"checkIntervalSec"`
	TimeoutSec         int    `json:"timeoutSec"`
	HealthyThreshold   int    `json:"healthyThreshold"`
	UnhealthyThreshold int    `json:"unhealthyThreshold"`
}

func completeHealthCheck(_ *Server, d *draft) *apiError {
	var in healthCheckInput
	if err := d.read(&in); err != nil {
		return err
	}
	if in.Type == "" {
		return errRequired("resource.type")
	}
	p, ok := protocols[in.Type]
	if !ok {
		return errInvalid("resource.type", in.Type, "Unknown health check type.")
	}
	if err := first(
		within("resource.checkIntervalSec", in.CheckIntervalSec, 1, 300),
		within("resource.timeoutSec", in.TimeoutSec, 1, 300),
		within("resource.healthyThreshold", in.HealthyThreshold, 1, 10),
		within("resource.unhealthyThreshold", in.UnhealthyThreshold, 1, 10),
	); err != nil {
		return err
	}
	if in.TimeoutSec > in.CheckIntervalSec {
		return errInvalid("resource.timeoutSec", in.TimeoutSec, "TimeoutSec should be less than checkIntervalSec.")
	}
	for _, other := range protocols {
		if d.doc[other.field] != nil && other.field != p.field {
			return errInvalid("resource."+other.field, in.Type, "Only the settings of the health check's type may be given.")
		}
	}
	return completeProtocol(d, p)
}

type protocolInput struct {
	Port              *int   `json:"port"`
	PortSpecification string `json:"portSpecification"`
	ProxyHeader       string `json:"proxyHeader"`
	RequestPath       string `json:"requestPath"`
}

// completeProtocol fills in and checks the settings of the type.
func completeProtocol(d *draft, p protocol) *apiError {
	d.doc.fill(p.field, map[string]any{})
	settings, ok := object(d.doc[p.field])
	at := "resource." + p.field
	if !ok {
		return errInvalid(at, d.doc[p.field], "Must be an object.")
	}
	var in protocolInput
	if err := (&draft{doc: settings}).read(&in); err != nil {
		return err
	}
	if !p.grpc {
		settings.fill("proxyHeader", "NONE")
		setDefault(&in.ProxyHeader, "NONE")
		if err := oneOf(at+".proxyHeader", in.ProxyHeader, "NONE", "PROXY_V1"); err != nil {
			return err
		}
	}
	if p.http {
		settings.fill("requestPath", "/")
		setDefault(&in.RequestPath, "/")
		if in.RequestPath[0] != '/' {
			return errInvalid(at+".requestPath", in.RequestPath, "Must begin with '/'.")
		}
	}
	return completePort(at, settings, in, p.port)
}

func completePort(at string, settings doc, in protocolInput, port int) *apiError {
	switch in.PortSpecification {
	case "USE_SERVING_PORT":
		if in.Port != nil {
			return errInvalid(at+".port", *in.Port, "Port cannot be specified with USE_SERVING_PORT.")
		}
		return nil
	case "", "USE_FIXED_PORT":
	case "USE_NAMED_PORT":
		return errInvalid(at+".portSpecification", in.PortSpecification, "USE_NAMED_PORT is not supported.")
	default:
		return oneOf(at+".portSpecification", in.PortSpecification, "USE_FIXED_PORT", "USE_SERVING_PORT")
	}
	if in.Port == nil {
		if port == 0 || in.PortSpecification != "" {
			return errRequired(at + ".port")
		}
		settings["port"] = port
		return nil
	}
	return within(at+".port", *in.Port, 1, 65535)
}
