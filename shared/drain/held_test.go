package drain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
)

const (
	uid   = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"
	other = "99999999-4b9b-4c1e-8a53-0d6a2f1f8a11"
)

var (
	c1  = Cluster{Name: "c1", UID: uid}
	web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}
	api = neg.Key{Cluster: "c1", Namespace: "shop", Service: "api"}
)

func group(name, description string, size int) neg.ListedGroup {
	return neg.ListedGroup{GroupID: neg.GroupID{Zone: "z-a", Name: name}, Description: description, Size: size}
}

func service(name, description string, backends ...neg.Backend) neg.BackendService {
	return neg.BackendService{ID: neg.BackendServiceID{Name: name}, Fields: neg.Fields{"description": description}, Backends: backends}
}

func entry(group, description string) neg.Backend {
	return neg.Backend{Group: neg.GroupID{Zone: "z-a", Name: group}, Fields: neg.Fields{"description": description}}
}

func owned(uid string, k neg.Key) string { return neg.OwnerOf(uid, k, 80).Description() }

// TestHeld: what a description proves is held, whatever it is called; what only looks so is
// not. Whatever else names the UID is told of, and nobody's key removes it.
func TestHeld(t *testing.T) {
	mark := neg.BackendMark(uid, web)
	forged := neg.OwnerOf(uid, web, 80)
	forged.Service = "api" // the token is web's
	gke := `{"cluster-uid":"` + uid + `","namespace":"shop","service-name":"web","port":"80"}`
	for name, c := range map[string]struct {
		in   Listing
		want []Held
	}{
		"nothing": {},
		"ours, under any name": {
			Listing{Groups: []neg.ListedGroup{group("custom", owned(uid, web), 3)}},
			[]Held{{Kind: Group, Name: "z-a/custom", Key: web, Size: 3}},
		},
		"of another cluster, under our name": {
			Listing{
				Groups:   []neg.ListedGroup{group(neg.GroupName(uid, web, 80), owned(other, web), 3)},
				Services: []neg.BackendService{service("s", owned(other, web), entry("x", neg.BackendMark(other, web)))},
				Checks:   []neg.HealthCheck{{ID: neg.HealthCheckID{Name: "h"}, Fields: neg.Fields{"description": owned(other, web)}}},
			}, nil,
		},
		"without a description, under our name": {Listing{Groups: []neg.ListedGroup{group(neg.GroupName(uid, web, 80), "", 3)}}, nil},
		"the token does not fit": {
			Listing{Groups: []neg.ListedGroup{group("g", forged.Description(), 1)}},
			[]Held{{Kind: Unproved, Name: "z-a/g", Size: 1}},
		},
		"half a description": {
			Listing{Groups: []neg.ListedGroup{group("g", `{"negfleet":1,"uid":"`+uid, 0)}},
			[]Held{{Kind: Unproved, Name: "z-a/g"}},
		},
		"of GKE's own controller": {
			Listing{
				Groups:   []neg.ListedGroup{group("k8s1-1-shop-web-80-2", gke, 2)},
				Services: []neg.BackendService{service("k8s1-s", "", entry("k8s1-1-shop-web-80-2", "")), service("users", "", entry("k8s1-1-shop-web-80-2", mark))},
			},
			[]Held{
				{Kind: Entry, Name: "global/users of z-a/k8s1-1-shop-web-80-2", Key: web},
				{Kind: ByGKE, Name: "z-a/k8s1-1-shop-web-80-2", Size: 2, Users: []string{"backend service global/k8s1-s"}},
			},
		},
		"used by ourselves and by a stranger": {
			Listing{
				Groups:   []neg.ListedGroup{group("g", owned(uid, web), 0)},
				Services: []neg.BackendService{service("theirs", "", entry("g", mark)), service("rival", "", entry("g", "by hand"))},
			},
			[]Held{
				{Kind: Group, Name: "z-a/g", Key: web, Users: []string{"backend service global/rival"}},
				{Kind: Entry, Name: "global/theirs of z-a/g", Key: web},
			},
		},
		"an entry of whose key nothing else is left": {
			Listing{Services: []neg.BackendService{service("theirs", "", entry("g", mark))}},
			[]Held{{Kind: Entry, Name: "global/theirs of z-a/g"}},
		},
		"backend service and health check of ours, used": {
			Listing{
				Services: []neg.BackendService{
					{ID: neg.BackendServiceID{Region: "r", Name: "s"}, Fields: neg.Fields{"description": owned(uid, api)}, HealthCheck: neg.HealthCheckID{Region: "r", Name: "h"}, Users: []string{"projects/p/global/urlMaps/u"}},
					{ID: neg.BackendServiceID{Name: "theirs"}, HealthCheck: neg.HealthCheckID{Region: "r", Name: "h"}},
				},
				Checks: []neg.HealthCheck{{ID: neg.HealthCheckID{Region: "r", Name: "h"}, Fields: neg.Fields{"description": owned(uid, api)}}},
			},
			[]Held{
				{Kind: BackendService, Name: "r/s", Key: api, Users: []string{"projects/p/global/urlMaps/u"}},
				{Kind: HealthCheck, Name: "r/h", Key: api, Users: []string{"backend service global/theirs"}},
			},
		},
	} {
		if d := cmp.Diff(c.want, c1.Held(c.in)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestDue: a key is published when it is first seen, and again when nothing of it has moved
// for a while; not for ever.
func TestDue(t *testing.T) {
	const patience = 90 * time.Second
	begin := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	three := []Held{{Kind: Group, Name: "z-a/g", Key: web, Size: 3}}
	two := []Held{{Kind: Group, Name: "z-a/g", Key: web, Size: 2}}
	others := []Held{{Kind: ByGKE, Name: "z-a/k8s1"}, {Kind: Unproved, Name: "z-a/x"}, {Kind: Entry, Name: "s of g"}}
	tried := func(ago time.Duration, tries int) turns {
		return turns{web: {begin.Add(-ago), "group z-a/g with 3 endpoints", tries}}
	}
	for name, c := range map[string]struct {
		turns turns
		held  []Held
		keys  []neg.Key
		tries int // of web, afterwards
	}{
		"first seen":                {nil, three, []neg.Key{web}, 1},
		"a moment ago":              {tried(patience-time.Second, 1), three, nil, 1},
		"nothing moves":             {tried(patience, 1), three, []neg.Key{web}, 2},
		"moved at last":             {tried(patience, 1), two, nil, 1},
		"tried too often":           {tried(time.Hour, Tries), three, nil, Tries},
		"gone":                      {tried(time.Hour, 1), nil, nil, 1},
		"what no key removes":       {nil, others, nil, 0},
		"what no key removes, also": {nil, append(others, three...), []neg.Key{web}, 1},
	} {
		found, next := c.turns.due(c.held, begin, patience)
		var keys []neg.Key
		for _, f := range found {
			keys = append(keys, f.Key)
			if !f.Thorough {
				t.Errorf("%s: %s needs a look that searches for all", name, f.Key)
			}
		}
		if d := cmp.Diff(c.keys, keys); d != "" || next[web].tries != c.tries {
			t.Errorf("%s: tried %d times, want %d (-want +got):\n%s", name, next[web].tries, c.tries, d)
		}
	}
}

// TestMovedStartsAnew: patience counts from the last move.
func TestMovedStartsAnew(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	held := func(n int) []Held { return []Held{{Kind: Group, Name: "z-a/g", Key: web, Size: n}} }
	var all turns
	var published []resync.Find
	for n := 20; n > 0; n-- {
		at = at.Add(80 * time.Second)
		published, all = all.due(held(n), at, 90*time.Second)
	}
	if len(published) != 0 || all[web].tries != 1 {
		t.Errorf("published %v, after %d tries", published, all[web].tries)
	}
}
