package gce_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/gce"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

func httpServer(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// TestNameTaken: a group of the wanted name is success when it is ours; else the error
// says whose it is and what to do.
func TestNameTaken(t *testing.T) {
	other := neg.OwnerOf("11111111-4b9b-4c1e-8a53-0d6a2f1f8a11", neg.Key{Cluster: "lab", Namespace: "a", Service: "b"}, 80)
	for name, c := range map[string]struct {
		description string
		outcome     neg.Outcome
		text        string
	}{
		"ours":            {owner.Description(), neg.Done, ""},
		"another fleet's": {other.Description(), neg.Blocked, "create group us-central1-a/checkout: the name belongs to Service a/b of cluster lab; choose another in exposed_ports.80.name"},
		"our other port":  {neg.OwnerOf(uid, web, 443).Description(), neg.Blocked, "create group us-central1-a/checkout: the name belongs to Service shop/web of cluster c1; choose another in exposed_ports.80.name"},
		"by hand":         {"made by hand", neg.Blocked, `create group us-central1-a/checkout: a group of that name exists and is not ours (description "made by hand"); choose another in exposed_ports.80.name, or delete that group`},
		"no description":  {"", neg.Blocked, `create group us-central1-a/checkout: a group of that name exists and is not ours (description ""); choose another in exposed_ports.80.name, or delete that group`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			w.insert(zone, group.Name, c.description)
			err := w.CreateGroup(t.Context(), group, owner)
			if got := neg.OutcomeOf(err); got != c.outcome || c.outcome == neg.Blocked && reasonOf(err) != "NameTaken" {
				t.Errorf("outcome %v %s, want %v", got, reasonOf(err), c.outcome)
			}
			if err != nil && err.Error() != c.text {
				t.Errorf("got  %s\nwant %s", err, c.text)
			}
			if g := w.fake.Groups(); len(g) != 1 || g[0].Description != c.description {
				t.Errorf("the group was changed: %+v", g)
			}
		})
	}
}

// insert makes a group as somebody else would.
func (c *cloud) insert(z neg.Zone, name, description string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"description":%q,"networkEndpointType":"GCE_VM_IP_PORT","network":"global/networks/default"}`, name, description)
	rec := httptest.NewRecorder()
	c.fake.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/compute/v1/projects/p1/zones/"+string(z)+"/networkEndpointGroups", strings.NewReader(body)))
	if rec.Code != http.StatusOK {
		c.t.Fatalf("insert: %d %s", rec.Code, rec.Body)
	}
}

// TestNameTakenAndGone: a name that is taken, while nothing of that name can be read, is
// being made or unmade: the message comes back.
func TestNameTakenAndGone(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.fault(fakegce.Fault{Verb: insert, Status: 409})
	if err := w.CreateGroup(t.Context(), group, owner); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("got %v", err)
	}
}

// TestGroupOnTheWire: a group is born with its type, its network in any form, and whose
// it is.
func TestGroupOnTheWire(t *testing.T) {
	for name, c := range map[string]struct {
		network, subnetwork string
		want                fakegce.Group
	}{
		"names":       {"default", "default", fakegce.Group{Network: "default", Subnetwork: "default"}},
		"links":       {"projects/p1/global/networks/other", "projects/p1/regions/us-central1/subnetworks/inner", fakegce.Group{Network: "other", Subnetwork: "inner"}},
		"short links": {"global/networks/other", "regions/us-central1/subnetworks/inner", fakegce.Group{Network: "other", Subnetwork: "inner"}},
		"URLs": {
			"https://www.googleapis.com/compute/v1/projects/p1/global/networks/other", "https://www.googleapis.com/compute/v1/projects/p1/regions/us-central1/subnetworks/inner",
			fakegce.Group{Network: "other", Subnetwork: "inner"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, fakegce.Options{})
			w.check(w.fake.Seed(fakegce.Seed{
				Projects: []string{"p1"}, Networks: []fakegce.Network{{Name: "other"}},
				Subnetworks: []fakegce.Subnetwork{{Region: "us-central1", Name: "inner", Network: "other", Range: "10.200.0.0/20"}},
			}))
			w.check(w.client(gce.Options{Network: c.network, Subnetwork: c.subnetwork}).CreateGroup(t.Context(), group, owner))
			c.want.Project, c.want.Zone, c.want.Name, c.want.Type = "p1", string(zone), group.Name, "GCE_VM_IP_PORT"
			c.want.Description, c.want.Endpoints = owner.Description(), []fakegce.Endpoint{}
			if d := cmp.Diff([]fakegce.Group{c.want}, w.fake.Groups()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestOwned: all groups of a key in any zone, under any name, of more than one page; not
// those that only look like it.
func TestOwned(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	var want []neg.GroupID
	for i := range 602 {
		z := neg.Zone("us-central1-" + string("abcf"[i%4]))
		id := neg.GroupID{Zone: z, Name: fmt.Sprintf("g-%03d", i)}
		w.insert(id.Zone, id.Name, owner.Description())
		want = append(want, id)
	}
	w.insert(zone, "quoting", "somebody copied "+owner.Description())
	w.insert(zone, "another-service", neg.OwnerOf(uid, neg.Key{Cluster: "c1", Namespace: "shop", Service: "api"}, 80).Description())
	forged := owner
	forged.Version = 2
	w.insert(zone, "another-version", forged.Description())
	w.check2(w.Attach(t.Context(), want[0], endpoints(2)))
	w.fake.ClearCalls()

	owned, err := w.Owned(t.Context(), owner.Token)
	w.check(err)
	var got []neg.GroupID
	for _, o := range owned {
		got = append(got, o.GroupID)
		if !o.Owner.Owns(uid, web) {
			t.Errorf("%s: owner %+v", o.GroupID, o.Owner)
		}
		if wantSize := map[bool]int{true: 2}[o.GroupID == want[0]]; o.Size != wantSize {
			t.Errorf("%s: size %d, want %d", o.GroupID, o.Size, wantSize)
		}
	}
	slices.SortFunc(got, neg.GroupID.Compare)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	w.wantCalls(listAll, 2)
}

func (c *cloud) check2(rejected []neg.Rejected, err error) {
	c.t.Helper()
	if err != nil || len(rejected) != 0 {
		c.t.Fatal(err, rejected)
	}
}

// TestOwnedFilter: the filter is the documented form for a part of a description.
func TestOwnedFilter(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	_, err := w.Owned(t.Context(), "nf1-01234567-89abcdef")
	w.check(err)
	calls := w.fake.Calls(fakegce.CallFilter{Verb: listAll})
	query, err := url.ParseQuery(calls[0].Query)
	w.check(err)
	if want := `description eq ".*nf1-01234567-89abcdef.*"`; query.Get("filter") != want || query.Get("maxResults") != "500" {
		t.Errorf("filter %s, maxResults %s; want %s, 500", query.Get("filter"), query.Get("maxResults"), want)
	}
}

// TestOwnedIsWholeOrNothing: a scope that could not be read, in whatever way the API says
// so, makes the whole answer unknown.
func TestOwnedIsWholeOrNothing(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start()
	w.fault(fakegce.Fault{Unreachable: "zones/us-central1-b"})
	groups, err := w.Owned(t.Context(), owner.Token)
	if neg.OutcomeOf(err) != neg.Again || groups != nil || !strings.Contains(err.Error(), "us-central1-b") {
		t.Errorf("got %v, %v", groups, err)
	}
	for name, body := range map[string]string{
		"unreachables":       `{"unreachables":["zones/us-central1-b"],"items":{}}`,
		"warning":            `{"warning":{"code":"UNREACHABLE","message":"some scopes"},"items":{}}`,
		"warning of a scope": `{"items":{"zones/us-central1-b":{"warning":{"code":"UNREACHABLE","message":"this one"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.url = fakegce.ComputeEndpoint(httpServer(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				fmt.Fprint(rw, body)
			}))
			if groups, err := w.client(gce.Options{}).Owned(t.Context(), owner.Token); neg.OutcomeOf(err) != neg.Again || groups != nil {
				t.Errorf("got %v, %v", groups, err)
			}
		})
	}
}

// TestOwnedSecondPage: a failure on a later page is an error, and no part of the list.
func TestOwnedSecondPage(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	for i := range 501 {
		w.insert(zone, fmt.Sprintf("g-%03d", i), owner.Description())
	}
	w.fault(fakegce.Fault{Verb: listAll, Nth: 2, Status: 403})
	if groups, err := w.Owned(t.Context(), owner.Token); neg.OutcomeOf(err) != neg.Blocked || groups != nil {
		t.Errorf("got %d groups, %v", len(groups), err)
	}
}

// TestDeleteGroup: gone is success, used by others is blocked, and nothing is sent after
// the evidence grew old, on no attempt.
func TestDeleteGroup(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start(endpoints(2)...)
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	now := at
	w.Client = w.client(gce.Options{Now: func() time.Time { return now }})

	now = at.Add(time.Nanosecond)
	if err := w.DeleteGroup(t.Context(), group, at); neg.OutcomeOf(err) != neg.Again || !strings.Contains(err.Error(), "too old") {
		t.Errorf("after notAfter: %v", err)
	}
	w.wantCalls(remove, 0)

	now = at
	w.fault(fakegce.Fault{Verb: remove, Status: 400, Reason: "resourceInUseByAnotherResource", Message: "a backend service uses it", Count: 1})
	if err := w.DeleteGroup(t.Context(), group, at); reasonOf(err) != "GroupInUse" || !strings.Contains(err.Error(), "a backend service uses it") {
		t.Errorf("in use: %v", err)
	}
	w.check(w.DeleteGroup(t.Context(), group, at))
	w.check(w.DeleteGroup(t.Context(), group, at))
	if n := len(w.fake.Groups()); n != 0 {
		t.Errorf("%d groups left", n)
	}
}

// TestNoRetryOnOldEvidence: a pause between attempts may outlast the evidence.
func TestNoRetryOnOldEvidence(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start(endpoints(2)...)
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	first := true
	w.Client = w.client(gce.Options{Now: func() time.Time {
		if first {
			first = false
			return at
		}
		return at.Add(time.Second)
	}})
	w.fault(fakegce.Fault{Verb: "networkEndpointGroups.de*", Status: 503})
	if err := w.DeleteGroup(t.Context(), group, at); neg.OutcomeOf(err) != neg.Again {
		t.Error(err)
	}
	w.wantCalls(remove, 1)
	first = true
	if err := w.Detach(t.Context(), group, endpoints(2), at); neg.OutcomeOf(err) != neg.Again {
		t.Error(err)
	}
	w.wantCalls(detach, 1)
	w.wantMembers(endpoints(2)...)
}

// TestDescription reads whose a group is.
func TestDescription(t *testing.T) {
	w := newCloud(t, fakegce.Options{})
	w.start()
	if d, exists, err := w.Description(t.Context(), group); d != owner.Description() || !exists || err != nil {
		t.Errorf("got %q, %v, %v", d, exists, err)
	}
	if d, exists, err := w.Description(t.Context(), neg.GroupID{Zone: zone, Name: "none"}); d != "" || exists || err != nil {
		t.Errorf("of no group: %q, %v, %v", d, exists, err)
	}
}
