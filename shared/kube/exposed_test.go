package kube_test

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

func TestLeaseRenewed(t *testing.T) {
	w := newWorld(t)
	if at, err := w.LeaseRenewed(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("no Lease: %s, %v", at, err)
	}
	renewed := metav1.NewMicroTime(time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC))
	w.check(w.fake.Apply(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: neg.LeaseNamespace, Name: neg.LeaseName}, Spec: coordinationv1.LeaseSpec{RenewTime: &renewed},
	}))
	if at, err := w.LeaseRenewed(t.Context()); err != nil || !at.Equal(renewed.Time) {
		t.Errorf("%s, %v", at, err)
	}
	w.server.Inject(fakekube.Fault{Resource: "leases", Status: 403})
	if _, err := w.LeaseRenewed(t.Context()); len(neg.BlockedReasons(err)) == 0 {
		t.Errorf("forbidden: %v", err)
	}
}

// TestExposedSlices: a Service that asks for groups has its slices, also none; another has
// no place at all.
func TestExposedSlices(t *testing.T) {
	w := newWorld(t)
	pods, err := w.fake.NewWorld(fakekube.Layout{Project: "p1", Nodes: 2, Zones: []string{"us-central1-a"}})
	w.check(err)
	for _, name := range []string{"web", "plain"} {
		w.check(pods.Deploy(fakekube.Deployment{Namespace: "shop", Name: name, Replicas: 3}))
	}
	for name, annotations := range map[string]map[string]string{"web": {neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}, "idle": {neg.AnnotationNEG: `{}`}, "plain": nil} {
		w.check(pods.AddService(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Annotations: annotations},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
		}))
	}
	got, err := w.ExposedSlices(t.Context())
	w.check(err)
	endpoints := func(name string) (n int) {
		for _, s := range got[neg.Key{Cluster: "c1", Namespace: "shop", Service: name}] {
			n += len(s.Endpoints)
		}
		return n
	}
	if _, there := got[neg.Key{Cluster: "c1", Namespace: "shop", Service: "plain"}]; there || len(got) != 2 || endpoints("web") != 3 || endpoints("idle") != 0 {
		t.Errorf("%v", got)
	}
}
