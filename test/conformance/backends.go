package conformance

import (
	"slices"
	"strings"

	"google.golang.org/api/compute/v1"
)

// healthCheck makes one that probes the serving port.
func (w *world) healthCheck(name string) *compute.HealthCheck {
	w.Helper()
	hc := &compute.HealthCheck{
		Name: w.token + "-" + name, Type: "HTTP", CheckIntervalSec: 15,
		HttpHealthCheck: &compute.HTTPHealthCheck{PortSpecification: "USE_SERVING_PORT", RequestPath: "/healthz"},
	}
	w.done(w.svc.HealthChecks.Insert(w.Project, hc).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.HealthChecks.Delete(w.Project, hc.Name).Context(w.ctx).Do()
	})
	return w.readHealthCheck(hc.Name)
}

func (w *world) readHealthCheck(name string) *compute.HealthCheck {
	w.Helper()
	hc, err := w.svc.HealthChecks.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	return hc
}

// service makes a backend service that has the groups.
func (w *world) service(hc *compute.HealthCheck, groups ...string) *compute.BackendService {
	w.Helper()
	bs := &compute.BackendService{
		Name: w.token + "-s", Description: w.token, LoadBalancingScheme: "EXTERNAL_MANAGED", Protocol: "HTTP",
		HealthChecks: []string{hc.SelfLink},
	}
	for _, group := range groups {
		bs.Backends = append(bs.Backends, w.backend(group))
	}
	w.done(w.svc.BackendServices.Insert(w.Project, bs).Context(w.ctx).Do())
	w.discard(func() (*compute.Operation, error) {
		return w.svc.BackendServices.Delete(w.Project, bs.Name).Context(w.ctx).Do()
	})
	return w.readService(bs.Name)
}

func (w *world) backend(group string) *compute.Backend {
	return &compute.Backend{Group: w.groupLink(group), BalancingMode: "RATE", MaxRatePerEndpoint: 100, CapacityScaler: 1}
}

func (w *world) groupLink(group string) string {
	return "projects/" + w.Project + "/zones/" + w.Zone + "/networkEndpointGroups/" + group
}

func (w *world) readService(name string) *compute.BackendService {
	w.Helper()
	bs, err := w.svc.BackendServices.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	return bs
}

func (w *world) patchService(name string, change *compute.BackendService) (*compute.Operation, error) {
	return w.svc.BackendServices.Patch(w.Project, name, change).Context(w.ctx).Do()
}

func healthCheckLife(w *world) {
	hc := w.healthCheck("h")
	if hc.CheckIntervalSec != 15 || hc.TimeoutSec != 5 || hc.HealthyThreshold != 2 || hc.UnhealthyThreshold != 2 {
		w.Errorf("every %d s for %d s, %d and %d times", hc.CheckIntervalSec, hc.TimeoutSec, hc.HealthyThreshold, hc.UnhealthyThreshold)
	}
	w.done(w.svc.HealthChecks.Patch(w.Project, hc.Name, &compute.HealthCheck{HealthyThreshold: 1}).Context(w.ctx).Do())
	now := w.readHealthCheck(hc.Name)
	if now.HealthyThreshold != 1 || now.CheckIntervalSec != 15 || now.HttpHealthCheck.RequestPath != "/healthz" {
		w.Errorf("after a patch: %+v", now)
	}
	_, err := w.svc.HealthChecks.Insert(w.Project, &compute.HealthCheck{
		Name: w.token + "-bad", Type: "TCP", TcpHealthCheck: &compute.TCPHealthCheck{PortSpecification: "USE_NAMED_PORT"},
	}).Context(w.ctx).Do()
	w.refused(err, 400, "invalid", "portSpecification")
}

// fingerprints: a change names the current one, and leaves another.
func fingerprints(w *world) {
	g := w.group("a")
	w.insert(g)
	bs := w.service(w.healthCheck("h"), g.Name)
	op, err := w.patchService(bs.Name, &compute.BackendService{TimeoutSec: 40})
	w.Logf("without a fingerprint: %v", err)
	if c := code(err); c != 400 && c != 412 {
		w.done(op, err)
	}
	bs = w.readService(bs.Name)
	w.done(w.patchService(bs.Name, &compute.BackendService{TimeoutSec: 41, Fingerprint: bs.Fingerprint}))
	now := w.readService(bs.Name)
	if now.TimeoutSec != 41 || now.Fingerprint == bs.Fingerprint || len(now.Backends) != 1 {
		w.Errorf("after a patch: %d s, %s of %s, %d backends", now.TimeoutSec, now.Fingerprint, bs.Fingerprint, len(now.Backends))
	}
	_, err = w.patchService(bs.Name, &compute.BackendService{TimeoutSec: 42, Fingerprint: bs.Fingerprint})
	w.refused(err, 412, "conditionNotMet", "Invalid fingerprint.")
	w.done(w.attach(g.Name, w.endpoint(0)))
	if again := w.readService(bs.Name); again.Fingerprint != now.Fingerprint {
		w.Errorf("an attach changed %s to %s", now.Fingerprint, again.Fingerprint)
	}
}

// backendsWhole: a patch replaces backends whole, and an empty list has to be
// forced.
func backendsWhole(w *world) {
	a, b := w.group("a"), w.group("b")
	w.insert(a)
	w.insert(b)
	bs := w.service(w.healthCheck("h"), a.Name)
	for _, step := range []struct {
		backends []*compute.Backend
		force    []string
		want     []string
	}{
		{[]*compute.Backend{w.backend(a.Name), w.backend(b.Name)}, nil, []string{a.Name, b.Name}},
		{nil, nil, []string{a.Name, b.Name}},
		{[]*compute.Backend{w.backend(b.Name)}, nil, []string{b.Name}},
		{[]*compute.Backend{}, []string{"Backends"}, nil},
	} {
		now := w.readService(bs.Name)
		w.done(w.patchService(bs.Name, &compute.BackendService{
			Fingerprint: now.Fingerprint, Backends: step.backends, ForceSendFields: step.force,
		}))
		var got []string
		for _, backend := range w.readService(bs.Name).Backends {
			got = append(got, backend.Group[strings.LastIndex(backend.Group, "/")+1:])
		}
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			w.Errorf("groups %v, want %v", got, step.want)
		}
	}
	now := w.readService(bs.Name)
	_, err := w.patchService(bs.Name, &compute.BackendService{
		Fingerprint: now.Fingerprint, Backends: []*compute.Backend{w.backend(a.Name), w.backend(a.Name)},
	})
	w.refused(err, 400, "invalid", "Duplicate network endpoint groups in backend service.")
}

// groupInUse: a group cannot go while a backend service has it.
func groupInUse(w *world) {
	g := w.group("a")
	w.insert(g)
	bs := w.service(w.healthCheck("h"), g.Name)
	_, err := w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, g.Name).Context(w.ctx).Do()
	w.refused(err, 400, "resourceInUseByAnotherResource", "is already being used by '")
	_, err = w.svc.HealthChecks.Delete(w.Project, w.token+"-h").Context(w.ctx).Do()
	w.refused(err, 400, "resourceInUseByAnotherResource", "is already being used by '")
	health, err := w.svc.BackendServices.GetHealth(w.Project, bs.Name, &compute.ResourceGroupReference{Group: w.groupLink(g.Name)}).Context(w.ctx).Do()
	if err != nil || health.Kind != "compute#backendServiceGroupHealth" || len(health.HealthStatus) > 0 {
		w.Errorf("health of a group without endpoints: %+v, %v", health, err)
	}
	w.done(w.svc.BackendServices.Delete(w.Project, bs.Name).Context(w.ctx).Do())
	w.done(w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, g.Name).Context(w.ctx).Do())
}
