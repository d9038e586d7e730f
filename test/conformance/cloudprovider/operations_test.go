package cloudprovider

import (
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud"
	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestOperationPolling: both ways of the library to await an operation end when the effect is
// there, and wait is asked again when it came back early.
func TestOperationPolling(t *testing.T) {
	for name, wait := range map[string]bool{"zoneOperations.wait": true, "zoneOperations.get": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fakegce.Options{OpLatency: 20 * time.Millisecond})
			usual := cloud.OperationsUseWait
			cloud.OperationsUseWait = wait
			defer func() { cloud.OperationsUseWait = usual }()
			w.must(w.server.AddFaults(fakegce.Fault{Verb: "zoneOperations.wait", Count: 2, WaitEarly: true}))
			w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group()))
			if groups := w.server.Groups(); len(groups) != 1 {
				t.Errorf("groups %v", groups)
			}
			asked := w.server.Calls(fakegce.CallFilter{Verb: "zoneOperations.*"})
			for _, call := range asked {
				if call.Verb != name || call.Status != 200 {
					t.Errorf("%s answered %d", call.Verb, call.Status)
				}
			}
			if len(asked) < 2 {
				t.Errorf("asked %d times", len(asked))
			}
		})
	}
}

// TestOperationLinks: from the link of an operation the library reads where it is.
func TestOperationLinks(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	g := group()
	g.Name = "a"
	inZone, err := w.service.GA.NetworkEndpointGroups.Insert(project, zone, g).Do()
	w.must(err)
	check := &compute.HealthCheck{Name: "h", Type: "TCP", TcpHealthCheck: &compute.TCPHealthCheck{Port: 80}}
	inRegion, err := w.service.GA.RegionHealthChecks.Insert(project, region, check).Do()
	w.must(err)
	everywhere, err := w.service.GA.HealthChecks.Insert(project, check).Do()
	w.must(err)
	for _, c := range []struct {
		op   *compute.Operation
		want cloud.ResourceID
	}{
		{inZone, cloud.ResourceID{Key: zonal(inZone.Name)}},
		{inRegion, cloud.ResourceID{Key: regional(inRegion.Name)}},
		{everywhere, cloud.ResourceID{Key: global(everywhere.Name)}},
	} {
		c.want.ProjectID, c.want.APIGroup, c.want.Resource = project, "compute", "operations"
		got, err := cloud.ParseResourceURL(c.op.SelfLink)
		if err != nil || !got.Equal(&c.want) {
			t.Errorf("%s is %v, %v; want %v", c.op.SelfLink, got, err, &c.want)
		}
		w.must(w.service.WaitForCompletion(t.Context(), c.op))
		if target, err := cloud.ParseResourceURL(c.op.TargetLink); err != nil || target.Key.Zone != c.want.Key.Zone || target.Key.Region != c.want.Key.Region {
			t.Errorf("%s is %v, %v", c.op.TargetLink, target, err)
		}
	}
}
