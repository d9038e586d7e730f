package readiness_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/rig"
)

// TestEverySwitch: whatever the cloud does where nobody has documented it, no gate opens
// before the load balancer finds its Pod healthy, and each opens soon after.
func TestEverySwitch(t *testing.T) {
	few := map[string]int{"network_endpoint_list_requests_per_region": 100, "default": 100}
	for name, switches := range map[string]fakegce.Options{
		"strict":           {},
		"unreached":        {HealthUnreached: true},
		"names":            {InstanceEcho: "name"},
		"draining hidden":  {DrainingHidden: true},
		"nothing at first": {HealthDelay: 40 * time.Second, HealthPending: "absent"},
		"unknown at first": {HealthDelay: 40 * time.Second, HealthPending: "unknown"},
		"lists lag":        {ListLag: 20 * time.Second},
		"other texts":      {Texts: "other"},
		"rate quota 403":   {RateQuota: few, RateStatus: http.StatusForbidden},
		"rate quota 429":   {RateQuota: few, RateStatus: http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) { rolledOut(t, switches) })
	}
}

// TestAttachedLate: a Pod that is attached long after its containers are ready, to a load balancer
// that nobody asked for, is given the time to be heard of too.
func TestAttachedLate(t *testing.T) {
	manual := fakegce.NewManualClock(time.Now())
	w := newWorldUnder(t, 1, fakegce.Options{HealthUnreached: true, HealthDelay: 3 * time.Second, HealthPending: "absent", Clock: manual})
	w.clock.passed = manual.Advance
	w.serve("web", nil)
	w.reconcile("web")
	w.balance("web", rig.Zones...)
	w.health(nil, neg.Unhealthy)
	w.deploy("web", 1)
	d := w.follow(w.Follower, web)
	d.pass(10 * time.Second)
	w.expect("web", "False", readiness.ReasonNotAttached, "is in none of the groups")
	w.reconcile("web")
	d.step()
	w.expect("web", "False", readiness.ReasonNotReady, "no load balancer is heard of it yet")
	d.pass(10 * time.Second)
	w.expect("web", "False", readiness.ReasonNotReady, "UNHEALTHY in backend service global/web")
	w.health(nil, neg.Healthy)
	d.step()
	w.expect("web", "True", readiness.ReasonReady, "healthy in backend service global/web")
}

// rolledOut is a rollout of three Pods and of three more, behind a forwarding rule.
func rolledOut(t *testing.T, switches fakegce.Options) {
	manual := fakegce.NewManualClock(time.Now())
	switches.Clock = manual
	w := newWorldUnder(t, 3, switches)
	w.clock.passed = manual.Advance
	w.serve("web", map[string]string{
		neg.AnnotationNEG:            `{"exposed_ports":{"80":{}}}`,
		neg.AnnotationBackendService: `{"80":{"name":"web","drainingTimeoutSec":60}}`,
	})
	w.deploy("web", 3)
	w.reconcile("web")
	w.compute("global/urlMaps", map[string]any{"name": "web", "defaultService": "global/backendServices/web"})
	w.compute("global/targetHttpProxies", map[string]any{"name": "web", "urlMap": "global/urlMaps/web"})
	w.compute("global/forwardingRules", map[string]any{
		"name": "web", "target": "global/targetHttpProxies/web", "portRange": "80", "loadBalancingScheme": "EXTERNAL_MANAGED",
	})
	for _, pods := range []int{3, 6} {
		w.health(nil, neg.Unhealthy)
		w.deploy("web", pods)
		w.reconcile("web")
		d := w.follow(w.Follower, web)
		d.pass(2 * time.Minute)
		if n := w.opened("web"); n != pods-3 {
			t.Fatalf("%d gates are open before anything is healthy, want %d", n, pods-3)
		}
		w.health(nil, neg.Healthy)
		d.pass(2 * time.Minute)
		if n := w.opened("web"); n != pods {
			t.Fatalf("%d gates are open two minutes after all are healthy, want %d", n, pods)
		}
		if err := d.end(5); err != nil {
			t.Fatal(err)
		}
	}
	w.deploy("web", 9)
	w.reconcile("web")
	d := w.follow(w.Follower, web)
	d.pass(switches.HealthDelay - 5*time.Second)
	if n := w.opened("web"); switches.HealthDelay > 0 && n != 6 {
		t.Errorf("%d gates are open before the probers know of the last three Pods, want 6", n)
	}
	d.pass(time.Minute)
	if err := d.end(5); err != nil {
		t.Error(err)
	}
	w.expect("web", "True", readiness.ReasonReady, "healthy in backend service global/web")
}
