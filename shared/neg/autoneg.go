package neg

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Annotations of gke-autoneg-controller, read as it reads them, so that its users need not
// edit their Services (https://github.com/GoogleCloudPlatform/gke-autoneg-controller).
const (
	AnnotationAutoneg       = "controller.autoneg.dev/neg"
	AnnotationAutonegSync   = "controller.autoneg.dev/sync"
	AnnotationAutonegStatus = "controller.autoneg.dev/neg-status"
)

// FinalizerAutoneg is what autoneg leaves on the Services it serves.
const FinalizerAutoneg = "controller.autoneg.dev/neg"

// AnnotationReleased on a Service says when negfleet last took autoneg's finalizer off it.
const AnnotationReleased = "negfleet.dev/autoneg-released"

// An Attachment puts the groups of a port into a backend service that someone else made.
type Attachment struct {
	Port    int32
	ID      BackendServiceID
	Fields  Fields
	Initial Fields

	raw json.RawMessage // the entry, for the status
}

// A CustomMetric is one that balancing mode CUSTOM_METRICS follows, as the API has it.
type CustomMetric struct {
	Name           string  `json:"name"`
	MaxUtilization float64 `json:"maxUtilization"`
	DryRun         bool    `json:"dryRun,omitempty"`
}

// CustomMetrics is the value of the field customMetrics.
func CustomMetrics(list []CustomMetric) JSON {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // names and finite numbers always marshal
	}
	return JSON(b)
}

// autonegEntry is an item of backend_services.PORT.
type autonegEntry struct {
	Name          string  `json:"name"`
	Region        string  `json:"region"`
	Rate          quoted  `json:"max_rate_per_endpoint"`
	Connections   quoted  `json:"max_connections_per_endpoint"`
	Initial       *quoted `json:"initial_capacity"`
	Scaler        *quoted `json:"capacity_scaler"`
	Preference    string  `json:"preference"`
	CustomMetrics []struct {
		Name           string `json:"name"`
		MaxUtilization quoted `json:"max_utilization"`
		DryRun         bool   `json:"dry_run"`
	} `json:"custom_metrics"`
}

// quoted is a number that may stand in quotes; "" is 0, as autoneg has it.
type quoted float64

func (q *quoted) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "" || s == "null" {
		*q = 0
		return nil
	}
	n, err := strconv.ParseFloat(s, 64)
	*q = quoted(n)
	if err != nil {
		return fmt.Errorf("want a number, have %s", clip(string(b)))
	}
	return nil
}

// ParseAutoneg reads the annotations of autoneg on a Service; none is nothing. The
// template makes names for entries without one: {namespace}, {name}, {port} and {hash},
// joined by dashes. The error joins all that is wrong, each with its port.
func ParseAutoneg(k Key, annotations map[string]string, template string) ([]Attachment, error) {
	value, ok := annotations[AnnotationAutoneg]
	if !ok {
		return nil, nil
	}
	var raw struct {
		Ports map[string][]json.RawMessage `json:"backend_services"`
	}
	if err := decode(value, &raw); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", AnnotationAutoneg, err)
	}
	owned, err := autonegSync(annotations[AnnotationAutonegSync])
	if err != nil {
		return nil, err
	}
	var all []Attachment
	var errs []error
	for _, number := range slices.Sorted(maps.Keys(raw.Ports)) {
		for _, entry := range raw.Ports[number] {
			a, err := parseAttachment(k, number, entry, template, owned)
			if err != nil {
				errs = append(errs, fmt.Errorf("annotation %s: port %s: %w", AnnotationAutoneg, clip(number), err))
			}
			all = append(all, a)
		}
	}
	if err := errors.Join(append(errs, unique(all))...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Attachment) int { return int(a.Port - b.Port) })
	return all, nil
}

// autonegSync tells whether capacity is written again and again.
func autonegSync(value string) (bool, error) {
	var sync struct {
		CapacityScaler bool `json:"capacity_scaler"`
	}
	if value == "" {
		return false, nil
	}
	if err := decode(value, &sync); err != nil {
		return false, fmt.Errorf("annotation %s: %w", AnnotationAutonegSync, err)
	}
	return sync.CapacityScaler, nil
}

// unique refuses a backend service that one port names twice: the entries would fight.
func unique(all []Attachment) error {
	type pair struct {
		port int32
		id   BackendServiceID
	}
	seen := map[pair]bool{}
	for _, a := range all {
		if p := (pair{a.Port, a.ID}); !seen[p] {
			seen[p] = true
			continue
		}
		return fmt.Errorf("annotation %s: port %d: backend service %s is named twice", AnnotationAutoneg, a.Port, a.ID)
	}
	return nil
}

func parseAttachment(k Key, number string, raw json.RawMessage, template string, owned bool) (Attachment, error) {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return Attachment{}, errors.New("want the number of a Service port")
	}
	var e autonegEntry
	if err := decode(string(raw), &e); err != nil {
		return Attachment{}, err
	}
	if e.Name == "" {
		e.Name = TemplateName(template, k, int32(n))
	}
	a := Attachment{Port: int32(n), ID: BackendServiceID{e.Region, e.Name}, raw: raw}
	if !ValidName(e.Name) {
		return a, fmt.Errorf("field name: %q: no name of a backend service", clip(e.Name))
	}
	if e.Region != "" && !regionPattern.MatchString(e.Region) {
		return a, fmt.Errorf("field region: %q: no region", clip(e.Region))
	}
	if err := a.balance(e); err != nil {
		return a, err
	}
	return a, a.capacity(e, owned)
}

func finite(q quoted) bool { return q >= 0 && !math.IsInf(float64(q), 0) }

// balance chooses the balancing mode as autoneg does: custom metrics before rate before
// connections.
func (a *Attachment) balance(e autonegEntry) error {
	a.Fields = Fields{}
	switch e.Preference {
	case "", "DEFAULT":
	case "PREFERRED":
		a.Fields["preference"] = e.Preference
	default:
		return fmt.Errorf("field preference: want DEFAULT or PREFERRED, have %q", clip(e.Preference))
	}
	var metrics []CustomMetric
	for _, m := range e.CustomMetrics {
		if m.Name == "" || !(m.MaxUtilization >= 0 && m.MaxUtilization <= 1) {
			return errors.New("field custom_metrics: want a name and max_utilization from 0 to 1")
		}
		metrics = append(metrics, CustomMetric{m.Name, float64(m.MaxUtilization), m.DryRun})
	}
	switch {
	case !finite(e.Rate) || !finite(e.Connections):
		return errors.New("fields max_rate_per_endpoint and max_connections_per_endpoint: want a number that is not negative")
	case len(metrics) > 0:
		a.Fields["balancingMode"], a.Fields["customMetrics"] = "CUSTOM_METRICS", CustomMetrics(metrics)
	case e.Rate > 0:
		a.Fields["balancingMode"], a.Fields["maxRatePerEndpoint"] = "RATE", float64(e.Rate)
	case e.Connections > 0:
		a.Fields["balancingMode"], a.Fields["maxConnectionsPerEndpoint"] = "CONNECTION", float64(e.Connections)
	default:
		return errors.New("want max_rate_per_endpoint, max_connections_per_endpoint or custom_metrics")
	}
	return nil
}

// capacity is in percent there, a share here. It is the annotation's for good only with
// the sync annotation; otherwise people may turn it.
func (a *Attachment) capacity(e autonegEntry, owned bool) error {
	for _, f := range []struct {
		name  string
		value *quoted
	}{{"initial_capacity", e.Initial}, {"capacity_scaler", e.Scaler}} {
		if v := f.value; v != nil && (*v < 0 || *v > 100 || *v > 0 && *v < 10) {
			return fmt.Errorf("field %s: want 0, or 10 to 100 percent, have %v", f.name, *v)
		}
	}
	initial := 1.0
	if e.Scaler != nil {
		initial = float64(*e.Scaler) / 100
	}
	if owned && e.Scaler != nil {
		a.Fields["capacityScaler"] = initial
	}
	if e.Initial != nil {
		initial = float64(*e.Initial) / 100
	}
	a.Initial = Fields{"capacityScaler": initial}
	return nil
}

// DefaultTemplate is autoneg's own.
const DefaultTemplate = "{name}-{port}"

// CheckTemplate refuses what autoneg refuses.
func CheckTemplate(template string) error {
	for _, token := range strings.Split(template, "-") {
		switch token {
		case "{namespace}", "{name}", "{port}", "{hash}":
		default:
			return fmt.Errorf("template %q: want {namespace}, {name}, {port} and {hash}, joined by dashes", clip(template))
		}
	}
	return nil
}

// TemplateName is the name autoneg gives the backend service of a port: at most 63
// characters, each part but the hash trimmed in proportion.
func TemplateName(template string, k Key, port int32) string {
	number := strconv.Itoa(int(port))
	tokens := strings.Split(template, "-")
	values := map[string]string{"{namespace}": k.Namespace, "{name}": k.Service, "{port}": number}
	room := MaxName - (len(tokens) - 1)
	var parts []string
	for _, token := range tokens {
		if token == "{hash}" {
			room -= 8
			continue
		}
		parts = append(parts, values[token])
	}
	parts = inProportion(parts, room)
	sum := sha256.Sum256([]byte(strings.Join([]string{k.Namespace, k.Service, number}, ";")))
	for i, token := range tokens {
		if token == "{hash}" {
			tokens[i] = hex.EncodeToString(sum[:])[:8]
			continue
		}
		tokens[i], parts = parts[0], parts[1:]
	}
	return strings.Join(tokens, "-")
}

// inProportion cuts parts to room characters in all, longer ones by more. Each loses its
// share rounded down and one; what was cut too much goes back from the first on.
func inProportion(parts []string, room int) []string {
	total := len(strings.Join(parts, ""))
	if total <= room || room <= 0 {
		return parts
	}
	lengths, left := make([]int, len(parts)), room
	for i, part := range parts {
		lengths[i] = len(part) - len(part)*(total-room)/total - 1
		left -= lengths[i]
	}
	for i := range left {
		lengths[i]++
	}
	cut := make([]string, len(parts))
	for i, part := range parts {
		cut[i] = part[:lengths[i]]
	}
	return cut
}

// AutonegStatus is the value of the status annotation, in autoneg's format: the entries by
// the backend services' names, and where the groups are.
func AutonegStatus(attached []Attachment, groups map[int32]string, zones []Zone) (string, error) {
	services := map[string]map[string]json.RawMessage{}
	for _, a := range attached {
		port := strconv.Itoa(int(a.Port))
		if services[port] == nil {
			services[port] = map[string]json.RawMessage{}
		}
		entry := map[string]json.RawMessage{}
		if err := json.Unmarshal(a.raw, &entry); err != nil {
			return "", err
		}
		entry["name"] = json.RawMessage(strconv.Quote(a.ID.Name))
		b, err := json.Marshal(entry)
		if err != nil {
			return "", err
		}
		services[port][a.ID.Name] = b
	}
	names := map[string]string{}
	for port, name := range groups {
		names[strconv.Itoa(int(port))] = name
	}
	zones = slices.Clone(zones)
	slices.Sort(zones)
	b, err := json.Marshal(struct {
		Services map[string]map[string]json.RawMessage `json:"backend_services"`
		Groups   map[string]string                     `json:"network_endpoint_groups"`
		Zones    []Zone                                `json:"zones"`
	}{services, names, zones})
	return string(b), err
}

// ServedByAutoneg tells whether a status annotation of autoneg's says that it put a group of
// that name into the backend service. What cannot be read says nothing.
func ServedByAutoneg(status string, id BackendServiceID, group string) bool {
	var s struct {
		Services map[string]map[string]struct {
			Region string `json:"region"`
		} `json:"backend_services"`
		Groups map[string]string `json:"network_endpoint_groups"`
	}
	if json.Unmarshal([]byte(status), &s) != nil {
		return false
	}
	for port, name := range s.Groups {
		if entry, ok := s.Services[port][id.Name]; ok && name == group && entry.Region == id.Region {
			return true
		}
	}
	return false
}
