package conformance

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
)

func insertGetDelete(w *world) {
	want := w.group("a")
	op := w.done(w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, want).Context(w.ctx).Do())
	w.discardGroup(want.Name)
	got, err := w.svc.NetworkEndpointGroups.Get(w.Project, w.Zone, want.Name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	path := "/compute/v1/projects/" + w.Project + "/zones/" + w.Zone + "/networkEndpointGroups/" + want.Name
	if !strings.HasSuffix(got.SelfLink, path) || got.SelfLink != op.TargetLink || got.Id != op.TargetId || got.Id == 0 {
		w.Errorf("group %d %s, operation's target %d %s", got.Id, got.SelfLink, op.TargetId, op.TargetLink)
	}
	if !strings.Contains(got.Network, "/global/networks/") || !strings.HasSuffix(got.Zone, "/zones/"+w.Zone) || got.Size != 0 {
		w.Errorf("network %s, zone %s, size %d", got.Network, got.Zone, got.Size)
	}
	if got.Kind != "compute#networkEndpointGroup" || got.CreationTimestamp == "" {
		w.Errorf("kind %s, created %q", got.Kind, got.CreationTimestamp)
	}
	w.done(w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, want.Name).Context(w.ctx).Do())
	_, err = w.svc.NetworkEndpointGroups.Get(w.Project, w.Zone, want.Name).Context(w.ctx).Do()
	w.refused(err, 404, "notFound", "was not found")
}

func nameTaken(w *world) {
	g := w.group("a")
	w.insert(g)
	_, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	w.refused(err, 409, "alreadyExists", "already exists")
}

func absent(w *world) {
	name := w.token + "-none"
	negs := w.svc.NetworkEndpointGroups
	path := "The resource 'projects/" + w.Project + "/zones/" + w.Zone + "/networkEndpointGroups/" + name + "' was not found"
	_, err := negs.Get(w.Project, w.Zone, name).Context(w.ctx).Do()
	w.refused(err, 404, "notFound", path)
	_, err = negs.Delete(w.Project, w.Zone, name).Context(w.ctx).Do()
	w.refused(err, 404, "notFound", path)
	_, err = w.attach(name, w.endpoint(0))
	w.refused(err, 404, "notFound", path)
	_, err = w.detach(name, w.endpoint(0))
	w.refused(err, 404, "notFound", path)
	_, err = negs.ListNetworkEndpoints(w.Project, w.Zone, name, &compute.NetworkEndpointGroupsListEndpointsRequest{}).Context(w.ctx).Do()
	w.refused(err, 404, "notFound", path)
}

func badGroups(w *world) {
	type groupChange func(*compute.NetworkEndpointGroup)
	for _, c := range []struct {
		name   string
		change groupChange
		text   string
	}{
		{"upper case", func(g *compute.NetworkEndpointGroup) { g.Name = "Upper" }, "Invalid value for field 'resource.name': 'Upper'."},
		{"trailing dash", func(g *compute.NetworkEndpointGroup) { g.Name = "a-" }, "Invalid value for field 'resource.name'"},
		{"64 characters", func(g *compute.NetworkEndpointGroup) { g.Name = strings.Repeat("a", 64) }, "Invalid value for field 'resource.name'"},
		{"no such network", func(g *compute.NetworkEndpointGroup) { g.Network = "global/networks/" + w.token }, "Invalid value for field 'resource.network'"},
		{"regional type", func(g *compute.NetworkEndpointGroup) {
			g.NetworkEndpointType, g.Network, g.Subnetwork = "SERVERLESS", "", ""
		}, "Invalid value for field 'resource.networkEndpointType'"},
	} {
		g := w.group("bad")
		c.change(g)
		_, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
		w.Logf("%s: %v", c.name, err)
		w.refused(err, 400, "invalid", c.text)
	}
}

// metadataRoundTrip: what marks a group as ours survives byte for byte.
func metadataRoundTrip(w *world) {
	want := w.group("a")
	want.Description = `{"token":"` + w.token + `","service":"a/b","quote":"\"<&> é"}`
	want.Annotations = map[string]string{"negfleet.dev/token": w.token}
	want.DefaultPort = 9376
	w.insert(want)
	got, err := w.svc.NetworkEndpointGroups.Get(w.Project, w.Zone, want.Name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if got.Description != want.Description || !cmp.Equal(got.Annotations, want.Annotations) || got.DefaultPort != want.DefaultPort {
		w.Errorf("got %q %v %d", got.Description, got.Annotations, got.DefaultPort)
	}
}

func listPages(w *world) {
	want := []string{}
	for _, name := range []string{"c", "a", "d", "b", "e"} {
		g := w.group(name)
		w.insert(g)
		want = append(want, g.Name)
	}
	pages, got := 0, []string{}
	w.sees("groups in pages of 2", want, func() []string {
		pages, got = 0, nil
		err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).MaxResults(2).Filter(`name eq "`+w.token+`-.*"`).
			Pages(w.ctx, func(page *compute.NetworkEndpointGroupList) error {
				pages++
				for _, g := range page.Items {
					got = append(got, g.Name)
				}
				return nil
			})
		if err != nil {
			w.Fatal(err)
		}
		return got
	})
	if pages < 3 || !slices.IsSorted(got) {
		w.Errorf("%d pages: %v", pages, got)
	}
	_, err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).PageToken("no token").Context(w.ctx).Do()
	w.refused(err, 400, "invalid", "Invalid value for field 'pageToken'")
}

func descriptionFilters(w *world) {
	w.insert(w.group("one"))
	w.insert(w.group("two"))
	other := w.group("other")
	other.Description = "nothing of ours"
	w.insert(other)
	one, two := w.token+"-one", w.token+"-two"
	for filter, want := range map[string][]string{
		`description eq ".*` + w.token + `.*"`:                         {one, two},
		`description eq .*` + w.token + `.*`:                           {one, two},
		`description : "` + w.token + `"`:                              {one, two},
		`description eq "` + w.token + `"`:                             nil, // the whole field or nothing
		`(name eq ` + one + `) (description eq ".*` + w.token + `.*")`: {one},
		`name = ` + two: {two},
		`(name = "` + one + `") OR (name = "` + two + `")`:              {one, two},
		`description : "` + w.token + `" AND name != ` + one:            {two},
		`name eq "` + w.token + `-.*" `:                                 {one, w.token + "-other", two},
		`networkEndpointType = "SERVERLESS" AND name:"` + w.token + `"`: nil,
	} {
		w.sees(filter, want, func() []string { return w.find(filter) })
	}
	_, err := w.svc.NetworkEndpointGroups.AggregatedList(w.Project).Filter("description eq ((").Context(w.ctx).Do()
	w.refused(err, 400, "invalid", "Invalid list filter expression")
}

// find lists the names of groups anywhere that a filter picks.
func (w *world) find(filter string) []string {
	w.Helper()
	var names []string
	err := w.svc.NetworkEndpointGroups.AggregatedList(w.Project).Filter(filter).
		Pages(w.ctx, func(page *compute.NetworkEndpointGroupAggregatedList) error {
			for _, in := range page.Items {
				for _, g := range in.NetworkEndpointGroups {
					names = append(names, g.Name)
				}
			}
			return nil
		})
	if err != nil {
		w.Fatalf("%s: %v", filter, err)
	}
	return names
}

// aggregatedScopes: a list by scope, where a scope without results says so.
func aggregatedScopes(w *world) {
	g := w.group("a")
	w.insert(g)
	w.sees("groups of that name", []string{g.Name}, func() []string { return w.find(`name = "` + g.Name + `"`) })
	page, err := w.svc.NetworkEndpointGroups.AggregatedList(w.Project).Filter(`name = "` + g.Name + `"`).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if found := page.Items["zones/"+w.Zone].NetworkEndpointGroups; len(found) != 1 || found[0].Name != g.Name {
		w.Errorf("zones/%s has %v", w.Zone, found)
	}
	if len(page.Unreachables) > 0 || page.Warning != nil {
		w.Errorf("unreachable %v, warning %v", page.Unreachables, page.Warning)
	}
	for scope, in := range page.Items {
		empty := len(in.NetworkEndpointGroups) == 0
		if empty && (in.Warning == nil || in.Warning.Code != "NO_RESULTS_ON_PAGE") {
			w.Errorf("%s is empty without a warning", scope)
		}
	}
}

// partialSuccess: a caller may ask for what can be reached, and learns of the rest.
func partialSuccess(w *world) {
	g := w.group("a")
	w.insert(g)
	w.sees("groups with partial success", []string{g.Name}, func() []string {
		page, err := w.svc.NetworkEndpointGroups.AggregatedList(w.Project).Filter(`name = "` + g.Name + `"`).
			Context(w.ctx).Do(googleapi.QueryParameter("returnPartialSuccess", "true"))
		if err != nil {
			w.Fatal(err)
		}
		if len(page.Unreachables) > 0 {
			w.Logf("unreachable: %v", page.Unreachables)
		}
		var names []string
		for _, found := range page.Items["zones/"+w.Zone].NetworkEndpointGroups {
			names = append(names, found.Name)
		}
		return names
	})
}

func zonesAndRegions(w *world) {
	zone, err := w.svc.Zones.Get(w.Project, w.Zone).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	name := zone.Region[strings.LastIndex(zone.Region, "/")+1:]
	region, err := w.svc.Regions.Get(w.Project, name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	if zone.Status != "UP" || !slices.Contains(region.Zones, zone.SelfLink) {
		w.Errorf("zone %s is %s, region has %v", zone.SelfLink, zone.Status, region.Zones)
	}
	_, err = w.svc.NetworkEndpointGroups.List(w.Project, "nowhere-9z").Context(w.ctx).Do()
	w.refused(err, 400, "invalid", "Invalid value for field 'zone': 'nowhere-9z'. Unknown zone.")
}
