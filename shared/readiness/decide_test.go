package readiness_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
)

var (
	noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	one  = netip.MustParseAddr("10.64.0.1")
	a    = neg.GroupID{Zone: "a", Name: "web"}
	b    = neg.GroupID{Zone: "b", Name: "web"}
	shop = neg.BackendServiceID{Name: "shop"}
	edge = neg.BackendServiceID{Name: "edge"}
)

// heard is an endpoint and what is said of it: "10.64.0.1 shop=HEALTHY edge=UNKNOWN".
func heard(text string) neg.EndpointHealth {
	f := strings.Fields(text)
	e := neg.EndpointHealth{Endpoint: neg.Endpoint{Addr: netip.AddrPortFrom(netip.MustParseAddr(f[0]), 8080)}}
	for _, pair := range f[1:] {
		name, state, _ := strings.Cut(pair, "=")
		e.Seen = append(e.Seen, neg.Health{Service: neg.BackendServiceID{Name: name}, State: state})
	}
	return e
}

func group(id neg.GroupID, endpoints ...string) readiness.Group {
	g := readiness.Group{GroupID: id}
	for _, text := range endpoints {
		g.Endpoints = append(g.Endpoints, heard(text))
	}
	return g
}

// service is a backend service with groups, used by a URL map or by nothing.
func service(id neg.BackendServiceID, used bool, groups ...neg.GroupID) neg.BackendService {
	s := neg.BackendService{ID: id}
	for _, g := range groups {
		s.Backends = append(s.Backends, neg.Backend{Group: g})
	}
	if used {
		s.Users = []string{"projects/p/global/urlMaps/m"}
	}
	return s
}

func port(number int32, asked []neg.BackendService, groups ...readiness.Group) readiness.Port {
	return readiness.Port{Number: number, Groups: groups, Asked: asked}
}

// TestDecideUnattached: how long a Pod that is in no group waits is for the rules to say, and
// what else it waits for has its own time.
func TestDecideUnattached(t *testing.T) {
	used := []neg.BackendService{service(shop, true, a)}
	nowhere := port(80, used, group(a))
	partial := nowhere
	partial.Partial = true
	hybrid := "node edge-1 is no Compute instance"
	rules := func(timeout, unattached, hybrid time.Duration) readiness.Rules {
		return readiness.Rules{Timeout: timeout, Unattached: unattached, Hybrid: hybrid}
	}
	for _, tc := range []struct {
		name   string
		rules  readiness.Rules
		hybrid string
		ports  []readiness.Port
		since  time.Duration
		open   bool
		want   string
	}{
		{"not yet", rules(10*time.Minute, 30*time.Second, 0), "", []readiness.Port{nowhere}, 29 * time.Second, false, "NotAttached port 80: 10.64.0.1 is in none of the groups a/web"},
		{"after its time", rules(10*time.Minute, 30*time.Second, 0), "", []readiness.Port{nowhere}, 30 * time.Second, true, "NotAttached not attached within 30s; port 80"},
		{"after everybody's time", rules(time.Minute, 30*time.Second, 0), "", []readiness.Port{nowhere}, time.Minute, true, "LoadBalancerNegTimeout"},
		{"longer than others", rules(time.Minute, time.Hour, 0), "", []readiness.Port{nowhere}, 59 * time.Minute, false, "NotAttached"},
		{"longer than others, and over", rules(time.Minute, time.Hour, 0), "", []readiness.Port{nowhere}, time.Hour, true, "LoadBalancerNegTimeout not healthy within 1h0m0s"},
		{"never", rules(time.Minute, neg.Never, 0), "", []readiness.Port{nowhere}, 1000 * time.Hour, false, "NotAttached"},
		{"not all groups could be listed", rules(time.Minute, 0, 0), "", []readiness.Port{partial}, 59 * time.Second, false, "NotAttached"},
		{"not all groups could be listed, and the time-out is over", rules(time.Minute, neg.Never, 0), "", []readiness.Port{partial}, time.Minute, true, "LoadBalancerNegTimeout not healthy within 1m0s"},
		{"on no instance", rules(10*time.Minute, neg.Never, 0), hybrid, []readiness.Port{nowhere}, 0, true, "NotAttached not attached within 0s; port 80: 10.64.0.1 is in none of the groups a/web, and can be in none: node edge-1 is no"},
		{"on no instance, to wait", rules(10*time.Minute, 0, neg.Never), hybrid, []readiness.Port{nowhere}, time.Hour, false, "NotAttached port 80: 10.64.0.1 is in none of the groups a/web, and can be in none: node edge-1"},
		{"attached, and unhealthy", rules(10*time.Minute, 0, 0), "", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY"))}, time.Minute, false, "LoadBalancerNegNotReady"},
		{"one port open by its time, the other waits", rules(10*time.Minute, 0, 0), "", []readiness.Port{nowhere, port(81, used, group(a, "10.64.0.1 shop=UNHEALTHY"))}, time.Minute, false, "LoadBalancerNegNotReady"},
		{"a short time-out for all", rules(20*time.Second, 20*time.Second, 20*time.Second), "", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY"))}, 20 * time.Second, true, "LoadBalancerNegTimeout not healthy within 20s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := neg.GatedPod{Name: "web-1", IP: one, Ready: noon.Add(-tc.since), NoInstance: tc.hybrid}
			got := readiness.Decide(pod, tc.ports, noon, tc.rules)
			reason, message, _ := strings.Cut(tc.want, " ")
			if got.Open != tc.open || got.Reason != reason || !strings.Contains(got.Message, message) {
				t.Errorf("open %v, %s: %s\nwant open %v, %s", got.Open, got.Reason, got.Message, tc.open, tc.want)
			}
		})
	}
}

func TestDecide(t *testing.T) {
	used := []neg.BackendService{service(shop, true, a, b)}
	unused := []neg.BackendService{service(shop, false, a, b)}
	absent := port(80, nil, group(a, "10.64.0.1"))
	absent.Absent = []neg.BackendServiceID{shop}
	for _, tc := range []struct {
		name  string
		ports []readiness.Port
		since time.Duration // that the containers are ready; negative: they are not
		open  bool
		want  string // reason, then a part of the message
	}{
		{"no Service with groups selects it", nil, 0, true, "LoadBalancerNegReady belongs to no"},
		{"in no group", []readiness.Port{port(80, used, group(a), group(b, "10.64.0.2 shop=HEALTHY"))}, time.Minute, false,
			"NotAttached port 80: 10.64.0.1 is in none of the groups a/web, b/web"},
		{"an earlier Pod of its address drains", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=DRAINING"))}, time.Minute, false, "NotAttached"},
		{"healthy", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=HEALTHY"))}, 0, true, "LoadBalancerNegReady healthy in backend service global/shop, by group a/web"},
		{"healthy before the containers say so", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=HEALTHY"))}, -1, true, "LoadBalancerNegReady"},
		{"not known yet", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNKNOWN"))}, time.Minute, false, "LoadBalancerNegNotReady UNKNOWN in backend service global/shop"},
		{"unhealthy among healthy ones", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY", "10.64.0.2 shop=HEALTHY"))}, time.Minute, false,
			"LoadBalancerNegNotReady UNHEALTHY in backend service global/shop, by group a/web"},
		{"nobody is healthy", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY"), group(b, "10.64.1.1 shop=UNHEALTHY"))}, time.Minute, false,
			"LoadBalancerNegNotReady UNHEALTHY in backend service global/shop, by group a/web; no endpoint of port 80 is healthy: does a firewall let health checks in from 35.191.0.0/16"},
		{"first of its zone: the backend service lacks the group", []readiness.Port{port(80, []neg.BackendService{service(shop, true, b)}, group(a, "10.64.0.1"), group(b, "10.64.1.1 shop=HEALTHY"))},
			time.Minute, false, "NotAttached group a/web is not in backend service global/shop yet"},
		{"first of its zone: no word yet", []readiness.Port{port(80, used, group(a, "10.64.0.1"), group(b, "10.64.1.1 shop=HEALTHY"))}, time.Minute, false,
			"LoadBalancerNegNotReady backend service global/shop says nothing of group a/web yet"},
		{"first of its zone, of a backend service that nobody named", []readiness.Port{port(80, nil, group(a, "10.64.0.1"), group(b, "10.64.1.1 edge=HEALTHY"))}, time.Minute, false,
			"NotAttached group a/web is in no backend service yet; global/edge serves other zones of port 80"},
		{"of two asked for one is not healthy", []readiness.Port{port(80, []neg.BackendService{service(shop, true, a), service(edge, true, a)}, group(a, "10.64.0.1 shop=HEALTHY edge=UNHEALTHY", "10.64.0.2 shop=HEALTHY edge=HEALTHY"))},
			time.Minute, false, "LoadBalancerNegNotReady UNHEALTHY in backend service global/edge"},
		{"of two not asked for one is enough", []readiness.Port{port(80, nil, group(a, "10.64.0.1 shop=HEALTHY edge=UNHEALTHY"))}, 0, true, "LoadBalancerNegReady healthy in backend service global/shop"},
		{"unused, a moment ago", []readiness.Port{port(80, unused, group(a, "10.64.0.1"))}, time.Second, false, "LoadBalancerNegNotReady in group a/web; no load balancer is heard of it yet"},
		{"unused", []readiness.Port{port(80, unused, group(a, "10.64.0.1"))}, 5 * time.Second, true, "BackendServiceUnused in group a/web; no load balancer refers to backend service global/shop"},
		{"unused, containers not ready", []readiness.Port{port(80, unused, group(a, "10.64.0.1"))}, -1, false, "LoadBalancerNegNotReady"},
		{"absent", []readiness.Port{absent}, 5 * time.Second, true, "BackendServiceUnused in group a/web; backend service global/shop does not exist"},
		{"nothing asked for, nothing heard", []readiness.Port{port(80, nil, group(a, "10.64.0.1"))}, 5 * time.Second, true, "LoadBalancerNegWithoutHealthCheck in group a/web"},
		{"one of two ports waits", []readiness.Port{port(80, nil, group(a, "10.64.0.1 shop=HEALTHY")), port(81, nil, group(a, "10.64.0.1 shop=UNKNOWN"))}, time.Minute, false, "LoadBalancerNegNotReady UNKNOWN"},
		{"one of two ports has no load balancer", []readiness.Port{port(80, nil, group(a, "10.64.0.1 shop=HEALTHY")), port(81, nil, group(b, "10.64.0.1"))}, time.Minute, true, "LoadBalancerNegWithoutHealthCheck"},
		{"time-out", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY", "10.64.0.2 shop=HEALTHY"))}, 10 * time.Minute, true,
			"LoadBalancerNegTimeout not healthy within 10m0s; at last: UNHEALTHY in backend service global/shop, by group a/web"},
		{"no time-out before the containers are ready", []readiness.Port{port(80, used, group(a, "10.64.0.1 shop=UNHEALTHY"))}, -1, false, "LoadBalancerNegNotReady"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := neg.GatedPod{Name: "web-1", IP: one}
			if tc.since >= 0 {
				pod.Ready = noon.Add(-tc.since)
			}
			got := readiness.Decide(pod, tc.ports, noon, readiness.DefaultRules)
			reason, message, _ := strings.Cut(tc.want, " ")
			if got.Open != tc.open || got.Reason != reason || !strings.Contains(got.Message, message) {
				t.Errorf("open %v, %s: %s\nwant open %v, %s", got.Open, got.Reason, got.Message, tc.open, tc.want)
			}
			pod.Gate = got
			if again := readiness.Decide(pod, nil, noon.Add(time.Hour), readiness.DefaultRules); got.Open && again != got {
				t.Errorf("an open gate became %+v", again)
			}
		})
	}
}
