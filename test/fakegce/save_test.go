package fakegce_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/test/fakegce"
)

// kept is an emulator on a clock of its own.
type kept struct {
	t     *testing.T
	s     *fakegce.Server
	clock *fakegce.ManualClock
}

func newKept(t *testing.T, opts fakegce.Options) kept {
	clock := fakegce.NewManualClock(noon)
	opts.Clock = clock
	s := fakegce.New(opts)
	t.Cleanup(s.Close)
	return kept{t, s, clock}
}

// call answers as text, without a connection.
func (k kept) call(method, path, body string) string {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(method, "/compute/v1/"+path, strings.NewReader(body))
	k.s.ServeHTTP(rec, req)
	return fmt.Sprintf("%d %s", rec.Code, rec.Body)
}

func (k kept) save() []byte {
	k.t.Helper()
	var b bytes.Buffer
	if err := k.s.Save(&b); err != nil {
		k.t.Fatal(err)
	}
	return b.Bytes()
}

// loaded is what a new process would have.
func (k kept) loaded(opts fakegce.Options) kept {
	k.t.Helper()
	other := newKept(k.t, opts)
	if err := other.s.Load(bytes.NewReader(k.save())); err != nil {
		k.t.Fatal(err)
	}
	return other
}

var (
	listQueries = []string{"?maxResults=3", "?maxResults=1&orderBy=creationTimestamp+desc",
		"?filter=annotations.a.b/c+eq+v1", "?filter=labels.a_b+%3D+v1", "?filter=description+eq+%22.*1.*%22", "?filter=defaultPort+%3E+79"}
	scopesOfTest = strings.NewReplacer("{project}", "p1", "{zone}", "us-central1-a", "{region}", "us-central1")
	nextToken    = regexp.MustCompile(`"nextPageToken":"([^"]*)"`)
	nameOfItem   = regexp.MustCompile(`"name":"([^"]*)"`)
)

// answers is everything that can be read, by request.
func (k kept) answers() map[string]string {
	all := map[string]string{}
	for _, m := range fakegce.Methods() {
		path := scopesOfTest.Replace(m.Path)
		if m.HTTP != "GET" || strings.Contains(path, "{") {
			continue
		}
		k.pages(all, "GET", path, "")
		if m.ID == "zones.list" || m.ID == "regions.list" {
			continue
		}
		for _, query := range listQueries {
			aggregated := strings.Contains(path, "/aggregated/") // long answers, the same lists
			if !strings.HasSuffix(path, "/operations") && (!aggregated || query == listQueries[0]) {
				k.pages(all, "GET", path, query)
			}
		}
		for _, name := range nameOfItem.FindAllStringSubmatch(all["GET "+path], -1) {
			one := path + "/" + name[1]
			all["GET "+one] = k.call("GET", one, "")
			if strings.HasSuffix(path, "networkEndpointGroups") {
				k.pages(all, "POST", one+"/listNetworkEndpoints", "?maxResults=2")
			}
		}
	}
	for _, body := range []string{`{"group":"zones/us-central1-a/networkEndpointGroups/r0"}`, `{"group":"zones/us-central1-a/networkEndpointGroups/r1"}`} {
		path := everywhere + "backendServices/r0/getHealth"
		all["POST "+path+body] = k.call("POST", path, body)
	}
	return all
}

func (k kept) pages(all map[string]string, method, path, query string) {
	answer := k.call(method, path+query, "")
	all[method+" "+path+query] = answer
	for n := 0; ; n++ {
		next := nextToken.FindStringSubmatch(answer)
		if next == nil {
			return
		}
		answer = k.call(method, path+query+"&pageToken="+next[1], "")
		all[fmt.Sprint(method, " ", path, query, " ", n)] = answer
	}
}

// wish is a mutation that may be refused; FINGERPRINT in it is the current one.
type wish struct{ method, path, body string }

func (k kept) mutate(w wish) string {
	if strings.Contains(w.body, "FINGERPRINT") {
		var res struct{ Fingerprint string }
		_, answer, _ := strings.Cut(k.call("GET", w.path, ""), " ")
		json.Unmarshal([]byte(answer), &res)
		w.body = strings.ReplaceAll(w.body, "FINGERPRINT", res.Fingerprint)
	}
	return k.call(w.method, w.path, w.body)
}

// wishes are random mutations of few resources, so that they meet.
func wishes(r *rand.Rand, n int) []wish {
	out := make([]wish, n)
	for i := range out {
		out[i] = someWish(r)
	}
	return out
}

func someWish(r *rand.Rand) wish {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	name := func() string { return pick("r0", "r1", "r2") }
	in := pick(everywhere, everywhere, "projects/p1/regions/us-central1/")
	link := strings.TrimPrefix(in, "projects/p1/")
	neg := pick(zone, zone, zone, "projects/p1/regions/us-central1/", everywhere) + "networkEndpointGroups"
	one := zone + "networkEndpointGroups/" + name()
	var eps []string
	for range 1 + r.IntN(4) {
		eps = append(eps, fmt.Sprintf("i%d 10.4.%[1]d.%d:80", r.IntN(3), r.IntN(5)))
	}
	note := fmt.Sprintf(`"description":"<n%d>","futureField":[{"x":1.50},null,"é"],"labels":{"a_b":"v%d"}`, r.IntN(3), r.IntN(3))
	backends := fmt.Sprintf(`"healthChecks":["%shealthChecks/%s"],"backends":[{"group":"zones/us-central1-a/networkEndpointGroups/%s","balancingMode":"RATE","maxRate":1e2}]`,
		link, name(), name())
	target := fmt.Sprintf(`"target":"%stargetHttpProxies/%s","portRange":"%s"`, link, name(), pick("80", "81-90"))
	configs := []wish{
		{"POST", in + "healthChecks", `{"name":"` + name() + `","type":"` + pick("HTTP", "TCP", "NO") + `",` + note + `}`},
		{"PATCH", in + "healthChecks/" + name(), `{"timeoutSec":` + pick("2", "4", "9") + `}`},
		{"POST", in + "backendServices", `{"name":"` + name() + `",` + backends + `,` + note + `,"loadBalancingScheme":"INTERNAL_MANAGED"}`},
		{"PATCH", in + "backendServices/" + name(), `{"fingerprint":"FINGERPRINT",` + pick(backends, `"backends":[]`) + `}`},
		{"PUT", in + "backendServices/" + name(), `{"fingerprint":"FINGERPRINT","loadBalancingScheme":"INTERNAL_MANAGED",` + backends + `}`},
		{"POST", in + "urlMaps", `{"name":"` + name() + `","defaultService":"` + link + `backendServices/` + name() + `"}`},
		{"PATCH", in + "urlMaps/" + name(), `{"fingerprint":"FINGERPRINT","defaultService":"` + link + `backendServices/` + name() + `"}`},
		{"POST", in + "targetHttpProxies", `{"name":"` + name() + `","urlMap":"` + link + `urlMaps/` + name() + `"}`},
		{"POST", in + "forwardingRules", `{"name":"` + name() + `",` + target + `,"IPAddress":"` + pick("", "198.51.100.1", link+"addresses/r0", link+"addresses/r1") + `"}`},
		{"POST", in + "addresses", `{"name":"` + name() + `","address":"` + pick("", "198.51.100.1") + `"}`},
		{"POST", in + "sslCertificates", `{"name":"` + name() + `","type":"MANAGED","managed":{"domains":["negfleet.dev"]}}`},
		{"POST", everywhere + "firewalls", `{"name":"` + name() + `","allowed":[{"IPProtocol":"tcp"}],` + note + `}`},
		{"POST", everywhere + "networks", `{"name":"` + name() + `","autoCreateSubnetworks":false}`},
		{"POST", "projects/p1/regions/us-central1/subnetworks", `{"name":"` + name() + `","network":"` + name() + `","ipCidrRange":"10.` + pick("50", "51", "52") + `.0.0/24"}`},
		{"POST", zone + "instances", `{"name":"` + name() + `","machineType":"e2","networkInterfaces":[{"network":"` + name() + `","subnetwork":"` + name() + `"}]}`},
		{"DELETE", pick(everywhere+"networks/", "projects/p1/regions/us-central1/subnetworks/", zone+"instances/") + name(), ""},
		{"DELETE", in + pick("healthChecks/", "backendServices/", "urlMaps/", "targetHttpProxies/", "forwardingRules/", "addresses/") + name(), ""},
	}
	groups := []wish{
		{"POST", neg, `{"name":"` + name() + `","networkEndpointType":"` + pick("GCE_VM_IP_PORT", "GCE_VM_IP_PORT", "NON_GCP_PRIVATE_IP_PORT", "INTERNET_FQDN_PORT") +
			`","defaultPort":80,"description":"g1","annotations":{"a.b/c":"v` + pick("1", "2") + `"}}`},
		{"POST", one + "/attachNetworkEndpoints", endpoints(eps...)},
		{"POST", one + "/attachNetworkEndpoints", endpoints(eps...)},
		{"POST", one + "/detachNetworkEndpoints", endpoints(eps[0])},
		{"DELETE", one, ""},
		{"POST", zone + "networkEndpointGroups", `{"name":"` + name() + `","networkEndpointType":"GCE_VM_IP_PORT"}`},
		{"DELETE", zone + "instances/" + pick("i0", "i1", "i2", "i7", "i8", "i9"), ""},
	}
	list := groups
	if r.IntN(2) == 0 {
		list = configs
	}
	w := list[r.IntN(len(list))]
	if r.IntN(8) == 0 && w.method != "PATCH" && w.method != "PUT" {
		w.path += "?requestId=0a0b0c0d-0000-4000-8000-00000000000" + pick("1", "2", "3")
	}
	return w
}

var switches = map[string]fakegce.Options{
	"at once":        {},
	"slow":           {OpLatency: 10 * time.Second},
	"slow, accepted": {OpLatency: 10 * time.Second, CommitAt: "accept", AttachExisting: fakegce.Idempotent, DetachAbsent: fakegce.Idempotent},
	"names, quota":   {OpLatency: 3 * time.Second, InstanceEcho: "name", Quota: map[string]int{"NETWORK_ENDPOINT_GROUPS": 2}, MissingFingerprint: "optional", AttachExisting: fakegce.Idempotent},
}

// TestLoadIsExact: after random mutations a new server that loads what was saved
// answers every read byte by byte as the old one, goes on with what was under
// way, and takes or refuses whatever comes next the same way.
func TestLoadIsExact(t *testing.T) {
	for name, opts := range switches {
		t.Run(name, func(t *testing.T) {
			rounds := 3
			if testing.Short() {
				rounds = 1
			}
			for range rounds {
				seed := rand.Uint64()
				r := rand.New(rand.NewPCG(seed, 0))
				if !exact(t, r, opts) {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func exact(t *testing.T, r *rand.Rand, opts fakegce.Options) bool {
	a := newKept(t, opts)
	if err := a.s.Seed(nodes(3)); err != nil {
		t.Fatal(err)
	}
	failure := &fakegce.OperationError{Code: "X", Message: "by chance", HTTPStatus: 503, Details: []any{map[string]any{"limit": 2.5}}}
	if err := a.s.AddFaults(fakegce.Fault{Verb: "*", Probability: 0.1, Operation: failure}); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, w := range wishes(r, 150) {
		ids[idOf(a.mutate(w))] = true
		a.clock.Advance(time.Duration(r.IntN(2000)) * time.Millisecond)
	}
	a.s.ClearFaults()
	b := a.loaded(opts)
	ok := same(t, "read", a.answers(), b.answers())
	if diff := cmp.Diff(a.s.State(), b.s.State()); diff != "" {
		t.Errorf("state\n%s", diff)
	}
	if again := b.save(); !bytes.Equal(a.save(), again) {
		t.Error("saved again, it is another file")
	}
	more := fakegce.Seed{Subnetworks: []fakegce.Subnetwork{{Project: "p1", Region: "us-central1", Name: "more", Range: "10.9.0.0/24"}}}
	if err := errors.Join(a.s.Seed(more), b.s.Seed(more)); err != nil {
		t.Fatal(err)
	}
	for _, w := range wishes(r, 60) {
		inA, inB := a.mutate(w), b.mutate(w)
		ok = same(t, fmt.Sprint(w), map[string]string{"": settled(inA)}, map[string]string{"": settled(inB)}) && ok
		if id := idOf(inB); id != "" && !strings.Contains(w.path, "requestId") && ids[id] {
			t.Errorf("%v: the id %s is used again", w, id)
		}
		d := time.Duration(r.IntN(2000)) * time.Millisecond
		a.clock.Advance(d)
		b.clock.Advance(d)
	}
	a.clock.Advance(time.Minute)
	b.clock.Advance(time.Minute)
	inA, inB := settledApart(a.answers(), b.answers())
	return same(t, "in the end", inA, inB) && ok
}

func same(t *testing.T, when string, a, b map[string]string) bool {
	t.Helper()
	diff := cmp.Diff(a, b)
	if diff != "" {
		t.Errorf("%s: -before +after the load\n%.4000s", when, diff)
	}
	return diff == ""
}

func idOf(answer string) string {
	if m := regexp.MustCompile(`"id":"(\d+)"`).FindStringSubmatch(answer); m != nil {
		return m[1]
	}
	return ""
}

var chance = regexp.MustCompile(`"(id|targetId|fingerprint|nextPageToken)":"[^"]*"|operation-[-0-9a-f]*`)

// settled is an answer without what is left to chance: ids, fingerprints and the
// names of operations, by which these are listed.
func settled(answer string) string {
	status, body, _ := strings.Cut(answer, " ")
	body = chance.ReplaceAllString(body, "$1")
	if !strings.Contains(body, `"kind":"compute#operationList"`) && !strings.Contains(body, `"kind":"compute#operationAggregatedList"`) {
		return status + " " + body
	}
	parts := strings.Split(body, `{"`)
	slices.Sort(parts)
	return status + " " + strings.Join(parts, "\n")
}

// settledApart settles the answers of two servers where they differ.
func settledApart(a, b map[string]string) (map[string]string, map[string]string) {
	for _, one := range []map[string]string{a, b} {
		for request := range one {
			if strings.Contains(request, "operations/") { // a name is left to chance
				delete(one, request)
			}
		}
	}
	for request, answer := range a {
		if b[request] != answer {
			a[request], b[request] = settled(answer), settled(b[request])
		}
	}
	return a, b
}

// TestLoadUnderWay: a change under way holds what it held: other changes off,
// and both what its resource refers to and what it will.
func TestLoadUnderWay(t *testing.T) {
	service, checks, group := everywhere+"backendServices/s", everywhere+"healthChecks/", zone+"networkEndpointGroups/g"
	change := wish{"PATCH", service, `{"fingerprint":"FINGERPRINT","healthChecks":["global/healthChecks/new"]}`}
	fails := fakegce.Fault{Operation: &fakegce.OperationError{Code: "X", HTTPStatus: 503}}
	for name, tt := range map[string]struct {
		underWay wish
		faults   []fakegce.Fault
		now      string // statuses of: delete old, delete new, patch s, delete s, delete g
		later    string
	}{
		"nothing":        {wish{"GET", service, ""}, nil, "400 200 400 200 200", "200 404 404 404 404"},
		"change":         {change, nil, "400 400 400 400 200", "200 400 200 400 404"},
		"failing change": {change, []fakegce.Fault{fails}, "400 400 400 400 200", "400 200 400 200 404"},
		"delete":         {wish{"DELETE", service, ""}, nil, "400 200 400 400 200", "200 404 404 404 404"},
		"failing delete": {wish{"DELETE", service, ""}, []fakegce.Fault{fails}, "400 200 400 400 200", "400 404 404 200 404"},
		"delete group":   {wish{"DELETE", group, ""}, nil, "400 200 400 200 400", "200 404 404 404 404"},
	} {
		opts := fakegce.Options{OpLatency: 10 * time.Second}
		a := newKept(t, opts)
		for _, body := range []string{`{"name":"old","type":"TCP"}`, `{"name":"new","type":"TCP"}`} {
			a.mutate(wish{"POST", checks, body})
		}
		a.mutate(wish{"POST", zone + "networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`})
		a.clock.Advance(10 * time.Second)
		a.mutate(wish{"POST", everywhere + "backendServices", `{"name":"s","healthChecks":["global/healthChecks/old"]}`})
		a.clock.Advance(10 * time.Second)
		if err := a.s.AddFaults(tt.faults...); err != nil {
			t.Fatal(err)
		}
		a.mutate(tt.underWay)
		a.s.ClearFaults()
		a.clock.Advance(time.Second)
		b := a.loaded(opts)
		for _, want := range []string{tt.now, tt.later} {
			var inA, inB []string
			for _, w := range []wish{{"DELETE", checks + "old", ""}, {"DELETE", checks + "new", ""}, change, {"DELETE", service, ""}, {"DELETE", group, ""}} {
				inA, inB = append(inA, a.mutate(w)[:3]), append(inB, b.mutate(w)[:3])
			}
			if got := strings.Join(inB, " "); got != want || !slices.Equal(inA, inB) {
				t.Errorf("%s: %s, before %v, want %s", name, got, inA, want)
			}
			a.clock.Advance(10 * time.Second)
			b.clock.Advance(10 * time.Second)
		}
	}
}

// TestLoadGoesOn: what was under way ends when its latency has passed, or at
// once when it has passed before.
func TestLoadGoesOn(t *testing.T) {
	opts := fakegce.Options{OpLatency: 10 * time.Second}
	a := newKept(t, opts)
	a.call("POST", zone+"networkEndpointGroups?requestId=0a0b0c0d-0000-4000-8000-000000000001", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`)
	a.clock.Advance(4 * time.Second)
	group := zone + "networkEndpointGroups/g"
	b := a.loaded(opts)
	if got := b.call("GET", group, ""); !strings.HasPrefix(got, "404") {
		t.Errorf("too early: %s", got)
	}
	b.clock.Advance(6 * time.Second)
	if got := b.call("GET", group, ""); !strings.HasPrefix(got, "200") {
		t.Errorf("after its latency: %s", got)
	}
	late := newKept(t, opts)
	late.clock.Advance(time.Hour)
	if err := late.s.Load(bytes.NewReader(a.save())); err != nil {
		t.Fatal(err)
	}
	if got := late.call("GET", group, ""); !strings.HasPrefix(got, "200") {
		t.Errorf("after an hour: %s", got)
	}
	again := b.call("POST", zone+"networkEndpointGroups?requestId=0a0b0c0d-0000-4000-8000-000000000001", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`)
	if op, _ := nextOperation(again); !strings.HasPrefix(again, "200") || !strings.Contains(b.call("GET", zone+"operations/"+op, ""), `"status":"DONE"`) {
		t.Errorf("replayed: %s", again)
	}
}

func nextOperation(answer string) (string, bool) {
	name := regexp.MustCompile(`operation-[-0-9a-f]*`).FindString(answer)
	return name, name != ""
}

func TestLoadRefuses(t *testing.T) {
	a := newKept(t, fakegce.Options{OpLatency: time.Minute})
	if err := a.s.Seed(nodes(1)); err != nil {
		t.Fatal(err)
	}
	a.call("POST", zone+"networkEndpointGroups", `{"name":"g","networkEndpointType":"GCE_VM_IP"}`)
	good := string(a.save())
	for name, tt := range map[string]struct{ text, want string }{
		"empty":       {"", "not a saved state"},
		"other":       {`{"hello":1}`, "not a saved state"},
		"newer":       {`{"format":"fakegce","version":2,"surprise":[]}`, "newer"},
		"half":        {good[:len(good)/2], "EOF"},
		"cut short":   {good[:strings.LastIndex(good[:len(good)-1], "\n")], "operation 1 of 1: unexpected EOF"},
		"too long":    {good + "{}", "more than the header"},
		"type":        {strings.Replace(good, `"GCE_VM_IP"`, `"GCE"`, 1), `no network endpoint type "GCE"`},
		"link":        {strings.Replace(good, `"selfLink":"https`, `"selfLink":"ftp`, 1), "is no path"},
		"field":       {strings.Replace(good, `"request":`, `"wish":`, 1), "unknown field"},
		"twice":       {strings.ReplaceAll(good, "us-east1/subnetworks", "us-west1/subnetworks"), "there twice"},
		"impossible":  {strings.Replace(good, `"kind":"insert"`, `"kind":"patch"`, 1), "no patch of"},
		"never ended": {strings.Replace(good, `,"pending":{}`, "", 1), "neither ended nor under way"},
	} {
		err := newKept(t, fakegce.Options{}).s.Load(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if newer := errors.Is(err, fakegce.ErrNewer); newer != (name == "newer") {
			t.Errorf("%s: newer is %v", name, newer)
		}
		before := a.answers()
		if err := a.s.Load(strings.NewReader(tt.text)); err == nil || !cmp.Equal(before, a.answers()) {
			t.Errorf("%s: %v, and the server is another", name, err)
		}
	}
}

// TestNesting: what is accepted can be saved and loaded.
func TestNesting(t *testing.T) {
	a := newKept(t, fakegce.Options{})
	for depth, want := range map[int]string{98: "200", 100: "400", 20_000: "400"} {
		body := fmt.Sprintf(`{"name":"n%d","type":"TCP","x":%s"]\"[["%s}`, depth, strings.Repeat("[", depth), strings.Repeat("]", depth))
		got := a.call("POST", everywhere+"healthChecks", body)
		if !strings.HasPrefix(got, want) || want == "400" && !strings.Contains(got, "Message too deep. Max recursion depth reached") {
			t.Errorf("%d deep: %.200s, want %s", depth, got, want)
		}
	}
	if b := a.loaded(fakegce.Options{}); !strings.HasPrefix(b.call("GET", everywhere+"healthChecks/n98", ""), "200") {
		t.Error("lost")
	}
}

// FuzzLoad: whatever a file holds, it is refused, or served without a panic.
func FuzzLoad(f *testing.F) {
	for _, resource := range []string{
		`{"doc":{"selfLink":"projects/p1/zones/us-central1-a/networkEndpointGroups/g","name":"g","id":"1","networkEndpointType":"GCE_VM_IP_PORT"},
			"members":[{"seq":7,"instance":"i0","ipAddress":"10.4.0.1","port":80}],"lastSeq":9}`,
		`{"doc":{"selfLink":"projects/p1/global/networks/n","name":"n","id":"1","subnetworks":["x"]}}`,
		`{"doc":{"selfLink":"projects/p1/global/healthChecks/h","name":"h","id":"1","type":"TCP"},"uses":["projects/p1/global/networks/n"]}`,
		`{"doc":{"selfLink":"projects/p1/zones/us-central1-a/instances/i","name":"i","id":"1","networkInterfaces":[{"networkIP":"10.0.0.2"}]}}`,
	} {
		for _, mutation := range []string{`"kind":"delete","pending":{}`, `"kind":"attachNetworkEndpoints","pending":{"members":[{"seq":0}]}`,
			`"kind":"patch","pending":{"draft":{"a":1}}`, `"kind":"insert","pending":{"settled":true,"outcome":{"code":"X"}}`} {
			target := regexp.MustCompile(`projects/[^"]*`).FindString(resource)
			f.Add([]byte(`{"format":"fakegce","version":1,"resources":1,"operations":1,"projects":{"p1":1}}` + resource +
				`{"name":"projects/p1/global/operations/o","target":"` + target + `","targetId":"1","latency":"1s",` + mutation + `}`))
		}
	}
	reads := []string{"zones/us-central1-a/networkEndpointGroups", "global/networks", "global/healthChecks", "zones/us-central1-a/instances",
		"zones/us-central1-a/operations", "regions/us-central1/subnetworks"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		k := newKept(t, fakegce.Options{})
		if k.s.Load(bytes.NewReader(raw)) != nil {
			return
		}
		k.clock.Advance(2 * time.Hour)
		for _, path := range reads {
			if answer := k.call("GET", "projects/p1/"+path, ""); strings.HasPrefix(answer, "5") {
				t.Errorf("%s: %s", path, answer)
			}
		}
		k.loaded(fakegce.Options{})
		k.s.State()
	})
}

// TestLoadProbes: health is not kept; what is loaded is probed anew.
func TestLoadProbes(t *testing.T) {
	b := newBalancer(t, fakegce.Options{})
	b.serve()
	b.pass(2 * interval)
	b.expect("before", "10.4.0.1 HEALTHY")
	var saved bytes.Buffer
	if err := b.s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	if err := b.s.Load(&saved); err != nil {
		t.Fatal(err)
	}
	b.expect("nothing probed yet", "10.4.0.1 UNKNOWN")
	b.pass(2 * interval)
	b.expect("probed", "10.4.0.1 HEALTHY")
}
