package fakegce

import (
	"fmt"
	"net/http"
)

type backendInput struct {
	Group          string   `json:"group"`
	BalancingMode  string   `json:"balancingMode"`
	CapacityScaler *float64 `json:"capacityScaler"`

	MaxRate                        *float64 `json:"maxRate"`
	MaxRatePerEndpoint             *float64 `json:"maxRatePerEndpoint"`
	MaxRatePerInstance             *float64 `json:"maxRatePerInstance"`
	MaxConnections                 *float64 `json:"maxConnections"`
	MaxConnectionsPerEndpoint      *float64 `json:"maxConnectionsPerEndpoint"`
	MaxConnectionsPerInstance      *float64 `json:"maxConnectionsPerInstance"`
	MaxInFlightRequests            *float64 `json:"maxInFlightRequests"`
	MaxInFlightRequestsPerEndpoint *float64 `json:"maxInFlightRequestsPerEndpoint"`
	MaxUtilization                 *float64 `json:"maxUtilization"`
	CustomMetrics                  []any    `json:"customMetrics"`
}

// completeBackends holds each backend against its group, and all of them
// against each other.
func (s *Server) completeBackends(d *draft, in *serviceInput) *apiError {
	list, _ := d.doc["backends"].([]any)
	seen, mix, checked := map[string]bool{}, "", false
	for i := range in.Backends {
		b, at := &in.Backends[i], fmt.Sprintf("resource.backends[%d]", i)
		fields, ok := object(list[i])
		if !ok || b.Group == "" {
			return errRequired(at + ".group")
		}
		if seen[b.Group] {
			return refuse(http.StatusBadRequest, "invalid", "Duplicate network endpoint groups in backend service.")
		}
		seen[b.Group] = true
		kind, scope := s.groupType(b.Group)
		if mix != "" && mix != kind {
			return errInvalid(at+".group", b.Group, "Network endpoint groups of one backend service must have the same type: %s and %s.", mix, kind)
		}
		mix, checked = kind, scope == zonal
		if err := completeBackend(at, fields, b, in, kind, checked); err != nil {
			return err
		}
	}
	return checkHealthChecks(in, mix, checked)
}

// groupType is the type of the group that a link in full leads to.
func (s *Server) groupType(link string) (string, scopeKind) {
	r, _ := parseLink(link, shelf{collection: groups.name})
	res := s.store.find(r)
	if res == nil {
		return "", ""
	}
	kind, _ := res.doc["networkEndpointType"].(string)
	return kind, r.scope.kind
}

// checkHealthChecks: zonal groups are health checked, unless haPolicy says who
// serves; what lies outside of the project cannot be.
func checkHealthChecks(in *serviceInput, kind string, zonalGroup bool) *apiError {
	switch {
	case kind == "":
		return nil
	case zonalGroup && len(in.HealthChecks) == 0 && in.HAPolicy == nil:
		return errInvalid("resource.healthChecks", "", "A health check must be specified for a backend service with %s network endpoint groups.", kind)
	case !zonalGroup && len(in.HealthChecks) > 0 && kind != "GCE_VM_IP_PORTMAP":
		return errInvalid("resource.healthChecks", in.HealthChecks[0], "A backend service with %s network endpoint groups cannot have a health check.", kind)
	}
	return nil
}

func completeBackend(at string, fields doc, b *backendInput, in *serviceInput, kind string, zonalGroup bool) *apiError {
	if b.BalancingMode == "" {
		b.BalancingMode = "UTILIZATION"
		if kind == "GCE_VM_IP" {
			b.BalancingMode = "CONNECTION"
		}
		fields["balancingMode"] = b.BalancingMode
	}
	fields.fill("capacityScaler", 1)
	if c := b.CapacityScaler; c != nil && *c != 0 && (*c < 0.1 || *c > 1) {
		return errInvalid(at+".capacityScaler", *c, "Must be 0 or between 0.1 and 1.0, inclusive.")
	}
	if err := oneOf(at+".balancingMode", b.BalancingMode, "CONNECTION", "CUSTOM_METRICS", "IN_FLIGHT", "RATE", "UTILIZATION"); err != nil || !zonalGroup {
		return err
	}
	if kind == "GCE_VM_IP" {
		return b.checkPassthrough(at, in)
	}
	return b.checkMode(at, in, kind)
}

// checkPassthrough: groups without ports take connections, without a target.
func (b *backendInput) checkPassthrough(at string, in *serviceInput) *apiError {
	if b.BalancingMode != "CONNECTION" {
		return errInvalid(at+".balancingMode", b.BalancingMode, "Balancing mode must be CONNECTION for GCE_VM_IP network endpoint groups.")
	}
	if in.http() {
		return errInvalid("resource.protocol", in.Protocol, "The protocol is not supported with GCE_VM_IP network endpoint groups.")
	}
	if given(b.MaxConnections, b.MaxConnectionsPerEndpoint, b.MaxConnectionsPerInstance) > 0 {
		return errInvalid(at+".maxConnections", b.BalancingMode, "Target capacity cannot be specified for GCE_VM_IP network endpoint groups.")
	}
	return b.checkOthers(at)
}

// checkMode: the mode fits the protocol, and the one target that it needs, and
// none of another mode, is there.
func (b *backendInput) checkMode(at string, in *serviceInput, kind string) *apiError {
	targets, names, http := 0, "", true
	switch b.BalancingMode {
	case "RATE":
		targets, names = given(b.MaxRate, b.MaxRatePerEndpoint), "maxRate or maxRatePerEndpoint"
	case "CONNECTION":
		targets, names, http = given(b.MaxConnections, b.MaxConnectionsPerEndpoint), "maxConnections or maxConnectionsPerEndpoint", false
	case "IN_FLIGHT":
		targets, names = given(b.MaxInFlightRequests, b.MaxInFlightRequestsPerEndpoint), "maxInFlightRequests or maxInFlightRequestsPerEndpoint"
	case "CUSTOM_METRICS":
		targets, names = min(len(b.CustomMetrics), 1), "customMetrics"
	default:
		return errInvalid(at+".balancingMode", b.BalancingMode, "Balancing mode %s is not supported for %s network endpoint groups.", b.BalancingMode, kind)
	}
	if http != in.http() {
		return errInvalid(at+".balancingMode", b.BalancingMode, "Balancing mode %s is not supported for protocol %s.", b.BalancingMode, in.Protocol)
	}
	if targets != 1 {
		return errInvalid(at+".balancingMode", b.BalancingMode, "Exactly one of %s must be specified.", names)
	}
	return b.checkOthers(at)
}

// checkOthers refuses targets of other modes, of instance groups, and those
// below what can be served.
func (b *backendInput) checkOthers(at string) *apiError {
	for _, t := range []struct {
		name, mode string
		value      *float64
	}{
		{"maxRate", "RATE", b.MaxRate},
		{"maxRatePerEndpoint", "RATE", b.MaxRatePerEndpoint},
		{"maxConnections", "CONNECTION", b.MaxConnections},
		{"maxConnectionsPerEndpoint", "CONNECTION", b.MaxConnectionsPerEndpoint},
		{"maxInFlightRequests", "IN_FLIGHT", b.MaxInFlightRequests},
		{"maxInFlightRequestsPerEndpoint", "IN_FLIGHT", b.MaxInFlightRequestsPerEndpoint},
		{"maxRatePerInstance", "", b.MaxRatePerInstance},
		{"maxConnectionsPerInstance", "", b.MaxConnectionsPerInstance},
		{"maxUtilization", "", b.MaxUtilization},
	} {
		switch {
		case t.value == nil || t.mode == "" && *t.value == 0:
		case t.mode != b.BalancingMode:
			return errInvalid(at+"."+t.name, *t.value, "Not supported with balancing mode %s and network endpoint groups.", b.BalancingMode)
		case *t.value <= 0:
			return errInvalid(at+"."+t.name, *t.value, "Must be greater than 0.")
		}
	}
	return nil
}

func given(values ...*float64) int {
	n := 0
	for _, v := range values {
		if v != nil {
			n++
		}
	}
	return n
}
