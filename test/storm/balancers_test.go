package storm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/rig"
)

// What an app asks of backend services for its port 80.
const (
	attached = "attached" // to the one that someone else made, for all clusters
	managed  = "managed"  // one of its own
)

// sharedService is someone else's backend service, with an entry of his.
const sharedService = "shared"

// balances tells what the app has of backend services when all is done. Without groups of
// the port there is nothing to put in.
func (a *app) balances() string {
	if _, exposed := a.groups()[80]; !exposed {
		return ""
	}
	return a.serves
}

// addShared makes the backend service that apps of both clusters are put into.
func (s *storm) addShared() {
	s.global("healthChecks", `{"name":"shared","type":"TCP"}`)
	s.global("backendServices", fmt.Sprintf(`{"name":%q,"healthChecks":["global/healthChecks/shared"],"backends":[
		{"group":"zones/%s/networkEndpointGroups/%s","balancingMode":"RATE","maxRatePerEndpoint":3,"capacityScaler":0,"description":"terraform","unknown":{"a":[1,null]}}]}`,
		sharedService, rig.Zones[0], foreignName))
	s.shared = s.sharedEntries("terraform")
}

// global makes a resource and waits for its operation.
func (s *storm) global(collection, body string) {
	answer, err := s.byHand("POST", "global/"+collection, body)
	s.must(err)
	var op struct{ Name string }
	s.must(json.Unmarshal(answer, &op))
	_, err = s.byHand("POST", "global/operations/"+op.Name+"/wait", "")
	s.must(err)
}

// sharedEntries are the raw entries of the shared backend service whose description
// contains text.
func (s *storm) sharedEntries(text string) []string {
	answer, err := s.byHand("GET", "global/backendServices/"+sharedService, "")
	s.must(err)
	var service struct{ Backends []json.RawMessage }
	s.must(json.Unmarshal(answer, &service))
	var entries []string
	for _, raw := range service.Backends {
		var entry struct{ Description string }
		s.must(json.Unmarshal(raw, &entry))
		if strings.Contains(entry.Description, text) {
			entries = append(entries, string(raw))
		}
	}
	return entries
}

// balance changes what an app asks of backend services.
func (s *storm) balance(a *app) error {
	a.serves = pickOne(s.rand, "", attached, managed)
	return s.annotate(a)
}

// checkBalancers holds backend services and health checks against what the apps ask for.
func (s *storm) checkBalancers() {
	s.t.Helper()
	if d := cmp.Diff(s.shared, s.sharedEntries("terraform")); d != "" {
		s.t.Errorf("an entry of someone else's was touched (-before +after):\n%s", d)
	}
	want := []string{
		"backendServices " + sharedService, "healthChecks shared",
		entryLine(sharedService, "zones/"+rig.Zones[0]+"/networkEndpointGroups/"+foreignName),
	}
	for _, a := range s.apps {
		group := a.groups()[80]
		service := sharedService
		switch a.balances() {
		case "":
			continue
		case managed:
			service = group
			want = append(want, "backendServices "+service, "healthChecks "+service)
		}
		for _, zone := range rig.Zones {
			want = append(want, entryLine(service, "zones/"+zone+"/networkEndpointGroups/"+group))
		}
	}
	var got []string
	for _, r := range s.GCE.State().Resources {
		if r.Collection == "backendServices" || r.Collection == "healthChecks" {
			got = append(got, r.Collection+" "+r.Name)
		}
		for _, b := range r.Backends {
			got = append(got, entryLine(r.Name, b.Group))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		s.t.Errorf("backend services and health checks (-want +got):\n%s", d)
	}
}

func entryLine(service, group string) string {
	return "entry of " + service + ": " + group[strings.Index(group, "zones/"):]
}

// askedOf is the annotation that says it.
func askedOf(serves string) (name, value string) {
	switch serves {
	case attached:
		return neg.AnnotationAutoneg, `{"backend_services":{"80":[{"name":"` + sharedService + `","max_rate_per_endpoint":10}]}}`
	case managed:
		return neg.AnnotationBackendService, `{"80":{"timeoutSec":20}}`
	}
	return "", ""
}
