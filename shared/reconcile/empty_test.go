package reconcile_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestDraining: in a cluster that drains no key is to have anything, and the Service says so
// afterwards. Its own request is left as it is.
func TestDraining(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.start(4, exposed(port80))
	w.mustLook()
	if len(w.groups()) == 0 {
		t.Fatal("no groups to begin with")
	}
	w.scope.Empty = "the fleet file says state: draining"
	w.mustLook()
	if left := w.groups(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	s, _ := fakekube.Get[*corev1.Service](w.cluster, "shop", "web")
	if s.Annotations[neg.AnnotationNEG] != port80 || s.Annotations[neg.AnnotationStatus] != "" {
		t.Errorf("annotations: %v", s.Annotations)
	}
	if again := w.mustLook(); len(again.Taken) != 0 {
		t.Errorf("a second look took %v", again.Taken)
	}
}

// TestGone: what a gone cluster left goes, when each look proves anew that it is gone, that
// its instances are, and that nobody else uses it.
func TestGone(t *testing.T) {
	isGone := func(context.Context) error { return nil }
	instancesGone := fakegce.Fault{Verb: "instances.get", Status: 404}
	for name, c := range map[string]struct {
		prove   func(context.Context) error
		faults  []fakegce.Fault
		foreign bool
		reason  string // why nothing goes; empty: everything goes
	}{
		"proved":             {isGone, []fakegce.Fault{instancesGone}, false, ""},
		"back again":         {func(context.Context) error { return neg.Block("ClusterNotProvedGone", "it is alive") }, []fakegce.Fault{instancesGone}, false, "ClusterNotProvedGone"},
		"an instance is up":  {isGone, nil, false, "InstanceAlive"},
		"instances unknown":  {isGone, []fakegce.Fault{{Verb: "instances.get", Status: 403}}, false, "PermissionDenied"},
		"used by a stranger": {isGone, []fakegce.Fault{instancesGone}, true, "GroupInUse"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{})
			w.start(4, exposed(port80))
			w.mustLook()
			before := w.groups()
			if c.foreign {
				w.useGroup()
			}
			w.check(w.gce.AddFaults(c.faults...))
			w.scope.Cluster, w.scope.Gone = reconcile.Gone{Identity: w.scope.UID, Prove: c.prove}, true
			_, err := w.look()
			left := w.groups()
			var blocked *neg.BlockedError
			switch {
			case c.reason == "" && (err != nil || len(left) != 0):
				t.Errorf("%v, left: %v", err, left)
			case c.reason != "" && (!errors.As(err, &blocked) || blocked.Reason != c.reason || len(left) != len(before)):
				t.Errorf("%v, want %s; left %v", err, c.reason, left)
			}
		})
	}
}

// useGroup puts the first group into a backend service that is not ours.
func (w *world) useGroup() {
	w.t.Helper()
	g := w.gce.Groups()[0]
	cloud := w.cloud()
	check, id := neg.HealthCheckID{Name: "theirs"}, neg.BackendServiceID{Name: "theirs"}
	stranger := neg.Key{Cluster: "c9", Namespace: "x", Service: "y"}
	owner := neg.OwnerOf("00000000-1111-2222-3333-444444444444", stranger, 80)
	w.check(cloud.CreateHealthCheck(w.t.Context(), check, owner, neg.Fields{"type": "TCP"}))
	w.check(cloud.CreateBackendService(w.t.Context(), id, owner, neg.Fields{"protocol": "HTTP", "loadBalancingScheme": "EXTERNAL_MANAGED"}, check))
	w.check(cloud.AddBackends(w.t.Context(), id, "by hand", []neg.Backend{{
		Group: neg.GroupID{Zone: neg.Zone(g.Zone), Name: g.Name}, Fields: neg.Fields{"balancingMode": "RATE", "maxRatePerEndpoint": float64(100)},
	}}))
}
