package conformance

import (
	"strings"

	"google.golang.org/api/compute/v1"
)

// loadBalancerChain: each link holds the next, and the backend service tells
// who refers to it.
func loadBalancerChain(w *world) {
	g := w.group("a")
	w.insert(g)
	bs := w.service(w.healthCheck("h"), g.Name)
	w.chainHolds(bs, w.serve(bs.SelfLink))
}

// serve leads a forwarding rule to a backend service; all that is between has one name.
func (w *world) serve(service string) (name string) {
	w.Helper()
	name = w.token + "-chain"
	w.done(w.svc.UrlMaps.Insert(w.Project, &compute.UrlMap{Name: name, DefaultService: service}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) { return w.svc.UrlMaps.Delete(w.Project, name).Context(w.ctx).Do() })
	w.done(w.svc.TargetHttpProxies.Insert(w.Project, &compute.TargetHttpProxy{Name: name, UrlMap: "global/urlMaps/" + name}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.TargetHttpProxies.Delete(w.Project, name).Context(w.ctx).Do()
	})
	w.done(w.svc.GlobalAddresses.Insert(w.Project, &compute.Address{Name: name}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.GlobalAddresses.Delete(w.Project, name).Context(w.ctx).Do()
	})
	address, err := w.svc.GlobalAddresses.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	w.done(w.svc.GlobalForwardingRules.Insert(w.Project, &compute.ForwardingRule{
		Name: name, Target: "global/targetHttpProxies/" + name, PortRange: "80", IPAddress: address.Address,
		LoadBalancingScheme: "EXTERNAL_MANAGED",
	}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.GlobalForwardingRules.Delete(w.Project, name).Context(w.ctx).Do()
	})
	return name
}

func (w *world) chainHolds(bs *compute.BackendService, name string) {
	w.Helper()
	rule, err := w.svc.GlobalForwardingRules.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil || rule.PortRange != "80-80" || !strings.HasSuffix(rule.Target, "/global/targetHttpProxies/"+name) {
		w.Errorf("forwarding rule %+v, %v", rule, err)
	}
	now := w.readService(bs.Name)
	if len(now.UsedBy) != 1 || !strings.HasSuffix(now.UsedBy[0].Reference, "/global/urlMaps/"+name) || now.Fingerprint != bs.Fingerprint {
		w.Errorf("used by %v, fingerprint %s of %s", now.UsedBy, now.Fingerprint, bs.Fingerprint)
	}
	_, err = w.svc.BackendServices.Delete(w.Project, bs.Name).Context(w.ctx).Do()
	w.refused(err, 400, "resourceInUseByAnotherResource", "is already being used by '")
	_, err = w.svc.UrlMaps.Delete(w.Project, name).Context(w.ctx).Do()
	w.refused(err, 400, "resourceInUseByAnotherResource", "is already being used by '")
	_, err = w.svc.TargetHttpProxies.Delete(w.Project, name).Context(w.ctx).Do()
	w.refused(err, 400, "resourceInUseByAnotherResource", "is already being used by '")
}

// regionalServices: services of a region live beside the global ones, and their
// operations are the region's.
func regionalServices(w *world) {
	here, name := w.region(), w.token+"-r"
	w.done(w.svc.RegionHealthChecks.Insert(w.Project, here, &compute.HealthCheck{
		Name: name, Type: "TCP", TcpHealthCheck: &compute.TCPHealthCheck{Port: 80},
	}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.RegionHealthChecks.Delete(w.Project, here, name).Context(w.ctx).Do()
	})
	w.done(w.svc.RegionBackendServices.Insert(w.Project, here, &compute.BackendService{
		Name: name, LoadBalancingScheme: "INTERNAL_MANAGED", Protocol: "HTTP",
		HealthChecks: []string{"regions/" + here + "/healthChecks/" + name},
	}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.RegionBackendServices.Delete(w.Project, here, name).Context(w.ctx).Do()
	})
	global := ""
	w.sees("regional backend services", []string{name + " in " + here}, func() (found []string) {
		all, err := w.svc.BackendServices.AggregatedList(w.Project).Filter(`name = "` + name + `"`).Context(w.ctx).Do()
		if err != nil {
			w.Fatal(err)
		}
		for _, s := range all.Items["regions/"+here].BackendServices {
			found = append(found, s.Name+" in "+s.Region[strings.LastIndex(s.Region, "/")+1:])
		}
		if all.Items["global"].Warning == nil {
			global = "the global scope has no warning"
		}
		return found
	})
	if global != "" {
		w.Error(global)
	}
}

func firewallRule(w *world) {
	name := w.token + "-w"
	w.done(w.svc.Firewalls.Insert(w.Project, &compute.Firewall{
		Name: name, Network: w.Network, SourceRanges: []string{"35.191.0.0/16", "130.211.0.0/22"},
		Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{"8080"}}},
	}).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) { return w.svc.Firewalls.Delete(w.Project, name).Context(w.ctx).Do() })
	got, err := w.svc.Firewalls.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil || got.Priority != 1000 || got.Direction != "INGRESS" || len(got.SourceRanges) != 2 || !strings.Contains(got.Network, "/global/networks/") {
		w.Errorf("firewall %+v, %v", got, err)
	}
}
