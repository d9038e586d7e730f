package presence_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

var prod = neg.GKECluster{Project: "p1", Location: "us-central1", Name: "prod"}

const uid = "7c1e7a0e-4b9b-4c1e-8a53-0d6a2f1f8a11"

// dead is a GKE cluster that every witness proves gone.
func dead() presence.Observation {
	return presence.Observation{
		State: "active", UID: uid, Resource: prod,
		Server:  presence.Server{Error: "dial tcp 203.0.113.1:443: i/o timeout", Silent: true},
		Get:     presence.Get{NotFound: true},
		Listing: presence.Listing{Total: 3},
	}
}

// living is a GKE cluster that every witness proves alive.
func living() presence.Observation {
	return presence.Observation{
		State: "active", UID: uid, Resource: prod,
		Server: presence.Server{UID: uid, Answered: true}, Get: presence.Get{Status: "RUNNING"}, Listing: presence.Listing{Total: 3, Found: true},
	}
}

type change = func(*presence.Observation)

// TestJudge: what each witness alone turns a proof into.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		from   presence.Observation
		change change
		want   presence.Presence
	}{
		"alive":                        {living(), func(*presence.Observation) {}, presence.Alive},
		"alive, not on GKE":            {living(), off, presence.Alive},
		"alive, container API silent":  {living(), func(o *presence.Observation) { o.Get, o.Listing = failed("HTTP 503") }, presence.Alive},
		"alive, resource mistyped":     {living(), func(o *presence.Observation) { o.Get, o.Listing = dead().Get, dead().Listing }, presence.Alive},
		"alive, being deleted":         {living(), status("STOPPING"), presence.Alive},
		"alive, degraded":              {living(), status("DEGRADED"), presence.Alive},
		"alive, in error":              {living(), status("ERROR"), presence.Alive},
		"draining":                     {living(), state("draining"), presence.Draining},
		"draining and silent":          {living(), both(state("draining"), mute), presence.Unknown},
		"decommissioned, yet it lives": {living(), state("decommissioned"), presence.Unknown},
		"decommissioned, listed":       {living(), both(state("decommissioned"), mute), presence.Unknown},
		"decommissioned, not on GKE":   {dead(), both(state("decommissioned"), off), presence.Gone},
		"decommissioned, API silent":   {dead(), both(state("decommissioned"), func(o *presence.Observation) { o.Get, o.Listing = failed("HTTP 403") }), presence.Gone},
		"decommissioned, never asked":  {presence.Observation{State: "decommissioned", UID: uid}, func(*presence.Observation) {}, presence.Gone},
		"gone":                         {dead(), func(*presence.Observation) {}, presence.Gone},
		"gone while draining":          {dead(), state("draining"), presence.Gone},
		"silent, not on GKE":           {dead(), off, presence.Unknown},
		"silent, RUNNING":              {living(), mute, presence.Unknown},
		"silent, PROVISIONING":         {living(), both(mute, status("PROVISIONING")), presence.Unknown},
		"silent, RECONCILING":          {living(), both(mute, status("RECONCILING")), presence.Unknown},
		"silent, STOPPING":             {living(), both(mute, status("STOPPING")), presence.Unknown},
		"silent, ERROR":                {living(), both(mute, status("ERROR")), presence.Unknown},
		"silent, DEGRADED":             {living(), both(mute, status("DEGRADED")), presence.Unknown},
		"silent, a status of tomorrow": {living(), both(mute, status("NEW")), presence.Unknown},
		"container API 403":            {dead(), func(o *presence.Observation) { o.Get, o.Listing = failed("HTTP 403") }, presence.Unknown},
		"container API 500":            {dead(), func(o *presence.Observation) { o.Get, o.Listing = failed("HTTP 500") }, presence.Unknown},
		"container API timed out":      {dead(), func(o *presence.Observation) { o.Get, o.Listing = failed("context deadline exceeded") }, presence.Unknown},
		"get failed, list lacks it":    {dead(), func(o *presence.Observation) { o.Get = presence.Get{Error: "HTTP 500"} }, presence.Unknown},
		"not found, list failed":       {dead(), func(o *presence.Observation) { o.Listing = presence.Listing{Error: "HTTP 403"} }, presence.Unknown},
		"not found, list empty":        {dead(), func(o *presence.Observation) { o.Listing.Total = 0 }, presence.Unknown},
		"not found, list partial":      {dead(), func(o *presence.Observation) { o.Listing.Missing = []string{"us-central1-a"} }, presence.Unknown},
		"not found, yet listed":        {dead(), func(o *presence.Observation) { o.Listing.Found = true }, presence.Unknown},
		"location mistyped":            {dead(), func(o *presence.Observation) { o.Listing.Elsewhere = []string{"us-east1"} }, presence.Unknown},
		"found, list lacks it":         {dead(), func(o *presence.Observation) { o.Get = presence.Get{Status: "RUNNING"} }, presence.Unknown},
		"another UID":                  {living(), func(o *presence.Observation) { o.Server.UID = "other" }, presence.Unknown},
		"another UID, re-created":      {living(), both(status("RUNNING"), func(o *presence.Observation) { o.Server.UID = "other" }), presence.Unknown},
		"another UID where none is":    {dead(), func(o *presence.Observation) { o.Server = presence.Server{UID: "other", Answered: true} }, presence.Unknown},
		"API server 403":               {dead(), func(o *presence.Observation) { o.Server = presence.Server{Error: "HTTP 403", Answered: true} }, presence.Unknown},
		"API server 500":               {dead(), func(o *presence.Observation) { o.Server = presence.Server{Error: "HTTP 500", Answered: true} }, presence.Unknown},
		"decommissioned, server 403":   {dead(), both(state("decommissioned"), func(o *presence.Observation) { o.Server.Answered = true }), presence.Unknown},
		"two servers with one UID":     {living(), func(o *presence.Observation) { o.Server.Shared = "copy" }, presence.Unknown},
		"nothing was asked":            {presence.Observation{}, func(*presence.Observation) {}, presence.Unknown},
		"nothing was asked of GKE":     {presence.Observation{State: "active", UID: uid, Resource: prod}, func(*presence.Observation) {}, presence.Unknown},
		"no UID on either side":        {presence.Observation{State: "active", Server: presence.Server{Answered: true}}, func(*presence.Observation) {}, presence.Unknown},
		"API server not asked":         {dead(), func(o *presence.Observation) { o.Server = presence.Server{Error: "kubeconfig k: no such file"} }, presence.Unknown},
		"name mistyped":                {dead(), func(o *presence.Observation) { o.Listing.Unclaimed = []string{"prd in us-central1"} }, presence.Unknown},
		"decommissioned, strangers":    {dead(), both(state("decommissioned"), func(o *presence.Observation) { o.Listing.Unclaimed = []string{"x in us-east1"} }), presence.Gone},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.from
			c.change(&o)
			if got := presence.Judge(o); got.Presence != c.want || len(got.Evidence) == 0 {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func off(o *presence.Observation) {
	o.Resource, o.Get, o.Listing = neg.GKECluster{}, presence.Get{}, presence.Listing{}
}

func mute(o *presence.Observation) { o.Server = presence.Server{Error: "i/o timeout", Silent: true} }

func state(s string) change { return func(o *presence.Observation) { o.State = s } }

func status(s string) change { return func(o *presence.Observation) { o.Get.Status = s } }

func both(a, b change) change { return func(o *presence.Observation) { a(o); b(o) } }

func failed(why string) (presence.Get, presence.Listing) {
	return presence.Get{Error: why}, presence.Listing{Error: why}
}

// TestEvidence: an operator reads why.
func TestEvidence(t *testing.T) {
	typo := dead()
	typo.Listing.Elsewhere = []string{"us-east1"}
	crowd := dead()
	crowd.Listing.Unclaimed = []string{"a in us-east1", "b in us-east1", "c in us-east1", "d in us-east1"}
	copied := living()
	copied.Server.Shared = "copy"
	for _, c := range []struct {
		o    presence.Observation
		want string
	}{
		{living(), "alive: API server: answers with the UID of the fleet file; container API: projects/p1/locations/us-central1/clusters/prod is RUNNING; " +
			"container API: lists 3 clusters in project p1, this one among them"},
		{dead(), "gone: API server: no answer: dial tcp 203.0.113.1:443: i/o timeout; container API: no projects/p1/locations/us-central1/clusters/prod; " +
			"container API: lists 3 clusters in project p1, this one not among them; " +
			"every location of the project answered, and none has it; each cluster there is another entry of the fleet file"},
		{typo, "unknown: API server: no answer: dial tcp 203.0.113.1:443: i/o timeout; container API: no projects/p1/locations/us-central1/clusters/prod; " +
			"container API: has a cluster prod in us-east1: is the location in the fleet file right?; no proof that it is gone"},
		{crowd, "unknown: API server: no answer: dial tcp 203.0.113.1:443: i/o timeout; container API: no projects/p1/locations/us-central1/clusters/prod; " +
			"container API: lists 3 clusters in project p1, this one not among them; it may be one of the clusters that no entry of the fleet file is " +
			"(a in us-east1, b in us-east1, c in us-east1 and 1 more): add them, or, if it is gone, say state: decommissioned"},
		{copied, "unknown: API server: answers with UID " + uid + ", and so does that of cluster copy: one is a copy of the other; " +
			"container API: projects/p1/locations/us-central1/clusters/prod is RUNNING; container API: lists 3 clusters in project p1, this one among them; " +
			"something answers where its API server should be: nothing is concluded"},
	} {
		if d := cmp.Diff(c.want, presence.Judge(c.o).String()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

// TestGoneIsProved: over random observations, gone is said only of clusters which nobody
// saw, and which either the operator gave up or the container API, seeing everything and
// something, has not.
func TestGoneIsProved(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	yes := func() bool { return r.IntN(4) == 0 }
	gone := 0
	for range 100_000 {
		o := presence.Observation{State: one("active", "draining", "decommissioned"), UID: uid}
		o.Server = presence.Server{UID: one("", "", "", uid, "other"), Error: one("", "timeout"), Answered: yes(), Silent: !yes(), Shared: one("", "", "copy")}
		if r.IntN(3) > 0 {
			o.Resource = prod
			o.Get = presence.Get{Status: one("", "", "RUNNING", "STOPPING"), NotFound: !yes(), Error: one("", "HTTP 500")}
			o.Listing = presence.Listing{Total: r.IntN(3), Found: yes(), Error: one("", "", "HTTP 403")}
			if yes() {
				o.Listing.Missing = []string{"us-east1-b"}
			}
			if yes() {
				o.Listing.Elsewhere = []string{"us-east1"}
			}
			if yes() {
				o.Listing.Unclaimed = []string{"prd in us-central1"}
			}
		}
		if presence.Judge(o).Presence != presence.Gone {
			continue
		}
		gone++
		l := o.Listing
		seen := o.Server.UID != "" || o.Server.Answered || l.Found
		absent := o.Get.NotFound && l.Error == "" && l.Total > 0 && l.Missing == nil && l.Elsewhere == nil && l.Unclaimed == nil && o.Resource == prod && o.Server.Silent
		if seen || o.State != "decommissioned" && !absent {
			t.Fatalf("%+v is gone", o)
		}
	}
	if gone < 500 {
		t.Errorf("only %d of the observations were gone: the test says little", gone)
	}
}
