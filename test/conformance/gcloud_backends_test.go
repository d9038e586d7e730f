package conformance

import (
	"strings"
	"testing"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestGcloudLoadBalancer builds a load balancer, changes it and takes it down.
func TestGcloudLoadBalancer(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	g := newGcloud(t, fakegce.Start(t, server), target.Project)
	zone := " --zone=" + target.Zone
	group := " --network-endpoint-group=a --network-endpoint-group-zone=" + target.Zone
	for _, args := range []string{
		"network-endpoint-groups create a" + zone + " --network=default --subnet=default",
		"network-endpoint-groups update a" + zone + " --add-endpoint=instance=node-1,ip=10.8.0.1,port=8080",
		"health-checks create http h --global --use-serving-port --request-path=/healthz",
		"health-checks update http h --global --check-interval=15s",
		"backend-services create s --global --protocol=HTTP --health-checks=h --load-balancing-scheme=EXTERNAL_MANAGED",
		"backend-services add-backend s --global --balancing-mode=RATE --max-rate-per-endpoint=100" + group,
		"backend-services update s --global --timeout=45s",
		"url-maps create m --global --default-service=s",
		"target-http-proxies create p --global --url-map=m --global-url-map",
		"forwarding-rules create f --global --target-http-proxy=p --ports=80 --load-balancing-scheme=EXTERNAL_MANAGED",
	} {
		g.must(args)
	}
	var service struct {
		TimeoutSec int
		Backends   []struct{ Group, BalancingMode string }
		UsedBy     []struct{ Reference string }
	}
	decode(t, g.must("backend-services describe s --global --format=json"), &service)
	if len(service.Backends) != 1 || service.TimeoutSec != 45 || len(service.UsedBy) != 1 {
		t.Errorf("described as %+v", service)
	}
	var rule struct{ PortRange, Target string }
	decode(t, g.must("forwarding-rules describe f --global --format=json"), &rule)
	if rule.PortRange != "80-80" || !strings.HasSuffix(rule.Target, "/global/targetHttpProxies/p") {
		t.Errorf("described as %+v", rule)
	}
	g.must("backend-services get-health s --global")
	if _, stderr, err := g.run("network-endpoint-groups delete a" + zone); err == nil || !strings.Contains(stderr, "is already being used by 'projects/p1/global/backendServices/s'") {
		t.Errorf("%v\n%s", err, stderr)
	}
	for _, args := range []string{
		"backend-services remove-backend s --global" + group,
		"forwarding-rules delete f --global",
		"target-http-proxies delete p --global",
		"url-maps delete m --global",
		"backend-services delete s --global",
		"health-checks delete h --global",
		"network-endpoint-groups delete a" + zone,
	} {
		g.must(args)
	}
	if health := server.Calls(fakegce.CallFilter{Verb: "backendServices.getHealth"}); len(health) != 1 || health[0].Status != 200 {
		t.Errorf("asked for health: %+v", health)
	}
}

// TestGcloudOperations: operations of every scope are found, by where they are.
func TestGcloudOperations(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	g := newGcloud(t, fakegce.Start(t, server), target.Project)
	here := " --region=" + target.Zone[:strings.LastIndex(target.Zone, "-")]
	g.must("health-checks create tcp h --port=80" + here)
	g.must("backend-services create s --load-balancing-scheme=INTERNAL_MANAGED --protocol=HTTP --health-checks=h --health-checks-region=" + strings.TrimPrefix(here, " --region=") + here)
	g.must("health-checks create grpc h --port=80 --global")
	var list []struct{ Name, Region, OperationType string }
	decode(t, g.must("operations list --format=json"), &list)
	if len(list) != 3 {
		t.Fatalf("listed %+v", list)
	}
	for _, op := range list {
		where := here
		if op.Region == "" {
			where = " --global"
		}
		var found struct{ Status, OperationType string }
		decode(t, g.must("operations describe "+op.Name+where+" --format=json"), &found)
		if found.Status != "DONE" || found.OperationType != "insert" {
			t.Errorf("described as %+v", found)
		}
	}
}
