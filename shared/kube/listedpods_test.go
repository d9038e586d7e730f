package kube_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// TestPods: what gates are about, of Pods that are there to stay.
func TestPods(t *testing.T) {
	w := newWorld(t)
	ungated, host, out, going, over := gatedPod("ungated"), gatedPod("host"), gatedPod("out"), gatedPod("going"), gatedPod("over")
	ungated.Spec.ReadinessGates = nil
	host.Spec.HostNetwork = true
	out.Annotations = map[string]string{neg.Inject: neg.InjectDisabled}
	going.DeletionTimestamp, going.Finalizers = &metav1.Time{Time: made}, []string{"example.test/x"}
	over.Status.Phase = corev1.PodFailed
	w.apply(ungated, host, out, going, over, gatedPod("closed", gateIs("False", "Why", made)), gatedPod("open", gateIs("True", "Why", ready)))
	got := map[string]neg.ListedPod{}
	w.check(w.Pods(t.Context(), "shop", func(page []neg.ListedPod) {
		for _, p := range page {
			got[p.Name] = p
		}
	}))
	gates := []string{neg.GateNEG}
	want := map[string]neg.ListedPod{
		"ungated": {}, "host": {Gates: gates, Closed: gates, Exempt: true}, "out": {Gates: gates, Closed: gates, Exempt: true},
		"closed": {Gates: gates, Closed: gates}, "open": {Gates: gates, Closed: []string{}},
	}
	for name, p := range want {
		p.Namespace, p.Name, p.Labels, p.Ready = "shop", name, map[string]string{"app": "web"}, true
		want[name] = p
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestOptedIn: by label, and without one where the fleet file says so; never those that the
// registration leaves out.
func TestOptedIn(t *testing.T) {
	w := newWorld(t)
	for name, label := range map[string]string{"in": "enabled", "out": "disabled", "else": "yes", "silent": "", "gmp-system": "enabled"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if label != "" {
			ns.Labels = map[string]string{neg.Inject: label}
		}
		w.check(w.fake.Apply(ns))
	}
	for unlabelled, want := range map[bool][]string{false: {"in"}, true: {"default", "else", "in", "silent"}} {
		got, err := w.OptedIn(t.Context(), unlabelled)
		w.check(err)
		maps.DeleteFunc(got, func(_ string, in bool) bool { return !in })
		if d := cmp.Diff(want, slices.Sorted(maps.Keys(got))); d != "" {
			t.Errorf("unlabelled %t (-want +got):\n%s", unlabelled, d)
		}
	}
}

// TestNeverAskedIsTheRegistrations: the namespaces that are left out are those of the
// webhook's registration.
func TestNeverAskedIsTheRegistrations(t *testing.T) {
	template, err := os.ReadFile("../../infra/webhook.yaml.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`key: kubernetes.io/metadata.name, operator: NotIn, values: \[([^]]+)]`).FindSubmatch(template)
	if m == nil {
		t.Fatal("the registration leaves out no namespace by name")
	}
	w := newWorld(t)
	for name := range strings.SplitSeq(string(m[1]), ", ") {
		w.check(w.fake.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{neg.Inject: neg.InjectEnabled}}}))
	}
	got, err := w.OptedIn(t.Context(), false)
	w.check(err)
	for name, in := range got {
		if in {
			t.Errorf("%s is left out by the registration", name)
		}
	}
}
