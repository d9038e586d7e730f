package neg

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Managed is what the annotation AnnotationBackendService asks for one port. Fields hold
// what the user wrote and nothing else; Defaults adds the rest.
type Managed struct {
	Port    int32
	ID      BackendServiceID // an empty name: the name of the port's groups
	Service Fields
	Backend Fields
	Check   Fields // protocol settings under "*."
}

// ParseManaged reads the annotation's value, sorted by port. The error joins all that is
// wrong, each with its port and field.
func ParseManaged(value string) ([]Managed, error) {
	var raw map[string]map[string]any
	if err := decode(value, &raw); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", AnnotationBackendService, err)
	}
	var all []Managed
	var errs []error
	for _, number := range slices.Sorted(maps.Keys(raw)) {
		m, wrong := parseManagedPort(number, raw[number])
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("annotation %s: port %s: %w", AnnotationBackendService, clip(number), err))
		}
		all = append(all, m)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	slices.SortFunc(all, func(a, b Managed) int { return int(a.Port - b.Port) })
	return all, nil
}

func parseManagedPort(number string, entry map[string]any) (Managed, []error) {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != number {
		return Managed{}, []error{errors.New("want the number of a Service port")}
	}
	parts, errs := read(entry)
	m := Managed{Port: int32(n), Service: parts[PartService], Backend: parts[PartBackend], Check: parts[PartCheck]}
	m.ID.Name, _ = parts[PartName]["name"].(string)
	m.ID.Region, _ = parts[PartName]["region"].(string)
	if strings.HasPrefix(m.ID.Name, NamePrefix) {
		errs = append(errs, fmt.Errorf("field name: %q: names that start with %s are generated ones; choose another", m.ID.Name, NamePrefix))
	}
	return m, errs
}

// A Probe is what the Pods' readinessProbe says of how they are asked. The zero value
// is no probe.
type Probe struct {
	Known       bool   // there is a Pod that tells, if only that it has no probe
	Type        string // HTTP, HTTPS, TCP or GRPC
	Path        string
	Host        string
	GRPCService string
	IntervalSec int
	TimeoutSec  int
}

// Defaults of GKE's controller, for groups
// (https://github.com/kubernetes/ingress-gce/blob/master/pkg/translator/healthchecks.go).
const (
	defaultInterval  = 15
	defaultHealthy   = 1
	defaultUnhealthy = 2
	// noLimit is a rate that no Pod reaches: all groups are filled alike.
	noLimit = 1e8
)

// checkObject is the API's object for the settings of a health check's type.
var checkObject = map[string]string{
	"HTTP": "httpHealthCheck", "HTTPS": "httpsHealthCheck", "HTTP2": "http2HealthCheck",
	"TCP": "tcpHealthCheck", "SSL": "sslHealthCheck", "GRPC": "grpcHealthCheck",
}

// checkType is the type of health check that fits a protocol.
var checkType = map[string]string{
	"HTTP": "HTTP", "HTTPS": "HTTPS", "HTTP2": "HTTP2", "H2C": "TCP", "TCP": "TCP", "SSL": "SSL", "GRPC": "GRPC",
}

// Resolve fills in what the user left out and refuses what does not fit together. name is
// that of the port's groups, protocol the Service port's, if it says one.
func (m Managed) Resolve(name, protocol string, probe Probe) (BackendService, HealthCheck, error) {
	if m.ID.Name == "" {
		m.ID.Name = name
	}
	service := Fields{"loadBalancingScheme": "EXTERNAL_MANAGED", "protocol": "HTTP"}
	if checkType[protocol] != "" {
		service["protocol"] = protocol
	}
	maps.Copy(service, m.Service)
	backend, backendErr := m.resolveBackend(service["protocol"].(string))
	check, checkErr := m.resolveCheck(service["protocol"].(string), probe)
	bs := BackendService{ID: m.ID, Managed: true, Fields: service, HealthCheck: HealthCheckID(m.ID)}
	bs.Backends = []Backend{{Fields: backend}} // a template: the plan fills in the groups
	return bs, HealthCheck{ID: HealthCheckID(m.ID), Fields: check}, errors.Join(m.fits(service), backendErr, checkErr)
}

// modeFields are the limit that each balancing mode needs.
var modeFields = map[string]string{
	"RATE": "maxRatePerEndpoint", "CONNECTION": "maxConnectionsPerEndpoint", "IN_FLIGHT": "maxInFlightRequestsPerEndpoint",
}

func counted(protocol string) bool { return protocol != "TCP" && protocol != "SSL" }

func (m Managed) resolveBackend(protocol string) (Fields, error) {
	backend := maps.Clone(m.Backend)
	if backend == nil {
		backend = Fields{}
	}
	mode, _ := backend["balancingMode"].(string)
	if mode == "" {
		mode = "CONNECTION"
		if counted(protocol) {
			mode = "RATE"
		}
		backend["balancingMode"] = mode
	}
	if (mode == "CONNECTION") == counted(protocol) {
		return nil, fmt.Errorf("field balancingMode: %s does not fit protocol %s; use CONNECTION for TCP and SSL, another mode for the others", mode, protocol)
	}
	limit := modeFields[mode]
	for _, field := range slices.Sorted(maps.Values(modeFields)) {
		if _, given := backend[field]; given && field != limit {
			return nil, fmt.Errorf("field %s: balancing mode %s has %s", field, mode, limit)
		}
	}
	if _, given := backend[limit]; !given {
		backend[limit] = float64(noLimit)
	}
	if scaler, _ := backend["capacityScaler"].(float64); scaler > 0 && scaler < 0.1 {
		return nil, fmt.Errorf("field capacityScaler: want 0, or 0.1 to 1, have %v", scaler)
	}
	return backend, nil
}

func (m Managed) resolveCheck(protocol string, probe Probe) (Fields, error) {
	kind, _ := m.Check["type"].(string)
	if kind == "" {
		kind = checkType[protocol]
		if checkObject[probe.Type] != "" {
			kind = probe.Type
		}
	}
	check := Fields{"type": kind, "healthyThreshold": float64(defaultHealthy), "unhealthyThreshold": float64(defaultUnhealthy)}
	check["checkIntervalSec"], check["timeoutSec"] = intervals(probe)
	if kind == probe.Type {
		setText(check, "*.requestPath", probe.Path)
		setText(check, "*.host", probe.Host)
		setText(check, "*.grpcServiceName", probe.GRPCService)
	}
	maps.Copy(check, m.Check)
	check["*.portSpecification"] = "USE_FIXED_PORT"
	if check["*.port"] == nil {
		check["*.portSpecification"] = "USE_SERVING_PORT"
	}
	if err := checkFits(kind, check); err != nil {
		return nil, err
	}
	if _, given := m.Check["timeoutSec"]; !given {
		check["timeoutSec"] = min(check["timeoutSec"].(float64), check["checkIntervalSec"].(float64))
	}
	if check["timeoutSec"].(float64) > check["checkIntervalSec"].(float64) {
		return nil, fmt.Errorf("field healthCheck.timeoutSec: %v is longer than the interval of %v", check["timeoutSec"], check["checkIntervalSec"])
	}
	return inObject(check, checkObject[kind]), nil
}

// intervals are the probe's, within what the API takes.
func intervals(probe Probe) (interval, timeout float64) {
	interval, timeout = defaultInterval, defaultInterval
	if probe.IntervalSec > 0 {
		interval = float64(min(probe.IntervalSec, maxInterval))
	}
	if probe.TimeoutSec > 0 {
		timeout = float64(min(probe.TimeoutSec, maxInterval))
	}
	return interval, min(timeout, interval)
}

// Said names the fields of a resolved health check that hold while no Pod tells of its
// readinessProbe: those the user wrote, and those the old one lacks.
func (m Managed) Said(resolved, old Fields) []string {
	var names []string
	for name := range resolved {
		_, field, inObject := strings.Cut(name, ".")
		if !inObject {
			field = name
		}
		_, said := m.Check[field]
		_, saidInObject := m.Check["*."+field]
		if _, had := old[name]; said || saidInObject || !had {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func setText(f Fields, name, value string) {
	if value != "" {
		f[name] = value
	}
}

// checkFields are the settings that the types of health checks have beside the port.
var checkFields = map[string][]string{
	"HTTP": {"requestPath", "host", "response"}, "HTTPS": {"requestPath", "host", "response"}, "HTTP2": {"requestPath", "host", "response"},
	"TCP": {"request", "response"}, "SSL": {"request", "response"}, "GRPC": {"grpcServiceName"},
}

func checkFits(kind string, check Fields) error {
	for _, name := range slices.Sorted(maps.Keys(check)) {
		field, ok := strings.CutPrefix(name, "*.")
		if ok && field != "port" && field != "portSpecification" && !slices.Contains(checkFields[kind], field) {
			return fmt.Errorf("field healthCheck.%s: a health check of type %s has none", field, kind)
		}
	}
	return nil
}

// inObject puts the settings of a type under its object's name.
func inObject(check Fields, object string) Fields {
	named := Fields{}
	for name, value := range check {
		if field, ok := strings.CutPrefix(name, "*."); ok {
			name = object + "." + field
		}
		named[name] = value
	}
	return named
}

// fits holds the service's settings against each other and its location.
func (m Managed) fits(service Fields) error {
	scheme, _ := service["loadBalancingScheme"].(string)
	protocol, _ := service["protocol"].(string)
	affinity, _ := service["sessionAffinity"].(string)
	_, ttl := service["affinityCookieTtlSec"]
	switch {
	case m.ID.Region != "" && (scheme == "EXTERNAL" || scheme == "INTERNAL_SELF_MANAGED"):
		return fmt.Errorf("field region: backend services of scheme %s for groups of Pods are global; leave it out", scheme)
	case ttl && affinity != "GENERATED_COOKIE" && affinity != "HTTP_COOKIE":
		return errors.New("field affinityCookieTtlSec: only session affinity GENERATED_COOKIE or HTTP_COOKIE has a cookie")
	case !counted(protocol) && (service["enableCDN"] == true || service["iap.enabled"] == true):
		return fmt.Errorf("field protocol: %s has neither cdn nor iap", protocol)
	case service["enableCDN"] == true && strings.HasPrefix(scheme, "INTERNAL"):
		return fmt.Errorf("field cdn: scheme %s has no CDN", scheme)
	case (affinity == "GENERATED_COOKIE" || affinity == "HEADER_FIELD" || affinity == "HTTP_COOKIE") && !counted(protocol):
		return fmt.Errorf("field sessionAffinity: %s does not fit protocol %s", affinity, protocol)
	}
	return nil
}
