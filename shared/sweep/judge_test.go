package sweep

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// gone is c1 proved gone, with the groups of its instances asked about.
func gone(in *Inventory, what string) {
	c := &in.Clusters[0]
	c.Presence = presence.Verdict{Presence: presence.Gone, Evidence: []string{"every location of the project answered, and none has it"}}
	c.Gone, c.Services, c.Endpoints = what, nil, nil
	c.Instances = map[neg.GroupID]string{in.Projects[0].Resources[0].Group: ""}
}

// TestJudge: each row is the small world with one thing changed, and what it makes of the
// group of web, which is wanted, and of the one of left, which nobody wants. Published says
// whether the sweep acts on the latter.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*Inventory)
		web, left Verdict
		because   string // in the evidence of left, or of web if that is what changed
		published bool
	}{
		"a leak":  {func(*Inventory) {}, Wanted, Orphan, "cluster c1 has no Service shop/left", true},
		"drifted": {func(in *Inventory) { in.Projects[0].Resources[0].Size = 1 }, Drifted, Orphan, "hold 1 endpoint, the slices have 2", true},
		"drift is not known while a zone is silent": {func(in *Inventory) {
			in.Projects[0].Resources[0].Size, in.Projects[0].Missing = 1, []string{"us-central1-b"}
		}, Wanted, Orphan, "", true},
		"drift is not known without a slice": {func(in *Inventory) { in.Clusters[0].Endpoints = nil }, Wanted, Orphan, "", true},
		"a group that no status names": {func(in *Inventory) {
			in.Clusters[0].Services[web] = Service{Asks: true}
		}, Drifted, Orphan, "neg-status does not name it", true},
		"a Service that asks for nothing": {func(in *Inventory) {
			in.Clusters[0].Services[left] = Service{}
		}, Wanted, Orphan, "Service shop/left of cluster c1 asks for no group", true},
		"a Service that is being deleted": {func(in *Inventory) {
			in.Clusters[0].Services[left] = Service{Deleting: true}
		}, Wanted, Wanted, "", false},

		"foreign, with our prefix": {func(in *Inventory) { in.Projects[0].Resources[1].Description = "mine" }, Wanted, Foreign, "does not say whose it is", false},
		"foreign, with our token": {func(in *Inventory) {
			in.Projects[0].Resources[1].Description = `see ` + neg.Token(uid, left)
		}, Wanted, Foreign, "does not say whose it is", false},
		"our description, cut off": {func(in *Inventory) {
			r := &in.Projects[0].Resources[1]
			r.Description = r.Description[:40]
		}, Wanted, Foreign, "does not say whose it is", false},
		"our description with another UID": {func(in *Inventory) {
			r := &in.Projects[0].Resources[1]
			r.Description = strings.Replace(r.Description, uid, otherUID, 1)
		}, Wanted, Foreign, "its token does not fit", false},
		"our description with another Service": {func(in *Inventory) {
			r := &in.Projects[0].Resources[1]
			r.Description = strings.Replace(r.Description, `"left"`, `"web2"`, 1)
		}, Wanted, Foreign, "its token does not fit", false},
		"a version that we do not read": {func(in *Inventory) {
			r := &in.Projects[0].Resources[1]
			r.Description = strings.Replace(r.Description, `"negfleet":1`, `"negfleet":2`, 1)
		}, Wanted, Foreign, "does not say whose it is", false},

		"a cluster missing from the fleet file":  {func(in *Inventory) { in.Clusters = nil }, Unknown, Unknown, "the fleet file has no such cluster", false},
		"a cluster made anew under the old name": {func(in *Inventory) { in.Clusters[0].UID = otherUID }, Unknown, Unknown, "with UID " + uid + ", and the fleet file has no such cluster", false},
		"a group outside the cluster's project":  {func(in *Inventory) { in.Clusters[0].Project = "p2" }, Unknown, Unknown, "has its groups in project p2", false},
		"a cluster that does not answer": {func(in *Inventory) {
			in.Clusters[0].Presence = presence.Verdict{Evidence: []string{"API server: no answer: timeout"}}
		}, Unknown, Unknown, "cluster c1 is unknown: API server: no answer: timeout", false},
		"a list of Services that failed": {func(in *Inventory) { in.Clusters[0].Unlisted = "page 2: 410 Gone" }, Unknown, Unknown, "cluster c1: page 2: 410 Gone", false},
		"an empty list of Services":      {func(in *Inventory) { in.Clusters[0].Services = map[neg.Key]Service{} }, Unknown, Unknown, "no Service at all", false},
		"backend services that were not listed": {func(in *Inventory) {
			in.Projects[0].UsesFailed = "unreachable: regions/us-east1"
		}, Wanted, Unknown, "whether something uses it is not known", false},
		"used by somebody else": {func(in *Inventory) {
			in.Projects[0].Resources[1].Uses = []Use{{By: "backend service global/shop", Mark: "by hand"}}
		}, Wanted, InUse, "in use by backend service global/shop", false},
		"used by its own entry": {func(in *Inventory) {
			in.Projects[0].Resources[1].Uses = []Use{{By: "backend service global/shop", Mark: neg.BackendMark(uid, left)}}
		}, Wanted, Orphan, "", true},
		"used by an entry of another key": {func(in *Inventory) {
			in.Projects[0].Resources[1].Uses = []Use{{By: "backend service global/shop", Mark: neg.BackendMark(uid, web)}}
		}, Wanted, InUse, "", false},
		"made a moment ago":          {func(in *Inventory) { in.Projects[0].Resources[1].Created = now.Add(-time.Minute) }, Wanted, Unknown, "created 1m0s ago", false},
		"made in the future":         {func(in *Inventory) { in.Projects[0].Resources[1].Created = now.Add(time.Hour) }, Wanted, Unknown, "created -1h0m0s ago", false},
		"of an age that nobody says": {func(in *Inventory) { in.Projects[0].Resources[1].Created = time.Time{} }, Wanted, Unknown, "does not say when", false},
		"an API server restored from a backup": {func(in *Inventory) {
			for i := range 18 {
				k := neg.Key{Cluster: "c1", Namespace: "shop", Service: fmt.Sprintf("new-%d", i)}
				in.Projects[0].Resources = append(in.Projects[0].Resources, groupOf(k, 0))
			}
		}, Wanted, Unknown, "19 of the 20 keys of cluster c1 are orphaned at once", false},

		"gone, to be deleted":  {func(in *Inventory) { gone(in, "delete") }, OrphanOfGone, OrphanOfGone, "cluster c1 is gone: every location", true},
		"gone, to be reported": {func(in *Inventory) { gone(in, "report") }, OrphanOfGone, OrphanOfGone, "cluster c1 is gone", false},
		"gone, an instance is there": {func(in *Inventory) {
			gone(in, "delete")
			in.Clusters[0].Instances[in.Projects[0].Resources[0].Group] = "instance us-central1-a/vm-1 is there"
		}, Unknown, OrphanOfGone, "", true},
		"gone, instances not asked for": {func(in *Inventory) {
			gone(in, "delete")
			in.Clusters[0].Instances = nil
		}, Unknown, OrphanOfGone, "", true},
		"gone, used by somebody else": {func(in *Inventory) {
			gone(in, "delete")
			in.Projects[0].Resources[1].Uses = []Use{{By: "backend service global/shop"}}
		}, OrphanOfGone, InUse, "in use by", false},
		"gone, and GKE's own controller kept the groups": {func(in *Inventory) {
			gone(in, "delete")
			in.Clusters[0].Skip = "the fleet file says negs: gke"
		}, Unknown, Unknown, "negs: gke", false},
		"draining": {func(in *Inventory) {
			in.Clusters[0].Presence.Presence = presence.Draining
		}, Orphan, Orphan, "is draining", true},
	} {
		t.Run(name, func(t *testing.T) {
			in := small()
			webName, leftName := in.Projects[0].Resources[0].Name, in.Projects[0].Resources[1].Name
			c.change(&in)
			found := Judge(in)
			verdicts, evidence := map[string]Verdict{}, ""
			for _, f := range found {
				verdicts[f.Resource] = f.Verdict
				evidence += strings.Join(f.Evidence, "; ") + "\n"
			}
			if verdicts[webName] != c.web || verdicts[leftName] != c.left || !strings.Contains(evidence, c.because) {
				t.Errorf("web %s, left %s; want %s, %s, because %q\n%s", verdicts[webName], verdicts[leftName], c.web, c.left, c.because, evidence)
			}
			published := false
			for _, p := range Publish(in, found, Budget).Publications {
				published = published || p.Key == left && p.Orphan
			}
			if published != c.published {
				t.Errorf("published %t, want %t\n%s", published, c.published, evidence)
			}
		})
	}
}

// TestMissing: a Service that asks for groups of a port and has none was missed.
func TestMissing(t *testing.T) {
	in := small()
	in.Projects[0].Resources = in.Projects[0].Resources[1:]
	want := "Service shop/web of cluster c1 asks for groups of port 80 and has none"
	if found := Judge(in); len(found) != 2 || found[1].Verdict != Drifted || found[1].Evidence[0] != want {
		t.Errorf("%+v", found)
	}
	in.Projects[0].Missing = []string{"us-central1-a"}
	if found := Judge(in); len(found) != 1 {
		t.Errorf("a zone is silent, and yet: %+v", found)
	}
}

// TestLeakOfGKE: what GKE's own controller left of a gone cluster is reported, and goes where
// the fleet file says so and name and description agree. What it keeps in a living one is none
// of our business.
func TestLeakOfGKE(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*Inventory, *Resource)
		verdict   Verdict
		published bool
		because   string
	}{
		"to be deleted":    {func(*Inventory, *Resource) {}, OrphanOfGone, true, "GKE's own controller made it for Service shop/left"},
		"to be reported":   {func(in *Inventory, _ *Resource) { in.Clusters[0].GoneGKE = "report" }, OrphanOfGone, false, "say gone: delete and gone_gke: delete"},
		"of a custom name": {func(_ *Inventory, r *Resource) { r.Group.Name = "left" }, OrphanOfGone, false, "its name is not one"},
		"of a name for another Service": {func(_ *Inventory, r *Resource) {
			r.Description = strings.Replace(r.Description, "left", "web", 1)
		}, OrphanOfGone, false, "its name is not one"},
		"used by anybody": {func(_ *Inventory, r *Resource) {
			r.Uses = []Use{{By: "backend service global/x", Mark: neg.BackendMark(uid, left)}}
		}, InUse, false, "in use by"},
		"an instance is there": {func(in *Inventory, r *Resource) {
			r.Size = 1
			in.Clusters[0].Instances[r.Group] = "instance vm-1 is there"
		}, Unknown, false, "instance vm-1 is there"},
		"young":                                   {func(_ *Inventory, r *Resource) { r.Created = now }, Unknown, false, "counts as left over"},
		"in another project":                      {func(in *Inventory, _ *Resource) { in.Clusters[0].Project = "p2" }, Unknown, false, "in project p2"},
		"of another cluster":                      {func(_ *Inventory, r *Resource) { r.Description = strings.Replace(r.Description, uid, otherUID, 1) }, 0, false, ""},
		"of a living cluster":                     {func(in *Inventory, _ *Resource) { in.Clusters[0].Presence.Presence = presence.Alive }, 0, false, ""},
		"of a cluster nobody knows":               {func(in *Inventory, _ *Resource) { in.Clusters[0].Presence.Presence = presence.Unknown }, 0, false, ""},
		"of a cluster that drains":                {func(in *Inventory, _ *Resource) { in.Clusters[0].Presence.Presence = presence.Draining }, 0, false, ""},
		"where GKE kept them, which is its place": {func(in *Inventory, _ *Resource) { in.Clusters[0].Skip = "negs: gke" }, OrphanOfGone, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := small()
			in.Projects[0].Resources = in.Projects[0].Resources[1:]
			r := &in.Projects[0].Resources[0]
			r.Group.Name = "k8s1-01234567-shop-left-80-b061042c"
			r.Name = r.Group.String()
			r.Description = `{"cluster-uid":"` + uid + `","namespace":"shop","service-name":"left","port":"80"}`
			gone(&in, "delete")
			in.Clusters[0].GoneGKE = "delete"
			c.change(&in, r)
			r.Name = r.Group.String()
			var words string
			var verdict Verdict
			found := Judge(in)
			for _, f := range found {
				if f.Resource == r.Name {
					verdict, words = f.Verdict, strings.Join(append(f.Evidence, f.Held), "; ")
				}
			}
			published := slices.ContainsFunc(Publish(in, found, Budget).Publications, func(p Publication) bool { return p.Orphan && p.Thorough })
			if verdict != c.verdict || published != c.published || !strings.Contains(words, c.because) {
				t.Errorf("%s, published %t: %s\nwant %s, published %t: %s", verdict, published, words, c.verdict, c.published, c.because)
			}
		})
	}
}

// TestUnused: a backend service and a health check that are wanted, and that nothing uses,
// are told of, and their key's turn looks for everything.
func TestUnused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Project, *Resource)
		unused bool
	}{
		"nothing uses it":            {func(*Project, *Resource) {}, true},
		"something uses it":          {func(_ *Project, r *Resource) { r.Uses = []Use{{By: "global/urlMaps/m"}} }, false},
		"nobody knows":               {func(p *Project, _ *Resource) { p.UsesFailed = "403" }, false},
		"of an age that nobody says": {func(_ *Project, r *Resource) { r.Created = time.Time{} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			in := small()
			in.Projects[0].Resources[1] = Resource{Kind: BackendService, Name: "global/web", Description: neg.OwnerOf(uid, web, 0).Description(), Created: now.Add(-time.Hour)}
			c.change(&in.Projects[0], &in.Projects[0].Resources[1])
			thorough := 0
			for run := range turns {
				in.At = now.Add(time.Duration(run) * Every)
				for _, p := range Publish(in, Judge(in), Budget).Publications {
					if p.Key == web && p.Thorough {
						thorough++
					}
				}
			}
			in.At = now
			r, _ := Conclude(in, Budget)
			if want := map[bool]int{true: 1}[c.unused]; thorough > 1 || r.Unused != want || c.unused != (thorough == 1) || len(r.Findings) != want || r.Verdicts["owned and wanted"] != 2 {
				t.Errorf("%d thorough looks in an hour, %+v", thorough, r)
			}
		})
	}
}

// TestLeft: of a cluster that the run had no time for nothing is concluded; it gets a run of
// its own.
func TestLeft(t *testing.T) {
	in := small()
	c := &in.Clusters[0]
	c.Left, c.Services, c.Endpoints = true, nil, nil
	r, s := Conclude(in, Budget)
	if r.Verdicts["unknown"] != 2 || len(s.Publications) != 0 || len(s.Clusters) != 1 || s.Clusters[0] != "c1" || len(r.Left) != 1 || len(r.Unread) != 0 {
		t.Errorf("%+v\n%+v", r, s)
	}
}
