package gce

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/shared/neg"
)

// A refuser stands for a group: it takes a batch whole, or refuses it with a message about
// the bad endpoints in it.
type refuser struct {
	bad      map[neg.Endpoint]bool
	text     func(bad []neg.Endpoint) string
	attached []neg.Endpoint
	calls    int
	lists    int
}

func (r *refuser) send(part []neg.Endpoint) error {
	r.calls++
	bad := keep(part, func(e neg.Endpoint) bool { return r.bad[e] })
	if len(bad) == 0 {
		r.attached = append(r.attached, part...)
		return nil
	}
	return &googleapi.Error{Code: http.StatusBadRequest, Message: r.text(bad)}
}

func (r *refuser) list() []neg.Endpoint {
	r.lists++
	return nil
}

// texts are the ways in which a message may speak about bad endpoints.
var texts = map[string]func([]neg.Endpoint) string{
	"names none": func([]neg.Endpoint) string { return "Invalid value for field 'resource.networkEndpoints'." },
	"names an address and port": func(bad []neg.Endpoint) string {
		return fmt.Sprintf("Invalid value for field 'resource.networkEndpoints': '%s'. It is attached with instance 'vm-0'.", bad[0].Addr)
	},
	"names an address": func(bad []neg.Endpoint) string {
		ip := bad[0].Addr.Addr()
		return fmt.Sprintf("Invalid value for field 'resource.ipAddress': '%s'. Specified IP address %s doesn't belong to the (sub)network default or to the instance %s.", ip, ip, bad[0].Instance)
	},
	"names all": func(bad []neg.Endpoint) string {
		text := "Invalid endpoints:"
		for _, e := range bad {
			text += fmt.Sprintf(" '%s'", e.Addr)
		}
		return text
	},
}

// endpointsOn makes n endpoints, ten on each instance.
func endpointsOn(n int) []neg.Endpoint {
	var es []neg.Endpoint
	for i := range n {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i%250 + 2)}), 8080)
		es = append(es, neg.Endpoint{Instance: fmt.Sprintf("vm-%d", i/10), Addr: addr})
	}
	return es
}

// check holds what isolate did against what it must always do: each endpoint is either
// attached or rejected, no bad one is attached, and the calls are bounded. With exactly,
// no good one is rejected.
func (r *refuser) check(t *testing.T, all []neg.Endpoint, exactly bool) {
	t.Helper()
	rejected, err := isolate(all, r.send, r.list)
	if err != nil {
		t.Fatal(err)
	}
	var names []neg.Endpoint
	for _, each := range rejected {
		names = append(names, each.Endpoint)
		if each.Why == "" {
			t.Errorf("%s is rejected without a reason", each.Endpoint)
		}
	}
	got := slices.Concat(names, r.attached)
	slices.SortFunc(got, neg.Endpoint.Compare)
	if !slices.Equal(got, all) {
		t.Fatalf("attached and rejected are not all, each once: %v", got)
	}
	wrong := keep(names, func(e neg.Endpoint) bool { return !r.bad[e] })
	if exactly && len(wrong) > 0 {
		t.Errorf("%d of %d bad: %d good ones were rejected: %v", len(r.bad), len(all), len(wrong), wrong)
	}
	if r.calls > maxCalls(len(all)) || r.lists > 1 {
		t.Errorf("%d of %d bad: %d calls and %d lists, want at most %d and 1", len(r.bad), len(all), r.calls, r.lists, maxCalls(len(all)))
	}
}

// exactUpTo is how many bad endpoints are found exactly, wherever they are: what maxCalls
// promises.
func exactUpTo(text string) int {
	if text == "names none" {
		return 7
	}
	return 90
}

// TestIsolateAnySubset: whatever subset is bad, exactly that one is rejected while it is
// small enough, and the rest is attached.
func TestIsolateAnySubset(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				all := endpointsOn(1 + random.IntN(batch))
				r := &refuser{bad: map[neg.Endpoint]bool{}, text: text}
				k := random.IntN(len(all) + 1)
				if random.IntN(2) == 0 {
					k = min(k, random.IntN(exactUpTo(name)+1))
				}
				from := random.IntN(len(all) - k + 1) // beside each other, or anywhere
				order := random.Perm(len(all))
				for i := range k {
					if at := from + i; random.IntN(2) == 0 {
						r.bad[all[at]] = true
					} else {
						r.bad[all[order[i]]] = true
					}
				}
				r.check(t, all, len(r.bad) <= exactUpTo(name))
			}
		})
	}
}

// TestIsolateBounds: what a batch of 500 costs, exactly.
func TestIsolateBounds(t *testing.T) {
	first := func(n int) func(int) bool { return func(i int) bool { return i < n } }
	for name, c := range map[string]struct {
		text  string
		bad   func(i int) bool
		calls int
		good  int // rejected though good
	}{
		"none bad":                         {"names none", first(0), 1, 0},
		"one, named":                       {"names an address", first(1), 2, 0},
		"one, not named":                   {"names none", func(i int) bool { return i == 250 }, 17, 0},
		"an instance's ten, named singly":  {"names an address", first(10), 12, 0},
		"an instance's ten, not named":     {"names none", first(10), 33, 0},
		"fifty, named at once":             {"names all", first(50), 2, 0},
		"all, named at once":               {"names all", first(500), 1, 0},
		"all, named singly":                {"names an address and port", first(500), 144, 0},
		"all, not named":                   {"names none", first(500), 144, 0},
		"a hundred, beside each other":     {"names none", func(i int) bool { return i >= 200 && i < 300 }, 144, 12},
		"every other one, not to be found": {"names none", func(i int) bool { return i%2 == 0 }, 144, 224},
	} {
		t.Run(name, func(t *testing.T) {
			all := endpointsOn(batch)
			r := &refuser{bad: map[neg.Endpoint]bool{}, text: texts[c.text]}
			for i, e := range all {
				if c.bad(i) {
					r.bad[e] = true
				}
			}
			r.check(t, all, false)
			good := len(all) - len(r.bad) - len(r.attached)
			if r.calls != c.calls || good != c.good {
				t.Errorf("%d calls and %d good ones rejected, want %d and %d", r.calls, good, c.calls, c.good)
			}
		})
	}
}

// TestIsolateAsksWhatIsAttached: when another instance attached the batch a moment before,
// one list ends the search.
func TestIsolateAsksWhatIsAttached(t *testing.T) {
	all := endpointsOn(batch)
	r := &refuser{bad: map[neg.Endpoint]bool{}, text: texts["names an address and port"]}
	for _, e := range all[:batch-1] {
		r.bad[e] = true
	}
	_, err := isolate(all, r.send, func() []neg.Endpoint { return all[:batch-1] })
	if want := all[batch-1:]; err != nil || !slices.Equal(r.attached, want) || r.calls != namedInARow+1 {
		t.Errorf("error %v, %d calls, attached %v; want %d calls and %v", err, r.calls, r.attached, namedInARow+1, want)
	}
}

// TestIsolateStopsAtTrouble: a failure that is not about an endpoint ends the search, and
// what was refused until then is still said.
func TestIsolateStopsAtTrouble(t *testing.T) {
	all := endpointsOn(8)
	trouble := errors.New("no answer")
	calls := 0
	rejected, err := isolate(all, func(part []neg.Endpoint) error {
		if calls++; calls == 1 {
			return &googleapi.Error{Code: http.StatusBadRequest, Message: fmt.Sprintf("'%s' is wrong", all[3].Addr)}
		}
		return trouble
	}, nil)
	if !errors.Is(err, trouble) || calls != 2 || len(rejected) != 1 || rejected[0].Endpoint != all[3] {
		t.Errorf("error %v after %d calls, rejected %v", err, calls, rejected)
	}
}

func TestSplit(t *testing.T) {
	e := func(instance, addr string) neg.Endpoint {
		return neg.Endpoint{Instance: instance, Addr: netip.MustParseAddrPort(addr)}
	}
	a1, a2, b1, shared := e("a", "10.0.0.1:80"), e("a", "10.0.0.2:80"), e("b", "10.0.1.1:80"), e("b", "10.0.0.1:80")
	six := e("b", "[2001:db8::1]:80")
	two := e("a", "10.0.0.1:443")
	all := []neg.Endpoint{a1, a2, b1}
	for text, c := range map[string]struct{ in, want []neg.Endpoint }{
		"Invalid value for field 'resource.ipAddress': '10.0.0.1'. Specified IP address 10.0.0.1 doesn't belong to the instance a.": {all, []neg.Endpoint{a1}},
		"Invalid value for field 'resource.instance': 'b'. Couldn't find instance with a specified name":                            {all, []neg.Endpoint{b1}},
		"The resource 'projects/p1/zones/us-central1-a/instances/a' was not found":                                                  {all, []neg.Endpoint{a1, a2}},
		"'10.0.1.1:80' is attached with instance 'a'":                                                                               {all, []neg.Endpoint{b1}}, // the narrowest name
		"'10.0.0.1' is wrong":       {[]neg.Endpoint{a1, two, b1}, []neg.Endpoint{a1, two}},
		"'10.0.0.1:443' is wrong":   {[]neg.Endpoint{a1, two, b1}, []neg.Endpoint{two}},
		"'10.0.0.1' fits two":       {[]neg.Endpoint{a1, shared, a2}, nil},
		"'2001:db8::1' is IPv6":     {[]neg.Endpoint{a1, six}, []neg.Endpoint{six}},
		"10.0.0.1 is not in quotes": {all, nil},
		"'' and ' and 'c'":          {all, nil},
		"":                          {all, nil},
	} {
		named, rest := split(c.in, text)
		if !slices.Equal(named, c.want) {
			t.Errorf("%s\nnames %v, want %v", text, named, c.want)
		}
		both := slices.Concat(named, rest)
		slices.SortFunc(both, neg.Endpoint.Compare)
		if in := slices.SortedFunc(slices.Values(c.in), neg.Endpoint.Compare); !slices.Equal(both, in) {
			t.Errorf("%s\nsplit %v into %v and %v", text, c.in, named, rest)
		}
	}
}

// FuzzIsolate: no pattern of bad endpoints and no message makes isolate lose an endpoint,
// attach a bad one, or call without end.
func FuzzIsolate(f *testing.F) {
	f.Add([]byte{0b1011, 0}, "Invalid value '10.1.0.2'.")
	f.Add([]byte{255, 255, 255}, "'vm-0'")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, pattern []byte, text string) {
		all := endpointsOn(min(8*len(pattern)+1, batch))
		r := &refuser{bad: map[neg.Endpoint]bool{}, text: func([]neg.Endpoint) string { return text + "." }}
		for i, e := range all {
			if i/8 < len(pattern) && pattern[i/8]&(1<<(i%8)) != 0 {
				r.bad[e] = true
			}
		}
		r.check(t, all, false)
	})
}
