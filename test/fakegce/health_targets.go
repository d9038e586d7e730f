package fakegce

import (
	"net/netip"
	"time"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// target is a group that a backend service looks at.
type target struct{ group, service ref }

// terms are how it looks.
type terms struct {
	check health.Check
	drain time.Duration
}

// targets are what is probed: the groups of the backend services that have a
// health check and that a forwarding rule leads to, or of all that have one.
func (s *store) targets(unreached bool) map[target]terms {
	all := map[target]terms{}
	for service := range s.services(unreached) {
		res := s.find(service)
		var in serviceInput
		_ = (&draft{doc: res.doc}).read(&in) // it was read before it was stored
		t, ok := s.terms(service, &in)
		for i := range in.Backends {
			r, isGroup := parseLink(in.Backends[i].Group, shelf{collection: groups.name})
			if ok && isGroup && s.probed(r) {
				all[target{r, service}] = t
			}
		}
	}
	return all
}

// services are the backend services that forwarding rules lead to, or all.
func (s *store) services(unreached bool) map[ref]bool {
	found, seen := map[ref]bool{}, map[ref]bool{}
	var follow func(ref)
	follow = func(r ref) {
		if seen[r] || s.find(r) == nil {
			return
		}
		seen[r] = true
		if r.collection == backendServices.name {
			found[r] = true
			return
		}
		for _, next := range s.uses[r] {
			follow(next)
		}
	}
	for sh, shelved := range s.shelves {
		if sh.collection != forwardingRules.name && (!unreached || sh.collection != backendServices.name) {
			continue
		}
		for _, res := range shelved {
			follow(res.ref)
		}
	}
	return found
}

// probed groups are those whose endpoints are addresses that the load balancer's
// own probers reach.
func (s *store) probed(r ref) bool {
	res := s.find(r)
	return res != nil && r.scope.kind == zonal && res.state.(*group).kind.endpoints > 0
}

func (s *store) terms(service ref, in *serviceInput) (terms, bool) {
	if len(in.HealthChecks) == 0 {
		return terms{}, false
	}
	r, ok := parseLink(in.HealthChecks[0], shelf{service.project, service.scope, healthChecks.name})
	res := s.find(r)
	if !ok || res == nil {
		return terms{}, false
	}
	return terms{
		check: probeOf(res),
		drain: time.Duration(in.ConnectionDraining.DrainingTimeoutSec) * time.Second,
	}, true
}

// healthCheckSettings are those of the check's protocol.
type healthCheckSettings struct {
	protocolInput
	Host        string `json:"host"`
	Request     string `json:"request"`
	Response    string `json:"response"`
	GRPCService string `json:"grpcServiceName"`
}

// probeOf turns a health check's document into what is probed by.
func probeOf(res *resource) health.Check {
	var in healthCheckInput
	var settings healthCheckSettings
	d := &draft{doc: res.doc}
	_ = d.read(&in) // it was read before it was stored
	if fields, ok := object(res.doc[protocols[in.Type].field]); ok {
		_ = (&draft{doc: fields}).read(&settings)
	}
	check := health.Check{
		Name:        res.ref.path(),
		Protocol:    health.Protocol(in.Type),
		PortSpec:    health.PortSpec(settings.PortSpecification),
		Path:        settings.RequestPath,
		Host:        settings.Host,
		ProxyHeader: settings.ProxyHeader,
		Request:     settings.Request,
		Response:    settings.Response,
		GRPCService: settings.GRPCService,
		Interval:    time.Duration(in.CheckIntervalSec) * time.Second,
		Timeout:     time.Duration(in.TimeoutSec) * time.Second,
		Thresholds:  health.Thresholds{Healthy: in.HealthyThreshold, Unhealthy: in.UnhealthyThreshold},
	}
	if settings.Port != nil {
		check.Port = *settings.Port
	}
	return check
}

// addrPort is the address that is probed; an endpoint may have none.
func (m *member) addrPort() (netip.AddrPort, bool) {
	text := m.endpoint.IPAddress
	if text == "" {
		text = m.endpoint.IPv6Address
	}
	addr, err := netip.ParseAddr(text)
	return netip.AddrPortFrom(addr, uint16(m.endpoint.Port)), err == nil
}

func addrPorts(members []member) []netip.AddrPort {
	list := make([]netip.AddrPort, 0, len(members))
	for i := range members {
		if at, ok := members[i].addrPort(); ok {
			list = append(list, at)
		}
	}
	return list
}
