package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestFollowsThePods: groups in every zone with exactly the Pods, through the life of a
// Service; a second look makes no write.
func TestFollowsThePods(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(`{"exposed_ports":{"80":{},"443":{"name":"checkout"}}}`))
	w.mustLook()
	both := func() {
		t.Helper()
		w.wantExact(w.generated(80), 80)
		w.wantExact("checkout", 443)
	}
	both()
	want := fmt.Sprintf(`{"network_endpoint_groups":{"443":"checkout","80":%q},"zones":["us-central1-a","us-central1-b","us-central1-c"]}`, w.generated(80))
	if d := cmp.Diff(want, w.status()); d != "" {
		t.Errorf("neg-status (-want +got):\n%s", d)
	}
	for _, n := range []int{12, 2, 0, 3} {
		w.check(w.Scale("shop", "web", n))
		w.mustLook()
		both()
		w.Reap("shop")
	}
	for range 3 {
		w.check(w.Roll("shop", "web"))
		w.mustLook()
		both()
		w.Reap("shop")
	}
	writes := w.computeWrites()
	if again := w.mustLook(); len(again.Planned) != 0 || w.computeWrites() != writes {
		t.Errorf("a second look has steps:\n%s", plan.Text(again.Planned))
	}
	w.check(w.RemoveService("shop", "web"))
	w.mustLook()
	if left := w.groups(); len(left) != 0 {
		t.Errorf("groups left after the Service: %v", left)
	}
}

// TestCalls counts, exactly: a look that changes nothing, a change, and a new Service.
func TestCalls(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.reset()
	w.mustLook()
	compute := func() map[string]int {
		counts := map[string]int{}
		for verb, calls := range w.gce.Stats().Verbs {
			counts[verb] = int(calls)
		}
		return counts
	}
	const groups = "networkEndpointGroups."
	want := map[string]int{groups + "aggregatedList": 1, groups + "insert": 3, groups + "attachNetworkEndpoints": 3, "zoneOperations.wait": 6}
	if d := cmp.Diff(want, compute()); d != "" {
		t.Errorf("a new Service (-want +got):\n%s", d)
	}

	w.reset()
	w.mustLook()
	if d := cmp.Diff(map[string]int{groups + "listNetworkEndpoints": 3}, compute()); d != "" {
		t.Errorf("a look that changes nothing (-want +got):\n%s", d)
	}
	if d := cmp.Diff("c1 get services: 1\nc1 list endpointslices: 1", w.kube.Calls().String()); d != "" {
		t.Errorf("a look that changes nothing, in the cluster (-want +got):\n%s", d)
	}

	w.check(w.Scale("shop", "web", 4))
	w.reset()
	w.mustLook()
	if d := cmp.Diff(map[string]int{groups + "listNetworkEndpoints": 3, groups + "attachNetworkEndpoints": 1, "zoneOperations.wait": 1}, compute()); d != "" {
		t.Errorf("a change of one endpoint (-want +got):\n%s", d)
	}
	if writes := w.kube.Writes(); len(writes) != 0 {
		t.Errorf("a change of one endpoint writes to the cluster: %v", writes)
	}
}

// TestAnnouncesNothingUnasked: a Service without the annotation costs one GET.
func TestAnnouncesNothingUnasked(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, nil)
	w.reset()
	w.mustLook()
	if calls := w.kube.Calls().String(); calls != "c1 get services: 1" || len(w.gce.Calls(fakegce.CallFilter{})) != 0 {
		t.Errorf("calls of a Service that asks for nothing: %s, %d to Compute", calls, len(w.gce.Calls(fakegce.CallFilter{})))
	}
}

// TestEverySwitch: whatever the API does where its behaviour is unknown, with faults on
// the way, the world ends as desired.
func TestEverySwitch(t *testing.T) {
	options := map[string]fakegce.Options{
		"strict":         {},
		"idempotent":     {AttachExisting: fakegce.Idempotent, DetachAbsent: fakegce.Idempotent, MissingFingerprint: "optional"},
		"attach missing": {AttachExisting: fakegce.NotFound},
		"detach invalid": {DetachAbsent: fakegce.Invalid, InstanceEcho: "name", MissingFingerprint: "conditionNotMet"},
		"commit first":   {CommitAt: "accept", RequestIDReuse: "conflict"},
		"overlap":        {RejectOverlap: true},
		"other texts":    {Texts: "other"},
		"ids forgotten":  {RequestIDWindow: -1},
		"lists lag":      {ListLag: 20 * time.Second},
		"rate quota 403": {RateQuota: fewCalls, RateStatus: http.StatusForbidden},
		"rate quota 429": {RateQuota: fewCalls, RateStatus: http.StatusTooManyRequests},
	}
	faults := map[string]fakegce.Fault{
		"none":             {},
		"unavailable":      {Status: 503, Nth: 1, Count: 3},
		"rate limited":     {Status: 403, Reason: "rateLimitExceeded", Count: 3},
		"lost answer":      {Verb: "networkEndpointGroups.attachNetworkEndpoints", Reset: true, AfterCommit: true, Count: 2},
		"lost insert":      {Verb: "networkEndpointGroups.insert", Reset: true, AfterCommit: true, Count: 2},
		"reset":            {Reset: true, Probability: 0.2, Count: 6},
		"wait comes early": {Verb: "zoneOperations.wait", WaitEarly: true, Count: 4},
	}
	for name, o := range options {
		for trouble, f := range faults {
			t.Run(name+"/"+trouble, func(t *testing.T) { liveThrough(t, o, f) })
		}
	}
}

// TestStaleLists: what lists no longer or not yet show is attached and detached again,
// whatever the API says to that.
func TestStaleLists(t *testing.T) {
	conducts := []fakegce.Conduct{fakegce.Invalid, fakegce.NotFound, fakegce.Idempotent}
	for _, attach := range conducts {
		for _, detach := range conducts {
			t.Run(fmt.Sprintf("attach %s, detach %s", attach, detach), func(t *testing.T) {
				liveThrough(t, fakegce.Options{ListLag: 20 * time.Second, AttachExisting: attach, DetachAbsent: detach}, fakegce.Fault{})
			})
		}
	}
}

// fewCalls are too few for one look at a Service of three zones.
var fewCalls = map[string]int{
	"default_per_region": 2, "network_endpoint_write_requests_per_region": 2, "network_endpoint_list_requests_per_region": 4,
	"heavy_weight_read_requests": 1, "heavy_weight_read_requests_per_region": 4,
}

// liveThrough is the life of a Service: its Pods, others in their place, and its end.
func liveThrough(t *testing.T, o fakegce.Options, f fakegce.Fault) {
	clock := fakegce.NewManualClock(time.Now())
	o.Clock = clock
	w := newWorld(t, o)
	w.start(5, exposed(port80))
	if f.Status != 0 || f.Reset || f.WaitEarly {
		w.check(w.gce.AddFaults(f))
	}
	w.settle(clock, o)
	w.wantExact(w.generated(80), 80)
	w.check(w.Roll("shop", "web"))
	w.settle(clock, o)
	w.wantExact(w.generated(80), 80)
	w.check(w.RemoveService("shop", "web"))
	w.settle(clock, o)
	if left := w.groups(); len(left) != 0 {
		t.Errorf("groups left after the Service: %v", left)
	}
}

// settle looks every 10 s, as redelivery and the sweep do in their time, until there was
// nothing to do for longer than lists lag.
func (w *world) settle(clock *fakegce.ManualClock, o fakegce.Options) {
	w.t.Helper()
	const between = 10 * time.Second
	// An endpoint that is gone, and listed still, is refused like a bad one: that waits
	// for the sweep. Nothing else here may be blocked.
	swept := o.ListLag > 0 && o.DetachAbsent == fakegce.Invalid
	var result reconcile.Result
	var err error
	for quiet, looks := time.Duration(0), 0; quiet <= o.ListLag && looks < 60; looks++ {
		result, err = w.look()
		switch {
		case err != nil && neg.OutcomeOf(err) != neg.Again && !swept:
			w.t.Fatalf("blocked: %v", err)
		case len(result.Planned) > 0:
			quiet = 0
		case err == nil:
			quiet += between
		}
		clock.Advance(between)
	}
	if err != nil || len(result.Planned) > 0 {
		w.t.Fatalf("not settled after redelivery: %v\n%s", err, plan.Text(result.Planned))
	}
}

// TestUnknownIsNotEmpty holds invariant 3: where the cluster cannot be read whole, nothing
// is removed.
func TestUnknownIsNotEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		fault   fakekube.Fault
		outcome neg.Outcome
	}{
		"service forbidden":  {fakekube.Fault{Resource: "services", Status: 403}, neg.Blocked},
		"slices forbidden":   {fakekube.Fault{Resource: "endpointslices", Status: 403}, neg.Blocked},
		"slices unavailable": {fakekube.Fault{Resource: "endpointslices", Status: 503}, neg.Again},
		"slices time out":    {fakekube.Fault{Resource: "endpointslices", Status: 504}, neg.Again},
		"server error":       {fakekube.Fault{Resource: "endpointslices", Status: 500}, neg.Again},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			w.start(3, exposed(port80))
			w.mustLook()
			before := w.groups()
			w.check(w.Scale("shop", "web", 1))
			injected := w.kube.Inject(c.fault)
			if _, err := w.look(); neg.OutcomeOf(err) != c.outcome {
				t.Errorf("outcome %v, want %v: %v", neg.OutcomeOf(err), c.outcome, err)
			}
			if d := cmp.Diff(before, w.groups()); d != "" {
				t.Errorf("the cloud changed (-before +after):\n%s", d)
			}
			injected.Lift()
			w.kube.ClearFaults()
			w.mustLook()
			w.wantExact(w.generated(80), 80)
		})
	}
}

func TestZeroSlicesDetachNothing(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	w.check(w.cluster.Delete(sliceObjects(w)...))
	w.mustLook()
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("the cloud changed (-before +after):\n%s", d)
	}
}

// TestReplacedWithinTheGrace: a Service that is gone for a moment loses nothing, and news
// of it ends the wait.
func TestReplacedWithinTheGrace(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	w.r.Grace = time.Hour
	w.check(w.RemoveService("shop", "web"))
	newer := make(chan struct{})
	close(newer) // the deletion and the creation come right after each other
	_, err := w.r.Look(t.Context(), web, reconcile.Turn{Began: func() {}, Rereads: func() {}, Newer: newer})
	if !errors.Is(err, reconcile.ErrSuperseded) {
		t.Fatalf("the wait did not end with the news: %v", err)
	}
	w.check(w.AddService(service(exposed(port80))))
	w.mustLook()
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("torn down within the grace (-before +after):\n%s", d)
	}
	if w.status() == "" {
		t.Error("the new Service has no neg-status")
	}
}

// TestReturnedDuringTheGrace: the second read finds the Service back.
func TestReturnedDuringTheGrace(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	w.check(w.RemoveService("shop", "web"))
	w.scope.Cluster = &interrupted{Cluster: w.scope.Cluster, uid: func() { w.check(w.AddService(service(exposed(port80)))) }}
	w.mustLook()
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("torn down although it came back (-before +after):\n%s", d)
	}
}

// interrupted runs a function once, at the call of that name.
type interrupted struct {
	reconcile.Cluster
	uid    func()
	slices func(n int)
	n      int
}

func (i *interrupted) UID(ctx context.Context) (string, error) {
	if i.uid != nil {
		i.uid()
	}
	return i.Cluster.UID(ctx)
}

func (i *interrupted) Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error) {
	if i.n++; i.slices != nil {
		defer i.slices(i.n)
	}
	return i.Cluster.Slices(ctx, k)
}

// TestSecondReadBeforeDetach holds invariant 1: an endpoint that is back when the removal
// is confirmed is not detached.
func TestSecondReadBeforeDetach(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	all := sliceObjects(w)
	w.check(emptySlices(w))
	w.scope.Cluster = &interrupted{Cluster: w.scope.Cluster, slices: func(n int) {
		if n == 1 { // after the first read: the endpoints come back
			w.check(w.cluster.Apply(all...))
		}
	}}
	w.mustLook()
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("detached on old evidence (-before +after):\n%s", d)
	}
}

// TestFollowsUp: what the cluster wants by the end of a run that changed the cloud is
// published for another look, at most three times.
func TestFollowsUp(t *testing.T) {
	for chain, want := range map[int]string{0: "[1]", 2: "[3]", 3: "[]"} {
		t.Run(fmt.Sprint("chain ", chain), func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			w.start(3, exposed(port80))
			w.scope.Cluster = &interrupted{Cluster: w.scope.Cluster, slices: func(n int) {
				if n == 1 {
					w.check(w.Scale("shop", "web", 5))
				}
			}}
			if _, err := w.lookAt(web, chain); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(w.published); got != want {
				t.Errorf("published %s, want %s", got, want)
			}
			if e := w.event("FightingWriter"); (e != nil) != (chain == 3) {
				t.Errorf("FightingWriter: %v", e)
			}
		})
	}
}

// TestBlockedReadsTheSame: looks at what stays blocked in several zones change nothing in
// the cluster, or each of them would be an event that causes the next.
func TestBlockedReadsTheSame(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	other := neg.OwnerOf("11111111-4b9b-4c1e-8a53-0d6a2f1f8a11", neg.Key{Cluster: "other", Namespace: "a", Service: "b"}, 80)
	for _, z := range zones {
		w.check(w.cloud().CreateGroup(t.Context(), neg.GroupID{Zone: z, Name: "theirs"}, other))
	}
	w.start(3, exposed(`{"exposed_ports":{"80":{"name":"theirs"}}}`))
	_, _ = w.look()
	w.reset()
	for range 10 {
		if _, err := w.look(); neg.OutcomeOf(err) != neg.Blocked {
			t.Errorf("outcome %v: %v", neg.OutcomeOf(err), err)
		}
	}
	if writes := w.kube.Writes(); len(writes) != 0 {
		t.Errorf("%d writes to the cluster, the first: %+v", len(writes), writes[0])
	}
}

// TestBlocked: bad input gets an error that says which object, which field, what to do; it
// is visible on the Service; nothing in the cloud changes.
func TestBlocked(t *testing.T) {
	long := strings.Repeat("x", 64)
	for name, c := range map[string]struct {
		annotation, reason, text string
	}{
		"malformed JSON":   {`{"exposed_ports":{80:{}}}`, "InvalidAnnotation", "shop/web: annotation cloud.google.com/neg: not JSON at character 19"},
		"name too long":    {`{"exposed_ports":{"80":{"name":"` + long + `"}}}`, "InvalidAnnotation", "field exposed_ports.80: field name"},
		"name of another":  {`{"exposed_ports":{"80":{"name":"theirs"}}}`, "NameTaken", "choose another in exposed_ports.80.name"},
		"port not on it":   {`{"exposed_ports":{"8443":{}}}`, "PortNotFound", "the Service has no port 8443"},
		"both, one served": {`{"exposed_ports":{"80":{},"8443":{}}}`, "PortNotFound", "the Service has no port 8443"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			theirs := neg.GroupID{Zone: "us-central1-a", Name: "theirs"}
			other := neg.OwnerOf("11111111-4b9b-4c1e-8a53-0d6a2f1f8a11", neg.Key{Cluster: "other", Namespace: "a", Service: "b"}, 80)
			w.check(w.cloud().CreateGroup(t.Context(), theirs, other))
			w.start(3, exposed(c.annotation))
			for range 2 {
				if _, err := w.look(); neg.OutcomeOf(err) == neg.Again {
					t.Errorf("would be retried: %v", err)
				}
			}
			e := w.event(c.reason)
			if e == nil || e.Type != corev1.EventTypeWarning || !strings.Contains(e.Message, c.text) || e.Count != 1 {
				t.Errorf("event %s: %+v", c.reason, e)
			}
			for _, g := range w.gce.Groups() {
				if g.Name == "theirs" && g.Zone == "us-central1-a" && (len(g.Endpoints) != 0 || !strings.Contains(g.Description, `"other"`)) {
					t.Errorf("another's group was touched: %+v", g)
				}
			}
			if strings.Contains(c.annotation, `"80":{},`) {
				w.wantExact(w.generated(80), 80)
			}
		})
	}
}

// TestStatusCannotLieUsIntoAnotherGroup: a custom name that the status already shows is
// still proved to be ours before anything is detached from its groups.
func TestStatusCannotLieUsIntoAnotherGroup(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	theirs := neg.GroupID{Zone: "us-central1-a", Name: "theirs"}
	other := neg.OwnerOf("11111111-4b9b-4c1e-8a53-0d6a2f1f8a11", neg.Key{Cluster: "other", Namespace: "a", Service: "b"}, 80)
	cloud := w.cloud()
	w.check(cloud.CreateGroup(t.Context(), theirs, other))
	node := fakekube.List[*corev1.Node](w.cluster, "", nil)[0]
	vm, err := neg.ParseProviderID(node.Spec.ProviderID)
	w.check(err)
	prefix := strings.TrimSuffix(node.Spec.PodCIDR, "0/24")
	foreign := neg.Endpoint{Instance: vm.Instance, Addr: mustAddr(prefix + "200:80")}
	if _, err := cloud.Attach(t.Context(), theirs, []neg.Endpoint{foreign}); err != nil {
		t.Fatal(err)
	}
	annotations := exposed(`{"exposed_ports":{"80":{"name":"theirs"}}}`)
	annotations[neg.AnnotationStatus] = `{"network_endpoint_groups":{"80":"theirs"},"zones":["us-central1-a"]}`
	w.start(3, annotations)
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("want blocked, got %v", err)
	}
	for _, g := range w.gce.Groups() {
		if g.Zone == "us-central1-a" && g.Name == "theirs" && (len(g.Endpoints) != 1 || g.Endpoints[0].Address != foreign.Addr.String()) {
			t.Errorf("another's group was changed: %+v", g)
		}
	}
}

// TestOtherWriter: where GKE's own controller shows itself, nothing is written.
func TestOtherWriter(t *testing.T) {
	for name, prepare := range map[string]func(*world) map[string]string{
		"in neg-status": func(*world) map[string]string {
			a := exposed(port80)
			a[neg.AnnotationStatus] = `{"network_endpoint_groups":{"80":"k8s1-01234567-shop-web-80-5104b449"},"zones":["us-central1-a"]}`
			return a
		},
		"in a ServiceNetworkEndpointGroup": func(w *world) map[string]string {
			crd := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
				"metadata": map[string]any{"namespace": "shop", "name": "k8s1-x", "labels": map[string]any{"networking.gke.io/service-name": "web"}},
			}}
			w.check(w.cluster.Apply(crd))
			return exposed(port80)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, fakegce.Options{}, fakekube.WithServiceNEGs())
			w.start(3, prepare(w))
			_, err := w.look()
			if neg.OutcomeOf(err) != neg.Blocked || w.event("OtherWriter") == nil {
				t.Errorf("outcome %v, event %v", err, w.event("OtherWriter"))
			}
			if n := w.computeWrites(); n != 0 || len(w.groups()) != 0 {
				t.Errorf("%d writes to Compute", n)
			}
		})
	}
}

// TestPolicies: observe leaves no write in any journal, upsert only adds; the stricter of
// cluster and Service holds.
func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		cluster plan.Policy
		service string
		want    plan.Policy
	}{
		"cluster observes":       {plan.Observe, "", plan.Observe},
		"cluster observes still": {plan.Observe, "sync", plan.Observe},
		"service observes":       {plan.Sync, "observe", plan.Observe},
		"service upserts":        {plan.Sync, "upsert", plan.Upsert},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			annotations := exposed(`{"exposed_ports":{"80":{},"9":{}}}`)
			if c.service != "" {
				annotations[neg.AnnotationPolicy] = c.service
			}
			w.scope.Policy = c.cluster
			w.start(3, annotations)
			w.reset()
			result := w.mustLook()
			if len(result.Planned) == 0 {
				t.Error("no plan")
			}
			if c.want == plan.Observe && (w.computeWrites() != 0 || len(w.kube.Writes()) != 0) {
				t.Errorf("observe wrote: %d to Compute, %v to the cluster", w.computeWrites(), w.kube.Writes())
			}
			if c.want != plan.Upsert {
				return
			}
			w.wantExact(w.generated(80), 80)
			before := w.groups()
			w.check(w.Scale("shop", "web", 1))
			w.mustLook()
			if d := cmp.Diff(before, w.groups()); d != "" {
				t.Errorf("upsert removed (-before +after):\n%s", d)
			}
		})
	}
}

// TestRepairsByHand: an endpoint detached and a group deleted by hand come back with the
// next look.
func TestRepairsByHand(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(6, exposed(port80))
	w.mustLook()
	id := neg.GroupID{Zone: zones[0], Name: w.generated(80)}
	cloud := w.cloud()
	endpoints, _, err := cloud.Endpoints(t.Context(), id)
	w.check(err)
	w.check(cloud.Detach(t.Context(), id, endpoints[:1], time.Time{}))
	w.check(cloud.DeleteGroup(t.Context(), neg.GroupID{Zone: zones[1], Name: id.Name}, time.Time{}))
	w.mustLook()
	w.wantExact(w.generated(80), 80)
}

// TestVanishedInstance: an instance that went between listing and attaching costs its own
// endpoints only, and is said.
func TestVanishedInstance(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(60, exposed(port80))
	node := fakekube.List[*corev1.Node](w.cluster, "", nil)[0]
	vm, err := neg.ParseProviderID(node.Spec.ProviderID)
	w.check(err)
	deleteInstance(t, w, vm)
	w.mustLook()
	attached := 0
	for _, g := range w.gce.Groups() {
		attached += len(g.Endpoints)
	}
	if attached != 50 {
		t.Errorf("%d of the 50 endpoints on living instances are attached", attached)
	}
	if e := w.event("EndpointRejected"); e == nil || !strings.Contains(e.Message, "10 endpoints were refused") || !strings.Contains(e.Message, vm.Instance) {
		t.Errorf("event: %+v", e)
	}
	if len(w.published) != 0 {
		t.Errorf("refused endpoints cause looks without end: %v", w.published)
	}
}

func deleteInstance(t *testing.T, w *world, vm neg.Node) {
	t.Helper()
	rec := httptestRecorder(w.gce, http.MethodDelete, "/compute/v1/projects/p1/zones/"+string(vm.Zone)+"/instances/"+vm.Instance)
	if rec.Code != http.StatusOK {
		t.Fatalf("delete instance: %d %s", rec.Code, rec.Body)
	}
}

// TestWrongCluster: a cluster that answers with another UID loses nothing.
func TestWrongCluster(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	w.cluster.SetUID("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11")
	w.check(w.RemoveService("shop", "web"))
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Blocked || !strings.Contains(err.Error(), "answers with kube-system UID") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("deleted on the word of another cluster (-before +after):\n%s", d)
	}
}

// TestForeignGroupsAreNeverDeleted: groups whose description holds our token but does not
// prove to be ours stay.
func TestForeignGroupsAreNeverDeleted(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	forged := neg.OwnerOf(w.scope.UID, web, 80)
	forged.Service = "somebody-elses"
	w.check(w.cloud().CreateGroup(t.Context(), neg.GroupID{Zone: zones[0], Name: "forged"}, forged))
	w.check(w.RemoveService("shop", "web"))
	w.mustLook()
	if got := w.groups(); len(got) != 1 || !strings.Contains(got[0], "forged") {
		t.Errorf("left: %v", got)
	}
}

// TestUnreachableZone: a scope that the aggregated list misses makes the whole look
// unknown.
func TestUnreachableZone(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	before := w.groups()
	w.check(w.RemoveService("shop", "web"))
	w.check(w.gce.AddFaults(fakegce.Fault{Unreachable: "zones/us-central1-b"}))
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
}

// TestQuota: a quota that is used up blocks the key, visibly; the other zones are served.
func TestQuota(t *testing.T) {
	w := newWorld(t, fakegce.Options{Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 2}})
	w.start(6, exposed(port80))
	_, err := w.look()
	if neg.OutcomeOf(err) != neg.Blocked || w.event("QuotaExceeded") == nil {
		t.Errorf("outcome %v, event %v", err, w.event("QuotaExceeded"))
	}
	if n := len(w.groups()); n != 2 {
		t.Errorf("%d groups, want the 2 that fit", n)
	}
}

// TestIngress: with ingress, the port that an Ingress references gets groups, and loses
// them with the Ingress.
func TestIngress(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(`{"ingress":true}`))
	w.mustLook()
	if got := w.groups(); len(got) != 0 {
		t.Errorf("groups without an Ingress: %v", got)
	}
	w.check(w.cluster.Apply(ingress("gce")))
	w.mustLook()
	w.wantExact(w.generated(443), 443)
	w.check(w.cluster.Delete(ingress("gce")))
	w.mustLook()
	if got := w.groups(); len(got) != 0 || w.status() != "" {
		t.Errorf("left after the Ingress: %v, status %s", got, w.status())
	}
	w.check(w.cluster.Apply(ingress("nginx")))
	w.mustLook()
	if got := w.groups(); len(got) != 0 {
		t.Errorf("groups for another class: %v", got)
	}
}

// TestUnexposed: taking the annotation away deletes the groups and the status, and keeps
// what others wrote there.
func TestUnexposed(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, exposed(port80))
	w.mustLook()
	w.check(fakekube.Edit(w.cluster, "shop", "web", func(s *corev1.Service) {
		delete(s.Annotations, neg.AnnotationNEG)
		s.Annotations["other"] = "kept"
	}))
	w.mustLook()
	svc, _ := fakekube.Get[*corev1.Service](w.cluster, "shop", "web")
	if d := cmp.Diff(map[string]string{"other": "kept"}, svc.Annotations); d != "" || len(w.groups()) != 0 {
		t.Errorf("groups %v, annotations (-want +got):\n%s", w.groups(), d)
	}
}

// TestManyEndpoints: batches of 500, nothing lost.
func TestManyEndpoints(t *testing.T) {
	if testing.Short() {
		t.Skip("builds 1,200 Pods; runs without -short")
	}
	w := newWorld(t, fakegce.Options{})
	w.start(1200, exposed(port80))
	w.mustLook()
	w.wantExact(w.generated(80), 80)
}

// TestPods: a look says what the EndpointSlices show of Pods, and nothing of a Service that
// asks for no groups.
func TestPods(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(2, exposed(port80))
	pods := fakekube.List[*corev1.Pod](w.cluster, "shop", nil)
	w.check(w.Terminate("shop", pods[0].Name))
	want := map[string]reconcile.Presence{pods[0].Name: reconcile.Terminating, pods[1].Name: reconcile.Live}
	if d := cmp.Diff(want, w.mustLook().Pods); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	other := service(nil)
	other.Name = "plain"
	w.check(w.AddService(other))
	result, err := w.lookAt(neg.Key{Cluster: "c1", Namespace: "shop", Service: "plain"}, 0)
	if err != nil || result.Pods != nil {
		t.Errorf("a Service without groups: %v, %v", result.Pods, err)
	}
}

// TestRival: somebody detaches whatever is attached, whenever it is. Each look repairs it
// once and asks for no other; the third that finds it undone says so on the Service.
func TestRival(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(1, exposed(port80))
	w.mustLook()
	for n := 1; n <= 4; n++ {
		for _, zone := range zones {
			id := neg.GroupID{Zone: zone, Name: w.generated(80)}
			endpoints, _, err := w.cloud().Endpoints(t.Context(), id)
			w.check(err)
			if len(endpoints) > 0 {
				w.check(w.cloud().Detach(t.Context(), id, endpoints, time.Time{}))
			}
		}
		w.reset()
		w.mustLook()
		if writes := w.computeWrites(); writes != 1 {
			t.Errorf("look %d made %d writes, want one attach", n, writes)
		}
		if e := w.event("FightingWriter"); (e != nil) != (n >= 3) {
			t.Errorf("after %d times: Event %v", n, e)
		} else if e != nil && !strings.Contains(e.Message, "in group us-central1-") {
			t.Errorf("the Event does not say what the fight is over: %s", e.Message)
		}
		w.wantExact(w.generated(80), 80)
	}
	if len(w.published) != 0 {
		t.Errorf("the fight goes on by itself: follow-ups %v", w.published)
	}
}

// TestChurnIsNoFight: what negfleet itself attaches and detaches in turn, as its Pods come
// and go, is nobody's fight.
func TestChurnIsNoFight(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(1, exposed(port80))
	slice := fakekube.List[*discoveryv1.EndpointSlice](w.cluster, "shop", nil)[0]
	for range 5 {
		for _, endpoints := range [][]discoveryv1.Endpoint{nil, slice.Endpoints} {
			w.check(fakekube.Edit(w.cluster, "shop", slice.Name, func(s *discoveryv1.EndpointSlice) { s.Endpoints = endpoints }))
			w.mustLook()
		}
	}
	w.wantExact(w.generated(80), 80)
	if e := w.event("FightingWriter"); e != nil {
		t.Errorf("Event: %s", e.Message)
	}
}

// TestEnded: a look tells when a Service has come to ask for no groups, or is gone: then
// nobody's gate waits for it any more.
func TestEnded(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world)
		ended  bool
	}{
		"it asks":            {func(*world) {}, false},
		"it asks no more":    {func(w *world) { w.annotate(neg.AnnotationNEG, "") }, true},
		"it is gone":         {func(w *world) { w.check(w.RemoveService("shop", "web")) }, true},
		"the cluster drains": {func(w *world) { w.scope.Empty = "the fleet file says state: draining" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			w.start(3, exposed(port80))
			w.mustLook()
			c.change(w)
			if found := w.mustLook(); found.Ended != c.ended {
				t.Errorf("ended: %v, want %v", found.Ended, c.ended)
			}
		})
	}
}
