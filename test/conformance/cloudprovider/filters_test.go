package cloudprovider

import (
	"slices"
	"testing"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/filter"
	compute "google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/test/fakegce"
)

// TestFilters: the expressions that the library writes pick what its documentation says.
func TestFilters(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	for name, port := range map[string]int64{"homer": 80, "homers": 81, "marge": 80} {
		g := group()
		g.DefaultPort, g.Description = port, `{"owner":"`+name+`"}`
		w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal(name), g))
	}
	for _, c := range []struct {
		filter *filter.F
		want   []string
	}{
		{filter.None, []string{"homer", "homers", "marge"}},
		{filter.Regexp("name", "homer"), []string{"homer"}},
		{filter.Regexp("name", "homer.*"), []string{"homer", "homers"}},
		{filter.NotRegexp("name", "homer.*"), []string{"marge"}},
		{filter.Regexp("name", "homer.*").AndNotRegexp("name", "homers"), []string{"homer"}},
		{filter.Regexp("description", ".*homer.*"), []string{"homer", "homers"}},
		{filter.Regexp("description", "homer"), nil},
		{filter.EqualInt("defaultPort", 80), []string{"homer", "marge"}},
		{filter.NotEqualInt("defaultPort", 80), []string{"homers"}},
		{filter.EqualInt("defaultPort", 80).AndRegexp("networkEndpointType", "GCE_VM_IP_PORT").AndRegexp("name", ".*e"), []string{"marge"}},
		{filter.Regexp("name", "(homer|marge)"), []string{"homer", "marge"}},
		{filter.Regexp("network", ".*/networks/default"), []string{"homer", "homers", "marge"}},
	} {
		list, err := w.NetworkEndpointGroups().List(t.Context(), zone, c.filter)
		all, aggErr := w.NetworkEndpointGroups().AggregatedList(t.Context(), c.filter)
		if err != nil || aggErr != nil {
			t.Errorf("%v: %v, %v", c.filter, err, aggErr)
			continue
		}
		if one, every := names(list), names(all["zones/"+zone]); !slices.Equal(one, c.want) || !slices.Equal(every, c.want) {
			t.Errorf("%v: list %v, aggregated %v, want %v", c.filter, one, every, c.want)
		}
	}
}

func names(groups []*compute.NetworkEndpointGroup) (list []string) {
	for _, g := range groups {
		list = append(list, g.Name)
	}
	slices.Sort(list)
	return list
}

func TestFilterOfBooleans(t *testing.T) {
	w := newWorld(t, fakegce.Options{})
	w.must(w.NetworkEndpointGroups().Insert(t.Context(), zonal("a"), group()))
	w.serve(w.places()["global"], "a")
	for want, f := range map[int]*filter.F{0: filter.EqualBool("enableCDN", true), 1: filter.NotEqualBool("enableCDN", true)} {
		list, err := w.BackendServices().List(t.Context(), f)
		if err != nil || len(list) != want {
			t.Errorf("%v: %d services, %v; want %d", f, len(list), err, want)
		}
	}
}
