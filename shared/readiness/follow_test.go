package readiness_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

// balanced is a world whose shop/web has n Pods in groups of a backend service, which
// finds none of them healthy.
func balanced(t *testing.T, n int) *world {
	w := newWorld(t, 3)
	w.serve("web", nil)
	w.deploy("web", n)
	w.reconcile("web")
	w.balance("web", rig.Zones...)
	w.health(nil, neg.Unhealthy)
	return w
}

// TestRollout: Pods become healthy one by one, and each one's gate opens a second later at
// most. Each group is listed once a second, and each gate is written when it changes.
func TestRollout(t *testing.T) {
	w := balanced(t, 6)
	d := w.follow(w.Follower, web)
	d.look()
	w.expect("web", "False", readiness.ReasonNotReady, "UNHEALTHY in backend service global/web")
	w.rig.GCE.ClearCalls()
	w.rig.Kube.ResetCalls()
	for i, pod := range w.pods("web") {
		w.health(pod, neg.Healthy)
		at := w.clock.Now()
		d.step()
		if late := w.clock.Now().Sub(at); w.opened("web") != i+1 || late > time.Second {
			t.Errorf("%v after %s became healthy %d gates are open, want %d", late, pod.Name, w.opened("web"), i+1)
		}
	}
	if err := d.end(2); err != nil {
		t.Error(err)
	}
	w.expect("web", "True", readiness.ReasonReady, "healthy in backend service global/web, by group us-central1-")
	for _, p := range w.pods("web") {
		if ready := condition(p, corev1.PodReady); ready.Status != corev1.ConditionTrue {
			t.Errorf("%s is not Ready: %+v", p.Name, ready)
		}
	}
	// Six looks at three groups; one more finds nobody waiting and lists none.
	if n := w.calls(listing); n != 6*3 {
		t.Errorf("%d listings, want 18", n)
	}
	// Six open, and once the text of the five others changes: somebody is healthy now.
	if n := w.rig.Kube.Calls().Count("patch", "pods/status"); n != 6+5 {
		t.Errorf("%d patches, want 11", n)
	}
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// TestTransitionTime: it moves with the status and not with the text.
func TestTransitionTime(t *testing.T) {
	w := balanced(t, 1)
	d := w.follow(w.Follower, web)
	d.look()
	first := gate(w.pods("web")[0]).LastTransitionTime
	d.pass(3 * time.Second)
	w.health(nil, neg.Unknown)
	d.step()
	w.expect("web", "False", readiness.ReasonNotReady, "UNKNOWN in backend service")
	if c := gate(w.pods("web")[0]); !c.LastTransitionTime.Equal(&first) {
		t.Errorf("the time moved with the text: %v, then %v", first, c.LastTransitionTime)
	}
	w.health(nil, neg.Healthy)
	d.step()
	if c := gate(w.pods("web")[0]); !c.LastTransitionTime.Time.Equal(w.clock.Now()) {
		t.Errorf("opened at %v, written %v", w.clock.Now(), c.LastTransitionTime)
	}
}

// TestFirstOfItsZone: the backend service serves other zones, and lacks the group of this
// one. GKE's controller opens the gate here.
func TestFirstOfItsZone(t *testing.T) {
	w := newWorld(t, 3)
	w.serve("web", nil)
	w.deploy("web", 3)
	w.reconcile("web")
	w.balance("web", rig.Zones[:2]...)
	w.health(nil, neg.Healthy)
	d := w.follow(w.Follower, web)
	d.look()
	if n := w.opened("web"); n != 2 {
		t.Fatalf("%d gates are open, want 2", n)
	}
	d.pass(time.Minute)
	if n := w.opened("web"); n != 2 {
		t.Errorf("%d gates are open, want 2", n)
	}
	for _, p := range w.pods("web") {
		if c := gate(p); c.Status != corev1.ConditionTrue && c.Reason != readiness.ReasonNotAttached {
			t.Errorf("%s waits for %s: %s", p.Name, c.Reason, c.Message)
		}
	}
}

// TestUnused: nobody's load balancer leads there; the gate opens after settling.
func TestUnused(t *testing.T) {
	w := newWorld(t, 3)
	w.serve("web", nil)
	w.deploy("web", 2)
	w.reconcile("web")
	d := w.follow(w.Follower, web)
	d.pass(4 * time.Second)
	w.expect("web", "False", readiness.ReasonNotReady, "no load balancer is heard of it yet")
	d.pass(3 * time.Second)
	w.expect("web", "True", readiness.ReasonNoCheck, "which no load balancer checks")
}

// TestTimeout: ten minutes after its containers are ready the gate opens, and says why.
func TestTimeout(t *testing.T) {
	w := balanced(t, 1)
	w.Budget = time.Hour
	d := w.follow(w.Follower, web)
	d.pass(readiness.DefaultRules.Timeout - 10*time.Second)
	w.expect("web", "False", readiness.ReasonNotReady, "UNHEALTHY")
	d.pass(15 * time.Second)
	w.expect("web", "True", readiness.ReasonTimeout, "not healthy within 10m0s; at last: UNHEALTHY in backend service global/web")
}

// TestPace: a second between looks while something moves, then twice as long each time, to
// five seconds; a Pod that changes makes it a second again.
func TestPace(t *testing.T) {
	w := balanced(t, 2)
	d := w.follow(w.Follower, web)
	d.pass(30 * time.Second)
	var pauses []time.Duration
	for range 4 {
		at := w.clock.Now()
		d.step()
		pauses = append(pauses, w.clock.Now().Sub(at))
	}
	w.health(w.pods("web")[0], neg.Healthy)
	d.step()
	at := w.clock.Now()
	d.step()
	pauses = append(pauses, w.clock.Now().Sub(at))
	if d := cmp.Diff([]time.Duration{2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second, time.Second}, pauses); d != "" {
		t.Errorf("pauses (-want +got):\n%s", d)
	}
}

// TestBudget: at the budget's end the key is published again, and the next delivery goes on.
func TestBudget(t *testing.T) {
	w := balanced(t, 1)
	w.Budget = 20 * time.Second
	d := w.follow(w.Follower, web)
	if err := d.end(21); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]neg.Key{web}, w.keys(&w.published)); d != "" {
		t.Fatalf("published (-want +got):\n%s", d)
	}
	w.health(nil, neg.Healthy)
	if err := w.follow(w.instance(), web).end(2); err != nil || w.opened("web") != 1 {
		t.Errorf("the next delivery: %v, %d gates are open", err, w.opened("web"))
	}
}

// TestBudgetMetAtOnce: the key that is published again may be delivered to the same instance
// before the publishing is answered. That delivery follows it.
func TestBudgetMetAtOnce(t *testing.T) {
	w := balanced(t, 1)
	w.Budget = 20 * time.Second
	looks, open := make(chan struct{}, 100), w.Open
	w.Open = func(ctx context.Context, cluster string) (readiness.Scope, error) {
		looks <- struct{}{}
		return open(ctx, cluster)
	}
	met := make(chan *delivery, 1)
	w.Again = func(_ context.Context, k neg.Key) error {
		for len(looks) > 0 {
			<-looks
		}
		next := w.follow(w.Follower, k)
		select {
		case <-looks:
		case <-next.ended:
		}
		met <- next
		return nil
	}
	if err := w.follow(w.Follower, web).end(40); err != nil {
		t.Fatal(err)
	}
	w.health(nil, neg.Healthy)
	if err := (<-met).end(3); err != nil || w.opened("web") != 1 {
		t.Errorf("the next delivery: %v, %d gates are open", err, w.opened("web"))
	}
}

// TestGivenUp: after ten minutes in which nothing moves the key is not published again. A
// time-out that is longer is the sweep's.
func TestGivenUp(t *testing.T) {
	w := balanced(t, 1)
	w.Budget, w.Rules.Timeout = time.Hour, time.Hour
	d := w.follow(w.Follower, web)
	d.pass(9*time.Minute + 50*time.Second)
	if err := d.end(5); err != nil || len(w.keys(&w.published)) != 0 || w.opened("web") != 0 {
		t.Errorf("ended with %v, published %v, %d open", err, w.keys(&w.published), w.opened("web"))
	}
}

// TestStopped: the function dies in the middle of a rollout; the message comes again to one
// that knows nothing, and the gates open.
func TestStopped(t *testing.T) {
	w := balanced(t, 4)
	d := w.follow(w.Follower, web)
	d.look()
	w.health(w.pods("web")[0], neg.Healthy)
	d.step()
	d.stop()
	if <-d.ended; d.err == nil {
		t.Error("a delivery that broke off is acknowledged")
	}
	w.clock.forget()
	w.health(nil, neg.Healthy)
	again := w.follow(w.instance(), web)
	again.look()
	if n := w.opened("web"); n != 4 {
		t.Errorf("%d gates are open, want 4", n)
	}
}

// TestOneLoop: a second delivery of a key is answered at once and shares the loop; it
// brings the next look forward.
func TestOneLoop(t *testing.T) {
	w := balanced(t, 1)
	d := w.follow(w.Follower, web)
	d.pass(50 * time.Second)
	at := w.clock.Now()
	w.rig.GCE.ClearCalls()
	if err := w.Follow(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	<-w.clock.parked // it waits anew, for a shorter time
	d.step()
	if late := w.clock.Now().Sub(at); late != time.Second || w.calls(listing) != 3 {
		t.Errorf("the next look came after %v, with %d listings", late, w.calls(listing))
	}
}

// TestPanic: a look that panics, which the platform answers and survives, ends its delivery. The
// next one of the key is followed.
func TestPanic(t *testing.T) {
	w := balanced(t, 1)
	open := w.Open
	w.Open = func(context.Context, string) (readiness.Scope, error) { panic("a mistake") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = w.Follow(t.Context(), web)
	}()
	w.Open = open
	w.health(nil, neg.Healthy)
	if err := w.follow(w.Follower, web).end(2); err != nil || w.opened("web") != 1 {
		t.Errorf("the next delivery: %v, %d gates are open", err, w.opened("web"))
	}
}

// TestReplaced: a Pod made anew under its name is another one: what was decided for the
// old one is not written on it.
func TestReplaced(t *testing.T) {
	w := balanced(t, 1)
	old := w.pods("web")[0]
	cluster := scopeOf(t, w).Cluster
	pods, err := cluster.GatedPods(t.Context(), "shop", nil, []string{neg.GateNEG})
	w.check(err)
	w.check(w.fleet().World.Recreate("shop", old.Name))
	w.check(cluster.SetGate(t.Context(), pods[0], neg.Gate{Open: true, Reason: readiness.ReasonReady}))
	if c := gate(w.pods("web")[0]); c.Status != "" {
		t.Errorf("written on another Pod: %+v", c)
	}
	w.health(nil, neg.Healthy)
	d := w.follow(w.Follower, web)
	d.look()
	w.expect("web", "False", readiness.ReasonNotAttached, "is in none of the groups")
	w.reconcile("web")
	d.step()
	w.expect("web", "True", readiness.ReasonReady, "")
}

func scopeOf(t *testing.T, w *world) readiness.Scope {
	scope, err := w.Open(t.Context(), "c1")
	w.check(err)
	return scope
}

// TestStray: a live endpoint that is in no group, because its event was lost, has reconcile
// asked for it: after two seconds, and then less and less often.
func TestStray(t *testing.T) {
	w := balanced(t, 1)
	w.health(nil, neg.Healthy)
	w.deploy("web", 2)
	d := w.follow(w.Follower, web)
	d.pass(time.Second)
	if asked := w.keys(&w.asked); len(asked) != 0 {
		t.Errorf("asked at once: %v", asked)
	}
	d.pass(time.Second)
	if d := cmp.Diff([]neg.Key{web}, w.keys(&w.asked)); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	d.pass(20 * time.Second)
	if asked := w.keys(&w.asked); len(asked) != 3 {
		t.Errorf("asked %d times in 22 s, want 3", len(asked))
	}
	w.reconcile("web")
	d.step()
	w.expect("web", "True", readiness.ReasonReady, "")
}

// TestTroubleInTheCloud: what the Compute API does not answer opens no gate, costs fifteen
// seconds at most, and keeps no Pod of another zone waiting.
func TestTroubleInTheCloud(t *testing.T) {
	for name, fault := range map[string]fakegce.Fault{
		"unavailable":   {Status: 503},
		"rate limit":    {Status: 403, Reason: "rateLimitExceeded"},
		"too many":      {Status: 429},
		"no permission": {Status: 403, Reason: "forbidden"},
		"reset":         {Reset: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := balanced(t, 3)
			fault.Verb, fault.Path = listing, "us-central1-a"
			w.check(w.rig.GCE.AddFaults(fault))
			d := w.follow(w.Follower, web)
			d.look()
			w.health(nil, neg.Healthy)
			d.step()
			if n := w.opened("web"); n != 2 {
				t.Errorf("%d gates are open, want the two whose zones answer", n)
			}
			d.pass(2 * time.Minute)
			if n := w.opened("web"); n != 2 {
				t.Errorf("%d gates are open, want the two whose zones answer", n)
			}
			w.rig.GCE.ClearFaults()
			at := w.clock.Now()
			d.step()
			if late := w.clock.Now().Sub(at); w.opened("web") != 3 || late > 15*time.Second {
				t.Errorf("%v after it answers again %d gates are open, want 3", late, w.opened("web"))
			}
		})
	}
}

// TestTroubleInTheCluster: the same for the API server; one that refuses for a minute is
// left to the sweep.
func TestTroubleInTheCluster(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakekube.Fault
		want  neg.Outcome // when it lasts
	}{
		"unavailable": {fakekube.Fault{Status: 503}, neg.Again},
		"forbidden":   {fakekube.Fault{Status: 403}, neg.Blocked},
	} {
		t.Run(name, func(t *testing.T) {
			w := balanced(t, 1)
			w.Budget = 2 * time.Minute
			d := w.follow(w.Follower, web)
			d.look()
			w.health(nil, neg.Healthy)
			trouble := w.rig.Kube.Inject(c.fault)
			d.pass(20 * time.Second)
			trouble.Lift()
			at := w.clock.Now()
			d.step()
			if late := w.clock.Now().Sub(at); w.opened("web") != 1 || late > 15*time.Second {
				t.Errorf("%v after it answers again %d gates are open", late, w.opened("web"))
			}
			w.rig.Kube.Inject(c.fault)
			if err := d.end(30); neg.OutcomeOf(err) != c.want {
				t.Errorf("ended with %v, want %v", err, c.want)
			}
		})
	}
}

// TestOneRefused: a Pod whose condition the API server refuses for good, as a policy of the
// cluster may have it, does not keep its Service's others from being followed.
func TestOneRefused(t *testing.T) {
	w := balanced(t, 2)
	pods := w.pods("web")
	w.rig.Kube.Inject(fakekube.Fault{Resource: "pods/status", Name: pods[0].Name, Status: 403})
	d := w.follow(w.Follower, web)
	d.pass(3 * time.Minute)
	w.health(nil, neg.Healthy)
	d.pass(15 * time.Second)
	if n := w.opened("web"); n != 1 {
		t.Errorf("%d gates are open 15 s after both Pods are healthy, want that of the other Pod", n)
	}
	if err := d.end(200); neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("with the refused one alone it ends with %v", err)
	}
}

// TestBlockedAtTheEnd: a cluster that refuses for a moment, just when the budget is used up, does
// not end the following of a key.
func TestBlockedAtTheEnd(t *testing.T) {
	w := balanced(t, 1)
	w.Budget = 20 * time.Second
	d := w.follow(w.Follower, web)
	d.pass(18 * time.Second)
	w.rig.Kube.Inject(fakekube.Fault{Status: 403})
	if err := d.end(5); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]neg.Key{web}, w.keys(&w.published)); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
}

// TestNewsOfTheBlocked: a delivery that comes during the look after which a refused key is left to
// the sweep gets a look of its own.
func TestNewsOfTheBlocked(t *testing.T) {
	w := balanced(t, 1)
	w.health(nil, neg.Healthy)
	trouble := w.rig.Kube.Inject(fakekube.Fault{Status: 403})
	looks, open := 0, w.Open
	w.Open = func(ctx context.Context, cluster string) (readiness.Scope, error) {
		switch looks++; looks {
		case 3:
			w.check(w.Follow(ctx, web))
		case 4:
			trouble.Lift()
		}
		return open(ctx, cluster)
	}
	if err := w.follow(w.Follower, web).end(10); err != nil || w.opened("web") != 1 {
		t.Errorf("ended with %v, %d gates are open", err, w.opened("web"))
	}
}

// TestNamespace: a key without a Service opens the gates of Pods that no Service with groups
// selects, and leaves the others alone.
func TestNamespace(t *testing.T) {
	w := balanced(t, 1)
	w.deploy("job", 2)
	w.serve("plain", map[string]string{"theirs": "x"})
	w.deploy("plain", 1)
	if err := w.follow(w.Follower, neg.Key{Cluster: "c1", Namespace: "shop"}).end(2); err != nil {
		t.Error(err)
	}
	w.expect("job", "True", readiness.ReasonReady, "belongs to no network endpoint group")
	w.expect("plain", "True", readiness.ReasonReady, "belongs to no network endpoint group")
	w.expect("web", "", "", "")
}

// TestServiceGone: the key of a Service that has no groups any more does the same for its
// Pods.
func TestServiceGone(t *testing.T) {
	w := balanced(t, 1)
	w.check(w.fleet().Delete(&corev1.Service{ObjectMeta: w.service("web")}))
	if err := w.follow(w.Follower, web).end(2); err != nil {
		t.Error(err)
	}
	w.expect("web", "True", readiness.ReasonReady, "belongs to no network endpoint group")
}

// TestTwoServices: a Pod that two Services with groups select waits for both, whichever's
// key is followed.
func TestTwoServices(t *testing.T) {
	w := balanced(t, 1)
	w.check(fakekube.Edit(w.fleet().Cluster, "shop", w.pods("web")[0].Name, func(p *corev1.Pod) { p.Labels["tier"] = "front" }))
	w.serve("edge", nil)
	w.check(fakekube.Edit(w.fleet().Cluster, "shop", "edge", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"tier": "front"} }))
	w.health(nil, neg.Healthy)
	d := w.follow(w.Follower, web)
	d.look()
	w.expect("web", "False", readiness.ReasonNotAttached, "has no groups yet")
}

// TestObserved: a Service that is observed attaches nobody, so a Pod that it selects too does not
// wait to be in its groups; where it is in one, what is said of it there counts.
func TestObserved(t *testing.T) {
	for name, c := range map[string]struct {
		attached    bool
		unread      bool // the groups of the observed Service
		status, why string
	}{
		"never attached":              {false, false, "True", readiness.ReasonReady},
		"attached before":             {true, false, "False", readiness.ReasonNotReady},
		"attached before, but unread": {true, true, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 3)
			w.serve("web", nil)
			w.serve("edge", nil)
			w.check(fakekube.Edit(w.fleet().Cluster, "shop", "edge", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "web"} }))
			w.deploy("web", 1)
			w.reconcile("web")
			w.balance("web", rig.Zones...)
			if c.attached {
				w.reconcile("edge")
				w.balance("edge", rig.Zones...)
			}
			w.health(nil, neg.Unhealthy)
			w.check(fakekube.Edit(w.fleet().Cluster, "shop", "edge", func(s *corev1.Service) { s.Annotations[neg.AnnotationPolicy] = "observe" }))
			w.check(w.rig.GCE.ForceHealth(fakegce.HealthRule{BackendService: "projects/" + w.name + "/global/backendServices/web", State: neg.Healthy}))
			if c.unread {
				w.check(w.rig.GCE.AddFaults(fakegce.Fault{Verb: listing, Path: neg.Token(string(w.fleet().UID()), neg.Key{Namespace: "shop", Service: "edge"}), Status: 503}))
			}
			d := w.follow(w.Follower, web)
			d.pass(5 * time.Second)
			w.expect("web", c.status, c.why, "")
			if asked := w.keys(&w.asked); len(asked) != 0 {
				t.Errorf("reconcile is asked for %v", asked)
			}
		})
	}
}

// TestSkipped: where negfleet is off it writes nothing.
func TestSkipped(t *testing.T) {
	w := balanced(t, 1)
	w.skip = "the fleet file says policy: observe"
	w.health(nil, neg.Healthy)
	w.rig.Kube.ResetCalls()
	if err := w.follow(w.Follower, web).end(1); err != nil {
		t.Error(err)
	}
	if writes := w.rig.Kube.Calls(); len(writes) != 0 {
		t.Errorf("calls: %v", writes)
	}
}

// TestLease: a look says that something is alive, once a minute.
func TestLease(t *testing.T) {
	w := balanced(t, 1)
	d := w.follow(w.Follower, web)
	d.pass(65 * time.Second)
	if n := w.rig.Kube.Calls().Count("patch", "leases"); n != 2 {
		t.Errorf("renewed %d times in 65 s, want 2", n)
	}
}

// TestDraining: in a cluster that drains every gate is opened, whatever is said of the Pod
// and whether the key names a Service or a namespace.
func TestDraining(t *testing.T) {
	for name, key := range map[string]neg.Key{"service": web, "namespace": {Cluster: "c1", Namespace: "shop"}} {
		t.Run(name, func(t *testing.T) {
			w := balanced(t, 2)
			w.deploy("job", 1)
			w.open = "the fleet file says state: draining"
			if err := w.follow(w.Follower, key).end(2); err != nil {
				t.Error(err)
			}
			w.expect("web", "True", readiness.ReasonDraining, "state: draining")
			w.expect("job", "True", readiness.ReasonDraining, "state: draining")
		})
	}
}

// TestHybrid: a Pod on a node that is no Compute instance is in no group and never will be:
// its gate says so, and waits for as long as the rules say.
func TestHybrid(t *testing.T) {
	for name, c := range map[string]struct {
		wait   time.Duration
		status string
	}{"to wait": {readiness.DefaultRules.Hybrid, "False"}, "not to wait": {0, "True"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.Rules.Hybrid = c.wait
			w.check(fakekube.Edit(w.fleet().Cluster, "", "node-0", func(n *corev1.Node) { n.Spec.ProviderID = "vsphere://edge" }))
			w.serve("web", nil)
			w.deploy("web", 1)
			w.reconcile("web")
			w.rig.Kube.ResetCalls()
			d := w.follow(w.Follower, web)
			d.pass(25 * time.Second)
			w.expect("web", c.status, readiness.ReasonNotAttached, "and can be in none: node node-0 is no Compute instance")
			if n := w.rig.Kube.Calls().Count("list", "nodes"); n != 1 {
				t.Errorf("the nodes were listed %d times in 25 s", n)
			}
		})
	}
}

// TestHybridUnknown: while nobody knows whether a node is an instance, its Pods wait as any
// that are in no group; and so they do while it is not known what the groups hold.
func TestHybridUnknown(t *testing.T) {
	w := balanced(t, 1)
	w.Rules.Hybrid, w.Rules.Unattached = 0, 20*time.Second
	w.rig.Kube.Inject(fakekube.Fault{Resource: "nodes", Status: 403})
	w.check(w.rig.GCE.AddFaults(fakegce.Fault{Name: "down", Verb: listing, Status: 503}))
	d := w.follow(w.Follower, web)
	d.pass(time.Minute)
	if w.opened("web") != 0 {
		t.Error("opened though nobody knows whether the Pod is attached")
	}
	w.rig.GCE.ClearFaults()
	w.deploy("web", 2) // the second is in no group
	d.pass(25 * time.Second)
	if n := w.opened("web"); n != 1 {
		t.Errorf("%d gates are open, want that of the unattached one after its time", n)
	}
}

// TestTimeoutOfTheUnread: a Pod is no unattached one, to wait for ever by the rules, because its
// group cannot be listed: everybody's time-out holds.
func TestTimeoutOfTheUnread(t *testing.T) {
	w := balanced(t, 1)
	w.Rules.Timeout, w.Rules.Unattached, w.Rules.Hybrid = time.Minute, neg.Never, neg.Never
	w.check(w.rig.GCE.AddFaults(fakegce.Fault{Verb: listing, Status: 503}))
	d := w.follow(w.Follower, web)
	d.pass(30 * time.Second)
	w.expect("web", "", "", "")
	d.pass(time.Minute)
	w.expect("web", "True", readiness.ReasonTimeout, "not all of its groups could be listed")
}

// TestTextsInTurn: the health of one Pod changes what hundreds of others are told. Its own
// gate comes first, and the texts of the others in turn.
func TestTextsInTurn(t *testing.T) {
	w := balanced(t, 130)
	d := w.follow(w.Follower, web)
	d.look()
	if n := w.rig.Kube.Calls().Count("patch", "pods/status"); n != 100 {
		t.Errorf("%d conditions written in the first look, want 100", n)
	}
	last := w.pods("web")[129]
	w.health(last, neg.Healthy)
	d.step()
	if w.opened("web") != 1 {
		t.Error("the gate of the one that is healthy waits for the texts of the others")
	}
	for range 5 {
		d.step()
	}
	for _, p := range w.pods("web")[:129] {
		if c := gate(p); c.Reason != readiness.ReasonNotReady || strings.Contains(c.Message, "firewall") {
			t.Fatalf("%s is told %q after all had their turn", p.Name, c.Message)
		}
	}
}
