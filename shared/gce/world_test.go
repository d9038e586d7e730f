package gce_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

const (
	zone = neg.Zone("us-central1-a")
	uid  = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

	insert  = "networkEndpointGroups.insert"
	attach  = "networkEndpointGroups.attachNetworkEndpoints"
	detach  = "networkEndpointGroups.detachNetworkEndpoints"
	remove  = "networkEndpointGroups.delete"
	list    = "networkEndpointGroups.listNetworkEndpoints"
	listAll = "networkEndpointGroups.aggregatedList"
	waitFor = "zoneOperations.wait"
)

var (
	web   = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	owner = neg.OwnerOf(uid, web, 80)
	group = neg.GroupID{Zone: zone, Name: "checkout"}
)

// A cloud is the real client before the emulator. Its clients do not pause, and write
// down how long they would have.
type cloud struct {
	*gce.Client
	t    testing.TB
	fake *fakegce.Server
	url  string

	mu     sync.Mutex
	pauses []time.Duration
}

// newCloud has instances vm-0 to vm-5 in the zone, each with 250 addresses 10.1.N.x.
func newCloud(t testing.TB, o fakegce.Options) *cloud {
	t.Helper()
	c := &cloud{t: t, fake: fakegce.New(o)}
	seed := fakegce.Seed{Projects: []string{"p1"}}
	for i := range 6 {
		seed.Instances = append(seed.Instances, fakegce.Instance{
			Zone: string(zone), Name: fmt.Sprintf("vm-%d", i), IP: fmt.Sprintf("10.128.0.%d", i+2), AliasRanges: []string{fmt.Sprintf("10.1.%d.0/24", i)},
		})
	}
	c.check(c.fake.Seed(seed))
	c.url = fakegce.ComputeEndpoint(fakegce.Start(t, c.fake))
	c.Client = c.client(gce.Options{})
	return c
}

// client is another client of the same cloud.
func (c *cloud) client(o gce.Options) *gce.Client {
	c.t.Helper()
	o.Project, o.Endpoint = "p1", c.url
	if o.Network == "" {
		o.Network, o.Subnetwork = "default", "default"
	}
	if o.Sleep == nil {
		o.Sleep = func(ctx context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pauses = append(c.pauses, d)
			return ctx.Err()
		}
	}
	client, err := gce.New(c.t.Context(), o)
	c.check(err)
	return client
}

func (c *cloud) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) fault(list ...fakegce.Fault) { c.t.Helper(); c.check(c.fake.AddFaults(list...)) }

// start makes the group, holding endpoints, and forgets the calls.
func (c *cloud) start(endpoints ...neg.Endpoint) {
	c.t.Helper()
	c.check(c.CreateGroup(c.t.Context(), group, owner))
	if rejected, err := c.Attach(c.t.Context(), group, endpoints); err != nil || len(rejected) != 0 {
		c.t.Fatal(err, rejected)
	}
	c.fake.ClearCalls()
}

// count is how often a method was called.
func (c *cloud) count(verb string) int { return int(c.fake.Stats().Verbs[verb]) }

// wantCalls asserts the exact number of calls of a method.
func (c *cloud) wantCalls(verb string, want int) {
	c.t.Helper()
	if got := c.count(verb); got != want {
		c.t.Errorf("%d calls of %s, want %d", got, verb, want)
	}
}

// members are the addresses in a group of the cloud, sorted.
func (c *cloud) members(id neg.GroupID) []string {
	out := []string{}
	for _, g := range c.fake.Groups() {
		if g.Zone == string(id.Zone) && g.Name == id.Name {
			for _, e := range g.Endpoints {
				out = append(out, e.Address+" "+e.Instance)
			}
		}
	}
	slices.Sort(out)
	return out
}

// wantMembers asserts what the group holds.
func (c *cloud) wantMembers(endpoints ...neg.Endpoint) {
	c.t.Helper()
	want := []string{}
	for _, e := range endpoints {
		want = append(want, e.String())
	}
	slices.Sort(want)
	if got := c.members(group); !slices.Equal(got, want) {
		c.t.Errorf("the group holds %d: %.300v\nwant %d: %.300v", len(got), got, len(want), want)
	}
}

// kill deletes an instance, as its owner would.
func (c *cloud) kill(name string) {
	c.t.Helper()
	rec := httptest.NewRecorder()
	c.fake.ServeHTTP(rec, httptest.NewRequest(http.MethodDelete, "/compute/v1/projects/p1/zones/"+string(zone)+"/instances/"+name, nil))
	if rec.Code != http.StatusOK {
		c.t.Fatalf("delete instance: %d %s", rec.Code, rec.Body)
	}
}

// endpoints makes n endpoints with addresses that belong to their instances.
func endpoints(n int) []neg.Endpoint {
	var es []neg.Endpoint
	for i := range n {
		es = append(es, on(i/250, i%250+2))
	}
	return es
}

// on is the endpoint of one address of vm-N.
func on(vm, last int) neg.Endpoint {
	return neg.Endpoint{Instance: fmt.Sprintf("vm-%d", vm), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(vm), byte(last)}), 80)}
}

// reasonOf is the reason of a blocked error.
func reasonOf(err error) string {
	for _, b := range neg.BlockedReasons(err) {
		return b.Reason
	}
	return ""
}
