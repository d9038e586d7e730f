package neg

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// AnnotationBackendService on a Service asks for a backend service and a health check of
// its own for each port named:
//
//	{"80": {"protocol": "HTTP", "timeoutSec": 60, "healthCheck": {"requestPath": "/healthz"}}}
const AnnotationBackendService = "negfleet.dev/backend-service"

// A Part says which resource a setting belongs to.
type Part string

// The resources that an entry of the annotation describes. Naming is neither: it says
// which.
const (
	PartName    Part = "name"
	PartService Part = "backend service"
	PartBackend Part = "backend"
	PartCheck   Part = "health check"
)

// A Setting is one field of the annotation's entries. The table of them is what the
// parser, the JSON schema and the operator's page are made of.
type Setting struct {
	Name    string // in the annotation; a dot leads into an object
	Part    Part
	Field   string // the API's; in a health check, "*." stands for the object of its type
	Values  []string
	Pattern *regexp.Regexp
	Min     float64
	Max     float64 // of a number; zero: it is not one
	Whole   bool    // an integer
	Doc     string
}

// Limits of the API, from its discovery document and
// https://cloud.google.com/compute/docs/reference/rest/v1/backendServices.
const (
	maxInt32     = math.MaxInt32
	maxTTL       = 1209600
	maxDrain     = 3600
	maxThreshold = 10
	maxInterval  = 300
	maxPort      = 65535
	maxText      = 1024
)

var (
	namePattern   = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	regionPattern = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`)
	pathPattern   = regexp.MustCompile(`^/[!-~]*$`)
	hostPattern   = regexp.MustCompile(`^[!-~]+$`)
	textPattern   = regexp.MustCompile(`^[ -~]+$`)
)

// Settings lists what an entry of the annotation may say, in the order of the operator's page.
func Settings() []Setting { return slices.Clone(settings) }

var settings = []Setting{
	{Name: "name", Part: PartName, Pattern: namePattern, Doc: "Name of the backend service and its health check. Default: the name of the port's groups."},
	{Name: "region", Part: PartName, Pattern: regionPattern, Doc: "Region of a regional backend service. Default: it is global."},

	{Name: "protocol", Part: PartService, Field: "protocol", Values: []string{"HTTP", "HTTPS", "HTTP2", "H2C", "TCP", "SSL", "GRPC"},
		Doc: "Protocol to the Pods. Default: the port's in `cloud.google.com/app-protocols` or its `appProtocol`, else HTTP."},
	{Name: "scheme", Part: PartService, Field: "loadBalancingScheme", Values: []string{"EXTERNAL_MANAGED", "EXTERNAL", "INTERNAL_MANAGED", "INTERNAL_SELF_MANAGED"},
		Doc: "Kind of load balancer. Default: EXTERNAL_MANAGED. It cannot be changed later."},
	{Name: "timeoutSec", Part: PartService, Field: "timeoutSec", Min: 1, Max: maxInt32, Whole: true, Doc: "Seconds a request may take. Default: 30, the API's."},
	{Name: "drainingTimeoutSec", Part: PartService, Field: "connectionDraining.drainingTimeoutSec", Max: maxDrain, Whole: true,
		Doc: "Seconds that open connections of a detached Pod may go on. Default: 0, the API's."},
	{Name: "sessionAffinity", Part: PartService, Field: "sessionAffinity",
		Values: []string{"NONE", "CLIENT_IP", "GENERATED_COOKIE", "HEADER_FIELD", "HTTP_COOKIE"}, Doc: "What keeps a client on its Pod."},
	{Name: "affinityCookieTtlSec", Part: PartService, Field: "affinityCookieTtlSec", Max: maxTTL, Whole: true,
		Doc: "Seconds that the cookie of GENERATED_COOKIE lives; 0: the browser's session."},
	{Name: "localityLbPolicy", Part: PartService, Field: "localityLbPolicy",
		Values: []string{"ROUND_ROBIN", "LEAST_REQUEST", "RING_HASH", "RANDOM", "MAGLEV", "WEIGHTED_ROUND_ROBIN"}, Doc: "How a Pod of a zone is chosen."},
	{Name: "logging.enable", Part: PartService, Field: "logConfig.enable", Doc: "Whether requests are logged."},
	{Name: "logging.sampleRate", Part: PartService, Field: "logConfig.sampleRate", Max: 1, Doc: "The share of requests that is logged, 0 to 1."},
	{Name: "securityPolicy", Part: PartService, Field: "securityPolicy", Pattern: namePattern, Doc: "Name of a Cloud Armor policy of the project."},
	{Name: "cdn", Part: PartService, Field: "enableCDN", Doc: "Whether Cloud CDN caches answers."},
	{Name: "iap", Part: PartService, Field: "iap.enabled", Doc: "Whether Identity-Aware Proxy asks who calls."},

	{Name: "balancingMode", Part: PartBackend, Field: "balancingMode", Values: []string{"RATE", "CONNECTION", "IN_FLIGHT"},
		Doc: "What a Pod's load is measured in. Default: RATE for HTTP, HTTPS, HTTP2, H2C and GRPC, CONNECTION for TCP and SSL."},
	{Name: "maxRatePerEndpoint", Part: PartBackend, Field: "maxRatePerEndpoint", Min: 0.01, Max: 1e9, Doc: "Requests per second a Pod takes before another zone or region helps. Default: 100000000, none."},
	{Name: "maxConnectionsPerEndpoint", Part: PartBackend, Field: "maxConnectionsPerEndpoint", Min: 1, Max: maxInt32, Whole: true, Doc: "Likewise, of connections."},
	{Name: "maxInFlightRequestsPerEndpoint", Part: PartBackend, Field: "maxInFlightRequestsPerEndpoint", Min: 1, Max: maxInt32, Whole: true, Doc: "Likewise, of requests under way."},
	{Name: "capacityScaler", Part: PartBackend, Field: "capacityScaler", Max: 1,
		Doc: "The share of the limit that is used: 0, which drains, or 0.1 to 1. What is turned by hand is turned back; without this field it stays."},

	{Name: "healthCheck.type", Part: PartCheck, Field: "type", Values: []string{"HTTP", "HTTPS", "HTTP2", "TCP", "SSL", "GRPC"},
		Doc: "How Pods are asked. Default: the scheme of the Pods' readinessProbe, else what fits the protocol."},
	{Name: "healthCheck.port", Part: PartCheck, Field: "*.port", Min: 1, Max: maxPort, Whole: true, Doc: "Port that is asked. Default: the endpoint's own."},
	{Name: "healthCheck.requestPath", Part: PartCheck, Field: "*.requestPath", Pattern: pathPattern, Doc: "Path of HTTP, HTTPS and HTTP2. Default: the readinessProbe's, else /."},
	{Name: "healthCheck.host", Part: PartCheck, Field: "*.host", Pattern: hostPattern, Doc: "Host header of HTTP, HTTPS and HTTP2. Default: the readinessProbe's, else the Pod's address."},
	{Name: "healthCheck.request", Part: PartCheck, Field: "*.request", Pattern: textPattern, Doc: "What TCP and SSL send."},
	{Name: "healthCheck.response", Part: PartCheck, Field: "*.response", Pattern: textPattern, Doc: "What the answer has to hold."},
	{Name: "healthCheck.grpcServiceName", Part: PartCheck, Field: "*.grpcServiceName", Pattern: textPattern, Doc: "Service that GRPC asks for."},
	{Name: "healthCheck.checkIntervalSec", Part: PartCheck, Field: "checkIntervalSec", Min: 1, Max: maxInterval, Whole: true, Doc: "Seconds between two probes. Default: the readinessProbe's, else 15."},
	{Name: "healthCheck.timeoutSec", Part: PartCheck, Field: "timeoutSec", Min: 1, Max: maxInterval, Whole: true, Doc: "Seconds a probe may take, at most the interval. Default: the readinessProbe's, else 15."},
	{Name: "healthCheck.healthyThreshold", Part: PartCheck, Field: "healthyThreshold", Min: 1, Max: maxThreshold, Whole: true, Doc: "Good probes that make a Pod healthy. Default: 1."},
	{Name: "healthCheck.unhealthyThreshold", Part: PartCheck, Field: "unhealthyThreshold", Min: 1, Max: maxThreshold, Whole: true, Doc: "Bad probes that make it unhealthy. Default: 2."},
}

// Number tells whether the setting's value is a number.
func (s Setting) Number() bool { return s.Max > 0 }

// Bool tells whether it is true or false.
func (s Setting) Bool() bool { return !s.Number() && s.Values == nil && s.Pattern == nil }

// Want says what values the setting takes.
func (s Setting) Want() string {
	switch {
	case s.Whole:
		return fmt.Sprintf("a whole number from %v to %v", int64(s.Min), int64(s.Max))
	case s.Number():
		return fmt.Sprintf("a number from %v to %v", s.Min, s.Max)
	case s.Values != nil:
		return "one of " + strings.Join(s.Values, ", ")
	case s.Pattern != nil:
		return "text that matches " + s.Pattern.String()
	}
	return "true or false"
}

// check reads one value of the annotation.
func (s Setting) check(value any) (any, error) {
	ok := false
	switch v := value.(type) {
	case float64:
		ok = s.Number() && v >= s.Min && v <= s.Max && (!s.Whole || v == math.Trunc(v))
	case string:
		ok = slices.Contains(s.Values, v) || s.Pattern != nil && len(v) <= maxText && s.Pattern.MatchString(v)
	case bool:
		ok = s.Bool()
	}
	if !ok {
		return nil, fmt.Errorf("field %s: want %s, have %s", s.Name, s.Want(), clip(text(value)))
	}
	return value, nil
}

func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(b)
}

// flatten turns nested objects into dotted names.
func flatten(prefix string, object map[string]any, into map[string]any) {
	for name, value := range object {
		if inner, ok := value.(map[string]any); ok {
			flatten(prefix+name+".", inner, into)
			continue
		}
		into[prefix+name] = value
	}
}

// read checks every field of one entry of the annotation, and names them all that are wrong.
func read(entry map[string]any) (map[Part]Fields, []error) {
	given := map[string]any{}
	flatten("", entry, given)
	parts := map[Part]Fields{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		i := slices.IndexFunc(settings, func(s Setting) bool { return s.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("field %s: there is no such field", clip(name)))
			continue
		}
		s := settings[i]
		value, err := s.check(given[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if parts[s.Part] == nil {
			parts[s.Part] = Fields{}
		}
		field := s.Field
		if field == "" {
			field = s.Name
		}
		parts[s.Part][field] = value
	}
	return parts, errs
}
