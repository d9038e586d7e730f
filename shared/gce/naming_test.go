package gce_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// TestGroupsNaming: groups of every type and writer whose description holds a UID, on as
// many pages as it takes, and none without it; with a scope missing, none at all.
func TestGroupsNaming(t *testing.T) {
	c := newCloud(t, fakegce.Options{})
	gke := `{"cluster-uid":"` + uid + `","namespace":"shop","service-name":"web","port":"80"}`
	for name, body := range map[string]string{
		"zones/us-central1-a ours":     fmt.Sprintf(`"networkEndpointType":"GCE_VM_IP_PORT","description":%q`, owner.Description()),
		"zones/us-central1-b gke":      fmt.Sprintf(`"networkEndpointType":"GCE_VM_IP_PORT","description":%q`, gke),
		"zones/us-central1-b gke-l4":   fmt.Sprintf(`"networkEndpointType":"GCE_VM_IP","description":%q`, gke),
		"zones/us-central1-a by-hand":  `"networkEndpointType":"GCE_VM_IP_PORT","description":"by hand"`,
		"zones/us-central1-a stranger": fmt.Sprintf(`"networkEndpointType":"GCE_VM_IP_PORT","description":%q`, neg.OwnerOf("99999999-4b9b-4c1e-8a53-0d6a2f1f8a11", web, 80).Description()),
	} {
		scope, name, _ := strings.Cut(name, " ")
		res, err := http.Post(c.url+"projects/p1/"+scope+"/networkEndpointGroups", "application/json", strings.NewReader(`{"name":"`+name+`",`+body+`}`))
		c.check(err)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", name, res.Status)
		}
	}
	for i := range 501 {
		k := neg.Key{Cluster: "c1", Namespace: "shop", Service: fmt.Sprintf("s-%d", i)}
		c.check(c.CreateGroup(t.Context(), neg.GroupID{Zone: zone, Name: fmt.Sprintf("many-%d", i)}, neg.OwnerOf(uid, k, 80)))
	}
	var got []string
	pages := 0
	c.check(c.GroupsNaming(t.Context(), uid, func(page []neg.ListedGroup) error {
		pages++
		for _, g := range page {
			if !strings.HasPrefix(g.Name, "many-") {
				got = append(got, g.GroupID.String())
			}
		}
		return nil
	}))
	slices.Sort(got)
	if d := cmp.Diff([]string{"us-central1-a/ours", "us-central1-b/gke", "us-central1-b/gke-l4"}, got); d != "" || pages != 2 {
		t.Errorf("%d pages (-want +got):\n%s", pages, d)
	}
	c.check(c.fake.AddFaults(fakegce.Fault{Verb: listAll, Unreachable: "zones/us-central1-b"}))
	if err := c.GroupsNaming(t.Context(), uid, func([]neg.ListedGroup) error { return nil }); err == nil {
		t.Error("a list that lacks a zone counts")
	}
}
