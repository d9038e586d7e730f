package fakegce

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// newEngine probes for one epoch of the store.
func (s *Server) newEngine() *health.Engine {
	dial := s.opts.Dial
	if dial == nil {
		dial = health.Loopback
	}
	o := health.Options{
		Probe:        health.NewProbe(dial),
		Clock:        s.clock,
		OnTransition: s.recordHealth,
		Silent:       s.opts.HealthPending == "absent",
	}
	if s.opts.HealthDelay > 0 || s.opts.HealthJitter > 0 {
		o.Delay = func() time.Duration { return s.opts.HealthDelay + jitter(s.opts.HealthJitter) }
	}
	return health.New(o)
}

// chain are the collections whose changes may change what is probed.
var chain = setOf(backendServices.name, healthChecks.name, urlMaps.name,
	targetHTTPProxies.name, targetHTTPSProxies.name, forwardingRules.name)

// aim makes the engine probe what the committed state asks for. The lock is held.
func (s *Server) aim() {
	wanted := s.store.targets(s.opts.HealthUnreached)
	for t := range s.targets {
		if _, ok := wanted[t]; !ok {
			s.engine.Drop(t.group.path(), t.service.path())
		}
	}
	for t, how := range wanted {
		if before, ok := s.targets[t]; ok && before == how {
			continue
		}
		s.engine.Put(health.Target{
			Group: t.group.path(), Service: t.service.path(), Check: how.check, Drain: how.drain,
			Endpoints: addrPorts(s.store.find(t.group).state.(*group).members),
		})
	}
	s.targets = wanted
}

// recordHealth puts a change of health on the timeline. The engine's lock is held.
func (s *Server) recordHealth(tr health.Transition) {
	g, _ := parsePath(tr.Group)
	s.timeline.add(Transition{
		Time: tr.Time, Project: g.project, Zone: g.scope.name, Group: g.name, Event: "health",
		Endpoint:       address{tr.Endpoint.Addr().String(), int(tr.Endpoint.Port())}.String(),
		BackendService: tr.Service, From: string(tr.From), To: string(tr.To), Reason: tr.Cause,
	})
}

// HealthRule says what endpoints report, whatever their probes say, once the probers
// know of them. What is empty matches everything; an empty State lifts the rule.
type HealthRule struct {
	Group          string `json:"group,omitempty"`          // link, from "projects/" at least
	BackendService string `json:"backendService,omitempty"` // likewise
	Endpoint       string `json:"endpoint,omitempty"`       // ip:port
	State          string `json:"state"`                    // HEALTHY, UNHEALTHY, DRAINING or UNKNOWN
}

// EndpointHealth is what one backend service says of an endpoint.
type EndpointHealth struct {
	Group          string `json:"group"` // its path, from "projects/"
	BackendService string `json:"backendService"`
	HealthCheck    string `json:"healthCheck"`
	Endpoint       string `json:"endpoint"` // ip:port
	State          string `json:"state"`
	Forced         bool   `json:"forced,omitempty"`
}

// ForceHealth sets or lifts a rule; it holds for endpoints that come later too.
func (s *Server) ForceHealth(rule HealthRule) error {
	selector, err := rule.selector()
	if err != nil {
		return err
	}
	states := []health.State{health.Absent, health.Healthy, health.Unhealthy, health.Draining, health.Unknown}
	if !slices.Contains(states, health.State(rule.State)) {
		return errInvalid("state", rule.State, "Must be one of %v.", states)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.engine.Force(selector, health.State(rule.State))
	return nil
}

func (rule HealthRule) selector() (health.Selector, error) {
	var selector health.Selector
	for _, part := range []struct {
		link, collection string
		to               *string
	}{
		{rule.Group, groups.name, &selector.Group},
		{rule.BackendService, backendServices.name, &selector.Service},
	} {
		if part.link == "" {
			continue
		}
		r, ok := parseLink(part.link, shelf{collection: part.collection})
		if !ok || r.project == "" || r.scope.kind == "" {
			return selector, errInvalid(part.collection, part.link, "Name it from projects/ on.")
		}
		*part.to = r.path()
	}
	if rule.Endpoint == "" {
		return selector, nil
	}
	at, err := netip.ParseAddrPort(rule.Endpoint)
	if err != nil {
		return selector, errInvalid("endpoint", rule.Endpoint, "Must be ip:port.")
	}
	selector.Endpoint = at
	return selector, nil
}

// Health lists what backend services say of the endpoints they look at: of one
// group, or of all when it is empty.
func (s *Server) Health(groupPath string) []EndpointHealth {
	s.mu.RLock()
	defer s.mu.RUnlock()
	paths := map[string]bool{}
	for t := range s.targets {
		if path := t.group.path(); groupPath == "" || groupPath == path {
			paths[path] = true
		}
	}
	list := []EndpointHealth{}
	for path := range paths {
		for _, h := range s.engine.Group(path) {
			list = append(list, EndpointHealth{path, h.Service, h.Check, h.Endpoint.String(), string(h.State), h.Forced})
		}
	}
	slices.SortStableFunc(list, func(a, b EndpointHealth) int { return strings.Compare(a.Group, b.Group) })
	return list
}

// SettleHealth returns when no probe is due or under way.
func (s *Server) SettleHealth() {
	s.mu.RLock()
	engine := s.engine
	s.mu.RUnlock()
	engine.Settle()
}
