package kube_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

var (
	made  = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	ready = made.Add(20 * time.Second)
)

// gatedPod is a running Pod whose containers are ready and whose gate says what is given.
func gatedPod(name string, gate ...corev1.PodCondition) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name)}
	p.CreationTimestamp = metav1.NewTime(made)
	p.Labels = map[string]string{"app": "web"}
	p.Spec.Containers = []corev1.Container{{Name: "main", Image: "example.test/app:1"}}
	p.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: neg.GateNEG}}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.1.0.2", PodIPs: []corev1.PodIP{{IP: "10.1.0.2"}}}
	p.Status.Conditions = append(gate, corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(ready)})
	return p
}

func gateIs(status corev1.ConditionStatus, reason string, at time.Time) corev1.PodCondition {
	return corev1.PodCondition{Type: neg.GateNEG, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(at)}
}

// TestGatedPods: the gates that are asked for, of Pods that are there to stay.
func TestGatedPods(t *testing.T) {
	w := newWorld(t)
	ungated, other, elsewhere, going, over := gatedPod("ungated"), gatedPod("other"), gatedPod("elsewhere"), gatedPod("going"), gatedPod("over")
	ungated.Spec.ReadinessGates = nil
	other.Spec.ReadinessGates[0].ConditionType = "theirs.test/gate"
	elsewhere.Labels = map[string]string{"app": "job"}
	going.DeletionTimestamp, going.Finalizers = &metav1.Time{Time: made}, []string{"example.test/x"}
	over.Status.Phase = corev1.PodSucceeded
	pending := gatedPod("pending")
	pending.Status = corev1.PodStatus{Phase: corev1.PodPending}
	w.apply(ungated, other, elsewhere, going, over, pending, gatedPod("closed", gateIs("False", "Why", made.Add(time.Minute))), gatedPod("open", gateIs("True", "Why", ready)))
	got, err := w.GatedPods(t.Context(), "shop", map[string]string{"app": "web"}, []string{neg.GateNEG, neg.GateLoadBalancer})
	w.check(err)
	pod := neg.GatedPod{Namespace: "shop", Labels: map[string]string{"app": "web"}, IP: netip.MustParseAddr("10.1.0.2"), Ready: ready, Changed: ready, Type: neg.GateNEG}
	closed, open, waits := pod, pod, pod
	closed.Name, closed.Written, closed.Gate, closed.Changed = "closed", true, neg.Gate{Reason: "Why"}, made.Add(time.Minute)
	open.Name, open.Written, open.Gate = "open", true, neg.Gate{Open: true, Reason: "Why"}
	waits.Name, waits.IP, waits.Ready, waits.Changed = "pending", netip.Addr{}, time.Time{}, made
	byAddress := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if d := cmp.Diff([]neg.GatedPod{closed, open, waits}, got, byAddress, cmpopts.IgnoreFields(neg.GatedPod{}, "UID")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if all, err := w.GatedPods(t.Context(), "shop", nil, []string{neg.GateNEG}); err != nil || len(all) != 4 {
		t.Errorf("%d Pods without a selector, %v; want 4", len(all), err)
	}
}

// TestDualStack: groups hold IPv4 addresses, whichever of its addresses a Pod calls the first.
func TestDualStack(t *testing.T) {
	for name, c := range map[string]struct {
		ips  []string
		want string
	}{
		"IPv4":              {[]string{"10.1.0.2"}, "10.1.0.2"},
		"IPv4, then IPv6":   {[]string{"10.1.0.2", "fd00::2"}, "10.1.0.2"},
		"IPv6, then IPv4":   {[]string{"fd00::2", "10.1.0.2"}, "10.1.0.2"},
		"IPv6":              {[]string{"fd00::2"}, "fd00::2"},
		"podIP, not podIPs": {nil, "10.1.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			w, pod := newWorld(t), gatedPod("web-1")
			pod.Status.PodIPs = nil
			for i, ip := range c.ips {
				if pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: ip}); i == 0 {
					pod.Status.PodIP = ip
				}
			}
			w.apply(pod)
			got, err := w.GatedPods(t.Context(), "shop", nil, []string{neg.GateNEG})
			w.check(err)
			if len(got) != 1 || got[0].IP != netip.MustParseAddr(c.want) {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}

// TestSetGate: exactly that condition, of exactly that Pod; its time moves with its status.
func TestSetGate(t *testing.T) {
	w := newWorld(t)
	w.apply(gatedPod("web-1"))
	read := func() neg.GatedPod {
		t.Helper()
		pods, err := w.GatedPods(t.Context(), "shop", nil, []string{neg.GateNEG})
		w.check(err)
		return pods[0]
	}
	conditions := func() []corev1.PodCondition {
		p, _ := fakekube.Get[*corev1.Pod](w.fake, "shop", "web-1")
		return p.Status.Conditions
	}
	containers := conditions()
	set := func(gate neg.Gate, status corev1.ConditionStatus, at time.Time) {
		t.Helper()
		w.check(w.SetGate(t.Context(), read(), gate))
		want := gateIs(status, gate.Reason, at)
		want.Message = gate.Message
		byType := cmpopts.SortSlices(func(a, b corev1.PodCondition) bool { return a.Type < b.Type })
		if d := cmp.Diff(append([]corev1.PodCondition{want}, containers...), conditions(), byType); d != "" {
			t.Errorf("conditions (-want +got):\n%s", d)
		}
	}
	first := w.clock()
	set(neg.Gate{Reason: "A", Message: "a"}, "False", first)
	w.advance(time.Minute)
	set(neg.Gate{Reason: "B", Message: "b"}, "False", first)
	set(neg.Gate{Open: true, Reason: "C", Message: "c"}, "True", w.clock())

	old := read()
	w.check(w.fake.Delete(gatedPod("web-1")))
	w.check(w.SetGate(t.Context(), old, neg.Gate{Reason: "D"})) // gone
	w.apply(gatedPod("web-1"))
	w.server.ResetCalls()
	w.check(w.SetGate(t.Context(), old, neg.Gate{Reason: "D"})) // another one of that name
	if d := cmp.Diff(containers, conditions()); d != "" {
		t.Errorf("written on another Pod (-want +got):\n%s", d)
	}
	if calls := w.server.Calls().Count("patch", "pods/status"); calls != 1 {
		t.Errorf("%d patches: the test does not reach the API server", calls)
	}
	for status, want := range map[int]neg.Outcome{409: neg.Done, 503: neg.Again, 403: neg.Blocked} {
		fault := w.server.Inject(fakekube.Fault{Verb: "patch", Status: status})
		if err := w.SetGate(t.Context(), read(), neg.Gate{Reason: "E"}); neg.OutcomeOf(err) != want {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
		fault.Lift()
	}
}

// TestRenewLease: it is made at first, then renewed.
func TestRenewLease(t *testing.T) {
	w := newWorld(t)
	w.apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: neg.LeaseNamespace}})
	for range 2 {
		w.check(w.RenewLease(t.Context(), "me"))
		lease, ok := fakekube.Get[*coordinationv1.Lease](w.fake, neg.LeaseNamespace, neg.LeaseName)
		if !ok || !lease.Spec.RenewTime.Time.Equal(w.clock()) || *lease.Spec.HolderIdentity != "me" || *lease.Spec.LeaseDurationSeconds != 1500 {
			t.Errorf("at %v: %v", w.clock(), lease)
		}
		w.advance(time.Hour)
	}
	w.server.Inject(fakekube.Fault{Resource: "leases", Status: 403})
	if err := w.RenewLease(t.Context(), "me"); reasonOf(err) != "ClusterPermissionDenied" {
		t.Errorf("forbidden: %v", err)
	}
}
