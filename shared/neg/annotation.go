package neg

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Annotations on Services. The first two are Google's, read and written as GKE does.
const (
	AnnotationNEG    = "cloud.google.com/neg"
	AnnotationStatus = "cloud.google.com/neg-status"
	AnnotationPolicy = "negfleet.dev/policy" // observe, upsert or sync

	// AnnotationServices lists the backend services that a Service is in, written by
	// negfleet: what it must leave when it is no longer asked for.
	AnnotationServices = "negfleet.dev/backend-services"
)

// Written are the annotations that negfleet itself writes on Services. A write that changes
// nothing else is its own, and no news.
var Written = []string{AnnotationStatus, AnnotationServices, AnnotationAutonegStatus, AnnotationReleased}

// AnnotationAppProtocols says which application protocol each named port speaks, as in
// {"https-port":"HTTPS"}; the older name is Google's own as well.
const (
	AnnotationAppProtocols    = "cloud.google.com/app-protocols"
	annotationAppProtocolsOld = "service.alpha.kubernetes.io/app-protocols"
)

// ParseAppProtocols reads the annotation: port names to HTTP, HTTPS, HTTP2 and so on. What
// cannot be read says nothing.
func ParseAppProtocols(annotations map[string]string) map[string]string {
	value := annotations[AnnotationAppProtocols]
	if value == "" {
		value = annotations[annotationAppProtocolsOld]
	}
	var named map[string]string
	if json.Unmarshal([]byte(value), &named) != nil {
		return nil
	}
	for port, protocol := range named {
		if checkType[protocol] == "" {
			delete(named, port)
		}
	}
	return named
}

// AllZones in the zones field stands for every zone of the fleet file's cluster.
const AllZones Zone = "*"

// An Exposure is a parsed cloud.google.com/neg annotation. Unlike GKE's controller,
// negfleet takes custom names together with ingress.
type Exposure struct {
	Ingress bool          // groups for the ports that an Ingress references
	Ports   []ExposedPort // standalone groups, sorted by port
	Zones   []Zone        // zones that get a group even without endpoints
}

// An ExposedPort is one entry of exposed_ports.
type ExposedPort struct {
	Port int32
	Name string // custom group name; empty: generated
}

// ParseExposure reads the value of cloud.google.com/neg. Unknown fields are ignored, as
// GKE ignores them; an error names the field that is wrong.
func ParseExposure(value string) (Exposure, error) {
	var raw struct {
		Ingress json.RawMessage            `json:"ingress"`
		Ports   map[string]json.RawMessage `json:"exposed_ports"`
		Zones   json.RawMessage            `json:"zones"`
	}
	if err := decode(value, &raw); err != nil {
		return Exposure{}, fmt.Errorf("annotation %s: %w", AnnotationNEG, err)
	}
	var e Exposure
	if raw.Ingress != nil {
		if err := json.Unmarshal(raw.Ingress, &e.Ingress); err != nil {
			return Exposure{}, fmt.Errorf("annotation %s: field ingress: want true or false, have %s", AnnotationNEG, clip(string(raw.Ingress)))
		}
	}
	for _, number := range slices.Sorted(maps.Keys(raw.Ports)) {
		p, err := parseExposedPort(number, raw.Ports[number])
		if err != nil {
			return Exposure{}, fmt.Errorf("annotation %s: field exposed_ports.%s: %w", AnnotationNEG, clip(number), err)
		}
		e.Ports = append(e.Ports, p)
	}
	slices.SortFunc(e.Ports, func(a, b ExposedPort) int { return int(a.Port - b.Port) })
	if err := e.unique(); err != nil {
		return Exposure{}, fmt.Errorf("annotation %s: %w", AnnotationNEG, err)
	}
	if raw.Zones != nil {
		if err := json.Unmarshal(raw.Zones, &e.Zones); err != nil {
			return Exposure{}, fmt.Errorf("annotation %s: field zones: want a list of zone names, have %s", AnnotationNEG, clip(string(raw.Zones)))
		}
	}
	return e, nil
}

// decode unmarshals a JSON object and says where a syntax error is.
func decode(value string, into any) error {
	err := json.Unmarshal([]byte(value), into)
	if syntax, ok := err.(*json.SyntaxError); ok {
		return fmt.Errorf("not JSON at character %d: %w", syntax.Offset, err)
	}
	if wrong, ok := err.(*json.UnmarshalTypeError); ok {
		field := wrong.Field
		if field == "" {
			field = "(the whole value)"
		}
		return fmt.Errorf("field %s: want an object, have %s", field, wrong.Value)
	}
	return err
}

func parseExposedPort(number string, value json.RawMessage) (ExposedPort, error) {
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 || n > 65535 || strconv.FormatInt(n, 10) != number {
		return ExposedPort{}, fmt.Errorf("want the number of a Service port")
	}
	var attributes *struct {
		Name *string `json:"name"`
	}
	if err := json.Unmarshal(value, &attributes); err != nil {
		return ExposedPort{}, fmt.Errorf("want an object like {} or {\"name\":\"my-group\"}, have %s", clip(string(value)))
	}
	p := ExposedPort{Port: int32(n)}
	if attributes != nil && attributes.Name != nil && *attributes.Name != "" {
		p.Name = *attributes.Name
		if !ValidName(p.Name) {
			return ExposedPort{}, fmt.Errorf("field name: %q (%d characters): want lower-case letters, digits and dashes, at most %d", clip(p.Name), len(p.Name), MaxName)
		}
		if strings.HasPrefix(p.Name, NamePrefix) {
			return ExposedPort{}, fmt.Errorf("field name: %q: names that start with %s are generated ones; choose another", p.Name, NamePrefix)
		}
	}
	return p, nil
}

// unique refuses one custom name on two ports: a group serves one port.
func (e Exposure) unique() error {
	taken := map[string]int32{}
	for _, p := range e.Ports {
		if p.Name == "" {
			continue
		}
		if other, ok := taken[p.Name]; ok {
			return fmt.Errorf("field exposed_ports.%d.name: %q is already the name of port %d; a group serves one port", p.Port, p.Name, other)
		}
		taken[p.Name] = p.Port
	}
	return nil
}

// A Status is a parsed cloud.google.com/neg-status annotation.
type Status struct {
	Groups map[int32]string // Service port → group name
	Zones  []Zone
	extra  map[string]json.RawMessage // fields of other writers, kept
}

// ParseStatus reads the value of cloud.google.com/neg-status; an empty one is an empty
// status. Keys that are no port numbers are kept but not read.
func ParseStatus(value string) (Status, error) {
	s := Status{Groups: map[int32]string{}}
	if value == "" {
		return s, nil
	}
	if err := decode(value, &s.extra); err != nil {
		return Status{Groups: map[int32]string{}}, fmt.Errorf("annotation %s: %w", AnnotationStatus, err)
	}
	var groups map[string]string
	if raw, ok := s.extra["network_endpoint_groups"]; ok {
		if err := json.Unmarshal(raw, &groups); err != nil {
			return s, fmt.Errorf("annotation %s: field network_endpoint_groups: %w", AnnotationStatus, err)
		}
	}
	for number, name := range groups {
		if n, err := strconv.ParseInt(number, 10, 32); err == nil {
			s.Groups[int32(n)] = name
		}
	}
	if raw, ok := s.extra["zones"]; ok {
		if err := json.Unmarshal(raw, &s.Zones); err != nil {
			return s, fmt.Errorf("annotation %s: field zones: %w", AnnotationStatus, err)
		}
	}
	return s, nil
}

// Names are the group names of the status, sorted.
func (s Status) Names() []string { return slices.Sorted(maps.Values(s.Groups)) }

// With returns the status of the groups that state holds, with the fields of other
// writers kept. A port has one name at a time; the desired one comes first in wanted.
func (s Status) With(state State, wanted map[int32]string) Status {
	next := Status{Groups: map[int32]string{}, extra: s.extra}
	zones := map[Zone]bool{}
	for _, g := range state.Groups {
		if wanted[g.Port] != g.Name {
			continue
		}
		next.Groups[g.Port] = g.Name
		zones[g.Zone] = true
	}
	next.Zones = slices.Sorted(maps.Keys(zones))
	return next
}

// Equal tells whether two statuses say the same.
func (s Status) Equal(o Status) bool {
	return maps.Equal(s.Groups, o.Groups) && slices.Equal(slices.Sorted(slices.Values(s.Zones)), slices.Sorted(slices.Values(o.Zones)))
}

// String is the value of the annotation, with sorted keys; empty when it says nothing.
func (s Status) String() string {
	fields := maps.Clone(s.extra)
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	delete(fields, "network_endpoint_groups")
	delete(fields, "zones")
	if len(s.Groups) == 0 && len(fields) == 0 {
		return ""
	}
	if len(s.Groups) > 0 {
		fields["network_endpoint_groups"] = marshal(s.Groups)
		fields["zones"] = marshal(s.Zones)
	}
	return string(marshal(fields))
}

func marshal(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps and slices of strings, and raw JSON that was parsed, always marshal
	}
	return b
}
