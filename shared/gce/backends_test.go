package gce_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

const (
	mark         = "negfleet:7c1e7a0e-2cbd05b4"
	patchService = "backendServices.patch"
	services     = "projects/p1/global/backendServices"
)

var (
	shop  = neg.BackendServiceID{Name: "shop"}
	probe = neg.HealthCheckID{Name: "shop"}
	rate  = neg.Fields{"balancingMode": "RATE", "maxRatePerEndpoint": 100.0}
)

// do sends what someone else would.
func (c *cloud) do(method, path, body string) map[string]any {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	c.check(err)
	res, err := http.DefaultClient.Do(req)
	c.check(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	c.check(err)
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	answer := map[string]any{}
	c.check(json.Unmarshal(raw, &answer))
	return answer
}

func groupNamed(name string) neg.GroupID { return neg.GroupID{Zone: zone, Name: name} }

// serve makes groups a, b and c, the health check and the backend service shop.
func (c *cloud) serve() {
	c.t.Helper()
	for _, name := range []string{"a", "b", "c"} {
		c.check(c.CreateGroup(c.t.Context(), groupNamed(name), owner))
	}
	c.check(c.CreateHealthCheck(c.t.Context(), probe, owner, neg.Fields{"type": "HTTP", "httpHealthCheck.requestPath": "/ready"}))
	c.check(c.CreateBackendService(c.t.Context(), shop, owner, neg.Fields{"protocol": "HTTP", "loadBalancingScheme": "EXTERNAL_MANAGED"}, probe))
}

func (c *cloud) service() neg.BackendService {
	c.t.Helper()
	s, exists, err := c.BackendService(c.t.Context(), shop)
	c.check(err)
	if !exists {
		c.t.Fatal("the backend service is not there")
	}
	return s
}

// entries are the backends on the wire: "NAME DESCRIPTION FIELDS".
func (c *cloud) entries() []string {
	var list []string
	for _, b := range c.service().Backends {
		description, _ := b.Fields["description"].(string)
		delete(b.Fields, "description")
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s", b.Group.Name, description, b.Fields)))
	}
	return list
}

func (c *cloud) wantEntries(want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.entries()); diff != "" {
		c.t.Errorf("backends (-want +got):\n%s", diff)
	}
}

func TestBackendServiceLife(t *testing.T) {
	c := newCloud(t, fakegce.Options{OpLatency: time.Millisecond})
	c.serve()
	ctx := t.Context()
	c.check(c.AddBackends(ctx, shop, mark, []neg.Backend{
		{Group: groupNamed("a"), Fields: rate, Initial: neg.Fields{"capacityScaler": 0.0}},
		{Group: groupNamed("b"), Fields: rate},
	}))
	c.wantEntries("a "+mark+" balancingMode=RATE capacityScaler=0 maxRatePerEndpoint=100", "b "+mark+" balancingMode=RATE capacityScaler=1 maxRatePerEndpoint=100")
	s := c.service()
	if s.HealthCheck != probe || s.Entries != 2 || s.Users != nil || s.Fields["timeoutSec"] != 30.0 || s.Fields["description"] != owner.Description() {
		t.Errorf("service %+v", s)
	}

	c.check(c.UpdateBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("b"), Fields: neg.Fields{"maxRatePerEndpoint": 7.5}}}))
	c.check(c.UpdateBackendService(ctx, shop, neg.Fields{"timeoutSec": 60.0, "connectionDraining.drainingTimeoutSec": 20.0}, probe))
	c.check(c.UpdateHealthCheck(ctx, probe, neg.Fields{"checkIntervalSec": 15.0, "httpHealthCheck.host": "shop.example"}))
	c.wantEntries("a "+mark+" balancingMode=RATE capacityScaler=0 maxRatePerEndpoint=100", "b "+mark+" balancingMode=RATE capacityScaler=1 maxRatePerEndpoint=7.5")
	s = c.service()
	if s.Fields["timeoutSec"] != 60.0 || s.Fields["connectionDraining.drainingTimeoutSec"] != 20.0 || s.Fields["protocol"] != "HTTP" {
		t.Errorf("service %v", s.Fields)
	}
	check, _, err := c.HealthCheck(ctx, probe)
	c.check(err)
	if f := check.Fields; f["checkIntervalSec"] != 15.0 || f["httpHealthCheck.host"] != "shop.example" || f["httpHealthCheck.requestPath"] != "/ready" {
		t.Errorf("health check %v", f)
	}
	c.check(c.UpdateHealthCheck(ctx, probe, neg.Fields{"type": "TCP", "tcpHealthCheck.port": 9000.0}))
	if check, _, err = c.HealthCheck(ctx, probe); err != nil || check.Fields["httpHealthCheck.requestPath"] != nil || check.Fields["tcpHealthCheck.port"] != 9000.0 {
		t.Errorf("health check of another type: %v, %v", check.Fields, err)
	}

	if err := c.DeleteGroup(ctx, groupNamed("a"), time.Time{}); reasonOf(err) != "GroupInUse" {
		t.Errorf("deleting a group in use: %v", err)
	}
	c.check(c.RemoveBackends(ctx, shop, mark, []neg.GroupID{groupNamed("a"), groupNamed("b"), groupNamed("c")}, time.Time{}))
	c.wantEntries()
	c.check(c.DeleteBackendService(ctx, shop, time.Time{}))
	c.check(c.DeleteHealthCheck(ctx, probe, time.Time{}))
	for range 2 { // what is gone is done
		c.check(c.DeleteBackendService(ctx, shop, time.Time{}))
		c.check(c.DeleteHealthCheck(ctx, probe, time.Time{}))
		c.check(c.RemoveBackends(ctx, shop, mark, []neg.GroupID{groupNamed("a")}, time.Time{}))
	}
	if _, exists, err := c.BackendService(ctx, shop); exists || err != nil {
		t.Errorf("after deletion: %v, %v", exists, err)
	}
}

// What others wrote goes through byte for byte: fields nobody here knows, zeros, the order.
func TestForeignBackendsStay(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	c.serve()
	theirs := `{"group":"https://www.googleapis.com/compute/v1/projects/p1/zones/us-central1-a/networkEndpointGroups/b","balancingMode":"RATE","maxRatePerEndpoint":1,` +
		`"capacityScaler":0,"somethingNew":{"z":0,"a":[1.50,null]},"description":"terraform"}`
	fingerprint, _ := c.do("GET", services+"/shop", "")["fingerprint"].(string)
	c.do("PATCH", services+"/shop", `{"fingerprint":"`+fingerprint+`","backends":[`+theirs+`]}`)
	before := rawBackends(c)
	ctx := t.Context()
	c.check(c.AddBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: rate}, {Group: groupNamed("b"), Fields: rate}}))
	c.check(c.UpdateBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: neg.Fields{"capacityScaler": 0.5}}}))
	if after := rawBackends(c); len(after) != 2 || after[0] != before[0] {
		t.Errorf("entries\nbefore %s\nafter  %s", before, after)
	}
	c.check(c.RemoveBackends(ctx, shop, mark, []neg.GroupID{groupNamed("a"), groupNamed("b")}, time.Time{}))
	if after := rawBackends(c); !slices.Equal(after, before) {
		t.Errorf("entries\nbefore %s\nafter  %s", before, after)
	}
	if err := c.UpdateBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("b"), Fields: rate}}); reasonOf(err) != "BackendTaken" {
		t.Errorf("changing an entry of someone else: %v", err)
	}
}

func rawBackends(c *cloud) []string {
	var list []string
	backends, _ := c.do("GET", services+"/shop", "")["backends"].([]any)
	for _, b := range backends {
		raw, err := json.Marshal(b)
		c.check(err)
		list = append(list, string(raw))
	}
	return list
}

// An entry without a word whose it is can be taken over.
func TestBackendTakenOver(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	c.serve()
	fingerprint, _ := c.do("GET", services+"/shop", "")["fingerprint"].(string)
	c.do("PATCH", services+"/shop", `{"fingerprint":"`+fingerprint+`","backends":[{"group":"zones/us-central1-a/networkEndpointGroups/a","balancingMode":"RATE","maxRatePerEndpoint":1}]}`)
	c.check(c.UpdateBackends(t.Context(), shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: neg.Fields{}}}))
	c.wantEntries("a " + mark + " balancingMode=RATE capacityScaler=1 maxRatePerEndpoint=1")
}

// Another writer's change in between is read and kept; one that never stops is left for later.
func TestStaleFingerprint(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	c.serve()
	c.fault(fakegce.Fault{Name: "once", Verb: patchService, Count: 4, Status: 412, Reason: "conditionNotMet"})
	add := []neg.Backend{{Group: groupNamed("a"), Fields: rate}}
	c.check(c.AddBackends(t.Context(), shop, mark, add))
	c.wantCalls(patchService, 5)
	c.wantEntries("a " + mark + " balancingMode=RATE capacityScaler=1 maxRatePerEndpoint=100")
	c.check(c.AddBackends(t.Context(), shop, mark, add))
	c.wantCalls(patchService, 5) // there already: nothing sent

	c.fault(fakegce.Fault{Name: "always", Verb: patchService, Status: 412, Reason: "conditionNotMet"})
	err := c.RemoveBackends(t.Context(), shop, mark, []neg.GroupID{groupNamed("a")}, time.Time{})
	if neg.OutcomeOf(err) != neg.Again {
		t.Errorf("stale for ever: %v", err)
	}
	c.wantCalls(patchService, 10)
}

func TestBackendServiceRefusals(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	c.serve()
	ctx := t.Context()
	c.do("POST", services, `{"name":"theirs"}`)
	c.do("POST", "projects/p1/global/healthChecks", `{"name":"theirs","type":"TCP"}`)
	c.do("POST", "projects/p1/global/urlMaps", `{"name":"m","defaultService":"global/backendServices/shop"}`)
	other := neg.OwnerOf(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "other"}, 80)
	past := time.Now().Add(-time.Minute)
	for _, tc := range []struct {
		what string
		err  error
		want string
	}{
		{"a health check of someone else", c.CreateHealthCheck(ctx, neg.HealthCheckID{Name: "theirs"}, owner, neg.Fields{"type": "TCP"}), "NameTaken"},
		{"a health check of another Service", c.CreateHealthCheck(ctx, probe, other, neg.Fields{"type": "TCP"}), "NameTaken"},
		{"a backend service of someone else", c.CreateBackendService(ctx, neg.BackendServiceID{Name: "theirs"}, owner, nil, probe), "NameTaken"},
		{"ours already", c.CreateBackendService(ctx, shop, owner, nil, probe), ""},
		{"no such backend service", c.AddBackends(ctx, neg.BackendServiceID{Name: "none"}, mark, []neg.Backend{{Group: groupNamed("a"), Fields: rate}}), "BackendServiceNotFound"},
		{"no name", c.AddBackends(ctx, neg.BackendServiceID{}, mark, nil), "InvalidRequest"},
		{"in use", c.DeleteBackendService(ctx, shop, time.Time{}), "BackendServiceInUse"},
		{"a mode that does not fit", c.AddBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: neg.Fields{"balancingMode": "CONNECTION"}}}), "InvalidRequest"},
		{"more than fit", c.AddBackends(ctx, shop, mark, slices.Repeat([]neg.Backend{{Group: groupNamed("x"), Fields: rate}}, 51)), "BackendServiceFull"},
	} {
		if got := reasonOf(tc.err); got != tc.want {
			t.Errorf("%s: %v, want reason %q", tc.what, tc.err, tc.want)
		}
	}
	if users := c.service().Users; len(users) != 1 || users[0] != "projects/p1/global/urlMaps/m" {
		t.Errorf("users %v", users)
	}
	c.check(c.AddBackends(ctx, shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: rate}}))
	if err := c.RemoveBackends(ctx, shop, mark, []neg.GroupID{groupNamed("a")}, past); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("a removal on old evidence: %v", err)
	}
	c.wantEntries("a " + mark + " balancingMode=RATE capacityScaler=1 maxRatePerEndpoint=100")
}

func TestBackendServicesWholeOrNothing(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	c.serve()
	c.do("POST", "projects/p1/regions/us-central1/backendServices", `{"name":"internal","loadBalancingScheme":"INTERNAL_MANAGED"}`)
	c.check(c.AddBackends(t.Context(), shop, mark, []neg.Backend{{Group: groupNamed("a"), Fields: rate}}))
	all, err := c.BackendServices(t.Context())
	c.check(err)
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %d", s.ID, len(s.Backends)))
	}
	if want := []string{"global/shop 1", "us-central1/internal 0"}; !slices.Equal(got, want) {
		t.Errorf("backend services %v, want %v", got, want)
	}
	c.fault(fakegce.Fault{Verb: "backendServices.aggregatedList", Unreachable: "regions/us-east1"})
	if all, err := c.BackendServices(t.Context()); err == nil {
		t.Errorf("a scope was unreachable, and yet %v", all)
	}
}

func TestGroupHealth(t *testing.T) {
	c := newCloud(t, fakegce.Options{HealthUnreached: true})
	c.start(on(0, 1), on(0, 2))
	c.serve()
	c.check(c.AddBackends(t.Context(), shop, mark, []neg.Backend{{Group: group, Fields: rate}}))
	c.check(c.fake.ForceHealth(fakegce.HealthRule{Endpoint: on(0, 2).Addr.String(), State: neg.Unhealthy}))
	got, exists, err := c.Health(t.Context(), group)
	c.check(err)
	want := []neg.EndpointHealth{
		{Endpoint: on(0, 1), Seen: []neg.Health{{Service: shop, State: neg.Unknown}}},
		{Endpoint: on(0, 2), Seen: []neg.Health{{Service: shop, State: neg.Unhealthy}}},
	}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" || !exists {
		t.Errorf("exists %v (-want +got):\n%s", exists, diff)
	}
	if _, exists, err := c.Health(t.Context(), groupNamed("none")); exists || err != nil {
		t.Errorf("a group that is not there: %v, %v", exists, err)
	}
}
