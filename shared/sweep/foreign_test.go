package sweep

import (
	"testing"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// TestGKECluster: where GKE's own controller keeps the groups, they are not judged; the
// backend services and health checks that negfleet made there are, and the keys of Services
// that ask for some have their turn.
func TestGKECluster(t *testing.T) {
	in := small()
	c := &in.Clusters[0]
	c.Skip = "the fleet file says negs: gke"
	c.Services[web] = Service{Asks: true, Backends: true}
	other := neg.Key{Cluster: "c1", Namespace: "shop", Service: "groups-alone"}
	c.Services[other] = Service{Asks: true}
	made := func(k neg.Key) Resource {
		return Resource{Kind: BackendService, Name: "global/" + k.Service, Description: neg.OwnerOf(uid, k, 0).Description(), Created: now.Add(-time.Hour)}
	}
	in.Projects[0].Resources = append(in.Projects[0].Resources, made(web), made(left))
	verdicts := map[string]Verdict{}
	for _, f := range Judge(in) {
		verdicts[f.Resource] = f.Verdict
	}
	for _, r := range in.Projects[0].Resources[:2] {
		if verdicts[r.Name] != Unknown {
			t.Errorf("group %s is %s", r.Name, verdicts[r.Name])
		}
	}
	if verdicts["global/"+web.Service] != Wanted || verdicts["global/"+left.Service] != Orphan {
		t.Errorf("backend services: %v", verdicts)
	}
	if keys := c.wanted(); len(keys) != 1 || keys[0] != web {
		t.Errorf("keys with a turn: %v", keys)
	}
}

// TestKeepServing: Pods that serve on while they terminate are more than the slices count as
// live, and no drift where the Service asks for that. Fewer always are.
func TestKeepServing(t *testing.T) {
	for name, c := range map[string]struct {
		keeps bool
		live  int
		want  Verdict
	}{
		"one serves on":          {true, 2, Wanted},
		"one serves on, unasked": {false, 2, Drifted},
		"one is missing":         {true, 4, Drifted},
	} {
		in := small()
		r := &in.Projects[0].Resources[0]
		r.Size = 3
		s := in.Clusters[0].Services[web]
		s.Keeps = c.keeps
		in.Clusters[0].Services[web], in.Clusters[0].Endpoints[web] = s, c.live
		if found := Judge(in); found[0].Verdict != c.want {
			t.Errorf("%s: %s, want %s: %v", name, found[0].Verdict, c.want, found[0].Evidence)
		}
	}
}
