package fakegce_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
)

func TestFilters(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	for _, body := range []string{
		`{"name":"a","networkEndpointType":"GCE_VM_IP_PORT","description":"nf1-aa","defaultPort":80}`,
		`{"name":"b","networkEndpointType":"GCE_VM_IP_PORT","description":"{\"t\":\"nf1-bb (x)\"}","annotations":{"a.b/c":"v"}}`,
		`{"name":"c","networkEndpointType":"NON_GCP_PRIVATE_IP_PORT","defaultPort":8080}`,
	} {
		c.ok("POST", zone+"networkEndpointGroups", body)
	}
	const bad = "bad"
	for filter, want := range map[string]string{
		"":                                         "abc",
		`description eq nf1-aa`:                    "a",
		`description eq "nf1-.*"`:                  "a",
		`description eq '.*nf1-bb \(x\).*'`:        "b",
		`description ne ".*nf1.*"`:                 "c",
		`(name ne a) (name ne "b")`:                "c",
		`(name eq "a|b)")`:                         bad,
		`name eq a|b`:                              "ab",
		`name eq`:                                  bad,
		`name eq "a`:                               bad,
		`(name eq a) name = b`:                     bad,
		`name = a AND (name eq a)`:                 bad,
		`name eq a AND size = 0`:                   bad,
		`name eq a OR name eq b`:                   bad,
		`name eq "a AND b"`:                        "",
		`name eq *`:                                bad,
		`name eq a)|(b`:                            bad,
		`name = a`:                                 "a",
		`name != a`:                                "bc",
		`-name = a`:                                "bc",
		`NOT name = a`:                             "bc",
		`name=a OR name=b`:                         "ab",
		`(name=a) (name=b)`:                        "",
		`name=a OR name=b AND name!=a`:             "b", // OR binds tighter
		`name < c`:                                 "ab",
		`defaultPort > 80`:                         "c",
		`default_port >= 80`:                       "ac",
		`defaultPort = 80`:                         "a",
		`description:NF1`:                          "ab",
		`description:*`:                            "ab",
		`annotations.a.b/c = v`:                    "b",
		`annotations.a.b/c eq v`:                   "b",
		`name = "a*"`:                              "a",
		`network_endpoint_type = *PORT`:            "abc",
		`creationTimestamp < 1999-01-01T00:00:00Z`: bad,
		`creationTimestamp < "1999-01-01T00:00:00Z"`: "",
		`name`:     bad,
		`= a`:      bad,
		`name = (`: bad,
		`name =`:   bad,
		`(name=a`:  bad,
		`name ~ a`: bad,
		strings.Repeat("(", 100) + "name=a" + strings.Repeat(")", 100): bad,
	} {
		status, answer := c.do("GET", zone+"networkEndpointGroups?filter="+url.QueryEscape(filter), "")
		got := bad
		if status == 200 {
			got = names(answer)
		} else if want := "400 invalid: Invalid value for field 'filter': '" + filter + "'. Invalid list filter expression."; message(status, answer) != want {
			t.Errorf("%s: %s", filter, message(status, answer))
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", filter, got, want)
		}
	}
}

func names(list map[string]any) string {
	text := ""
	items, _ := list["items"].([]any)
	for _, item := range items {
		text += item.(map[string]any)["name"].(string)
	}
	return text
}

func TestOrderAndPages(t *testing.T) {
	clock := fakegce.NewManualClock(noon)
	_, c := start(t, fakegce.Options{Clock: clock})
	for _, name := range []string{"c", "a", "d", "b"} {
		c.insert(name)
		clock.Advance(time.Second)
	}
	for query, want := range map[string]string{
		"":                               "abcd",
		"maxResults=0":                   "abcd",
		"maxResults=2":                   "ab cd",
		"maxResults=3&orderBy=name":      "abc d",
		"orderBy=creationTimestamp+desc": "bdac",
		"maxResults=1&orderBy=creationTimestamp+desc":           "b d a c",
		"maxResults=3&filter=" + url.QueryEscape(`name ne "b"`): "acd",
	} {
		var pages []string
		for token := ""; ; {
			page := c.ok("GET", zone+"networkEndpointGroups?"+query+"&pageToken="+token, "")
			pages = append(pages, names(page))
			next, more := page["nextPageToken"].(string)
			if !more {
				break
			}
			token = next
		}
		if got := strings.Join(pages, " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{"maxResults=501", "maxResults=-1", "maxResults=x", "orderBy=size", "pageToken=x"} {
		if status, _ := c.do("GET", zone+"networkEndpointGroups?"+query, ""); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
}

// TestEndpointPagesUnderChange: what stays attached is listed once, whatever
// comes and goes between pages.
func TestEndpointPagesUnderChange(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	c.insert("g")
	group := zone + "networkEndpointGroups/g/"
	var stay []string
	for i := range 10 {
		ep := fmt.Sprintf("i0 10.4.0.%d:80", i)
		c.ok("POST", group+"attachNetworkEndpoints", endpoints(ep))
		if i != 1 && i != 6 {
			stay = append(stay, fmt.Sprintf("10.4.0.%d", i))
		}
	}
	var got []string
	for token, page := "", 0; ; page++ {
		list := c.ok("POST", group+"listNetworkEndpoints?maxResults=4&pageToken="+token, "")
		for _, item := range list["items"].([]any) {
			got = append(got, item.(map[string]any)["networkEndpoint"].(map[string]any)["ipAddress"].(string))
		}
		if page == 0 {
			c.ok("POST", group+"detachNetworkEndpoints", endpoints("i0 10.4.0.1:80", "i0 10.4.0.6:80"))
			c.ok("POST", group+"attachNetworkEndpoints", endpoints("i1 10.4.1.0:80"))
		}
		next, more := list["nextPageToken"].(string)
		if !more {
			break
		}
		token = next
	}
	for _, ip := range stay {
		if n := count(got, ip); n != 1 {
			t.Errorf("%s listed %d times in %v", ip, n, got)
		}
	}
}

func count(list []string, s string) int {
	n := 0
	for _, item := range list {
		if item == s {
			n++
		}
	}
	return n
}

func TestAggregatedList(t *testing.T) {
	s, c := start(t, fakegce.Options{})
	c.insert("a")
	c.ok("POST", "projects/p1/regions/us-central1/networkEndpointGroups", `{"name":"s","networkEndpointType":"SERVERLESS"}`)
	c.ok("POST", "projects/p1/global/networkEndpointGroups", `{"name":"i","networkEndpointType":"INTERNET_IP_PORT"}`)
	list := c.ok("GET", "projects/p1/aggregated/networkEndpointGroups", "")
	items := list["items"].(map[string]any)
	for _, scope := range []string{"zones/us-central1-a", "regions/us-central1", "global"} {
		if items[scope].(map[string]any)["networkEndpointGroups"] == nil {
			t.Errorf("%s has %v", scope, items[scope])
		}
	}
	empty := fmt.Sprint(items["zones/us-central1-b"])
	if !strings.Contains(empty, "NO_RESULTS_ON_PAGE") || !strings.Contains(empty, "scope 'zones/us-central1-b' on this page") {
		t.Errorf("empty scope %s", empty)
	}
	if err := s.AddFaults(fakegce.Fault{Verb: "*", Unreachable: "zones/us-central1-a"}); err != nil {
		t.Fatal(err)
	}
	list = c.ok("GET", "projects/p1/aggregated/networkEndpointGroups", "")
	if got := fmt.Sprint(list["unreachables"]); got != "[zones/us-central1-a]" || !strings.Contains(fmt.Sprint(list["warning"]), "UNREACHABLE") {
		t.Errorf("unreachables %s, warning %v", got, list["warning"])
	}
}

// TestVersionsAndHosts: one tree under three versions, and a trailing slash or
// an empty name is the collection.
func TestVersionsAndHosts(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	c.insert("g")
	for _, path := range []string{"/compute/v1/", "/compute/beta/", "/compute/alpha/"} {
		for _, end := range []string{"/g", "", "/"} {
			c.ok("GET", path+zone+"networkEndpointGroups"+end, "")
		}
	}
	for _, path := range []string{"/compute/v2/" + zone + "networkEndpointGroups", zone + "nothing", zone + "networkEndpointGroups/g/attach"} {
		if status, _ := c.do("GET", path, ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
	got := message(c.do("GET", "projects/p1/zones/us-central1-z/networkEndpointGroups", ""))
	if want := "400 invalid: Invalid value for field 'zone': 'us-central1-z'. Unknown zone."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestPlaces: every region has zones and a range of its own.
func TestPlaces(t *testing.T) {
	_, c := start(t, fakegce.Options{})
	subnets := c.ok("GET", "projects/other/aggregated/subnetworks", "")["items"].(map[string]any)
	var ranges []string
	regions := c.ok("GET", "projects/other/regions", "")["items"].([]any)
	for _, item := range regions {
		r := item.(map[string]any)
		if len(r["zones"].([]any)) < 3 {
			t.Errorf("%s has zones %v", r["name"], r["zones"])
		}
		sub := subnets["regions/"+r["name"].(string)].(map[string]any)["subnetworks"].([]any)[0].(map[string]any)
		ranges = append(ranges, sub["ipCidrRange"].(string))
	}
	slices.Sort(ranges)
	if unique := len(slices.Compact(slices.Clone(ranges))); unique != len(regions) {
		t.Errorf("%d regions, %d ranges", len(regions), unique)
	}
}
