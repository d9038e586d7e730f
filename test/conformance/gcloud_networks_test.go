package conformance

import (
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestGcloudBuildsAWorld: a network, a subnetwork and an instance need no seed, and a
// group that nobody deleted keeps the network.
func TestGcloudBuildsAWorld(t *testing.T) {
	server := fakegce.New(fakegce.Options{})
	g := newGcloud(t, fakegce.Start(t, server), "p1")
	const zone = " --zone=us-central1-a"
	g.must("networks create lan --subnet-mode=custom")
	g.must("networks subnets create pods --network=lan --range=10.50.0.0/20 --secondary-range=more=10.51.0.0/16 --region=us-central1")
	g.must("instances create vm --machine-type=e2-small --network-interface=subnet=pods,aliases=more:10.51.3.0/24" + zone)
	g.must("network-endpoint-groups create leaked --network=lan --subnet=pods" + zone)
	g.must("network-endpoint-groups update leaked --add-endpoint=instance=vm,ip=10.51.3.9,port=80" + zone)
	if members := server.Groups()[0].Endpoints; len(members) != 1 {
		t.Errorf("endpoints %v", members)
	}
	g.must("instances delete vm" + zone)
	_, stderr, err := g.run("networks subnets delete pods --region=us-central1")
	if err == nil || !strings.Contains(stderr, "is already being used by 'projects/p1/zones/us-central1-a/networkEndpointGroups/leaked'") {
		t.Errorf("deleting the subnetwork: %v\n%s", err, stderr)
	}
	g.must("network-endpoint-groups delete leaked" + zone)
	g.must("network-endpoint-groups create leaked --network=lan" + zone)
	g.must("networks subnets delete pods --region=us-central1")
	_, stderr, err = g.run("networks delete lan")
	if err == nil || !strings.Contains(stderr, "is already being used by 'projects/p1/zones/us-central1-a/networkEndpointGroups/leaked'") {
		t.Errorf("deleting the network: %v\n%s", err, stderr)
	}
	g.must("network-endpoint-groups delete leaked" + zone)
	g.must("networks delete lan")
}
