package reconcile_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// attached counts the endpoints in all groups.
func (w *world) attached() (n int) {
	for _, g := range w.gce.Groups() {
		n += len(g.Endpoints)
	}
	return n
}

// TestKeepServing: a Pod that was told to stop stays attached while it answers, until its
// time is over, and the look says when that is. One that answers no more goes at once.
func TestKeepServing(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	late := time.Duration(0)
	w.r.Now = func() time.Time { return time.Now().Add(late) }
	w.start(4, with(exposed(port80), neg.AnnotationKeepServing, "60s"))
	if found := w.mustLook(); !found.Due.IsZero() {
		t.Errorf("nothing terminates, and yet another look is due at %v", found.Due)
	}
	pods := fakekube.List[*corev1.Pod](w.cluster, "shop", nil)
	w.check(w.Terminate("shop", pods[0].Name))
	w.check(w.Terminate("shop", pods[1].Name))
	w.check(w.SetContainersReady("shop", pods[1].Name, false))
	told := time.Now()
	found := w.mustLook()
	if n := w.attached(); n != 3 {
		t.Errorf("%d endpoints are attached, want two that live and one that serves on", n)
	}
	if after := found.Due.Sub(told); after < 58*time.Second || after > 61*time.Second {
		t.Errorf("the next look is due in %v, want 60 s", after)
	}
	w.still("while it serves")
	late = 62 * time.Second
	if found = w.mustLook(); !found.Due.IsZero() || w.attached() != 2 {
		t.Errorf("after its time %d endpoints are attached, want 2; due %v", w.attached(), found.Due)
	}
}

// TestKeepServingGone: the Pod's own end ends it, too.
func TestKeepServingGone(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationKeepServing, "1h"))
	w.mustLook()
	w.check(w.Terminate("shop", fakekube.List[*corev1.Pod](w.cluster, "shop", nil)[0].Name))
	w.mustLook()
	w.Reap("shop")
	w.mustLook()
	w.wantExact(w.generated(80), 80)
}

// TestKeepServingMistake: what cannot be read keeps nobody, is told, and stops nothing.
func TestKeepServingMistake(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(3, with(exposed(port80), neg.AnnotationKeepServing, "forever"))
	w.mustLook()
	w.check(w.Terminate("shop", fakekube.List[*corev1.Pod](w.cluster, "shop", nil)[0].Name))
	w.mustLook()
	w.wantExact(w.generated(80), 80)
	if e := w.event("InvalidAnnotation"); e == nil || !strings.Contains(e.Message, `"forever": want whole seconds from 1s to 1h0m0s`) {
		t.Errorf("Event %+v", e)
	}
}
