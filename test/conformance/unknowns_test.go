package conformance

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"

	"github.com/negfleet/negfleet/test/fakegce"
)

// strict is what a default emulator shows. Its operations are over at once, which shows
// nothing of their course.
var strict = map[string]string{
	"attach-existing":     "invalid",
	"attach-twice":        "invalid",
	"detach-absent":       "notFound",
	"instance-echo":       "url",
	"missing-fingerprint": "required",
	"request-id-reuse":    "replay",
	"commit-at":           unwatched + "the operation was over at once",
	"reject-overlap":      unwatched + "the operation was over at once",
	"health-unreached":    "false",
	"draining-hidden":     "false",
	"filter-has":          "words, parts of words, whatever the case",
	"list-after-insert":   "none",
	"list-after-delete":   "none",
	"time-to-healthy":     unwatched + "no instance and port that serve were named",
}

// TestObserve tests the prober: it tells every setting of every switch, and no other
// row changes.
func TestObserve(t *testing.T) {
	for name, c := range map[string]struct {
		opts    fakegce.Options
		changed map[string]string
	}{
		"default":               {},
		"attach notFound":       {fakegce.Options{AttachExisting: fakegce.NotFound}, map[string]string{"attach-existing": "notFound", "attach-twice": "notFound"}},
		"attach idempotent":     {fakegce.Options{AttachExisting: fakegce.Idempotent}, map[string]string{"attach-existing": "idempotent", "attach-twice": "idempotent"}},
		"detach invalid":        {fakegce.Options{DetachAbsent: fakegce.Invalid}, map[string]string{"detach-absent": "invalid"}},
		"detach idempotent":     {fakegce.Options{DetachAbsent: fakegce.Idempotent}, map[string]string{"detach-absent": "idempotent"}},
		"echo name":             {fakegce.Options{InstanceEcho: "name"}, map[string]string{"instance-echo": "name"}},
		"fingerprint condition": {fakegce.Options{MissingFingerprint: "conditionNotMet"}, map[string]string{"missing-fingerprint": "conditionNotMet"}},
		"fingerprint optional":  {fakegce.Options{MissingFingerprint: "optional"}, map[string]string{"missing-fingerprint": "optional"}},
		"health unreached":      {fakegce.Options{HealthUnreached: true}, map[string]string{"health-unreached": "true"}},
		"draining hidden":       {fakegce.Options{DrainingHidden: true}, map[string]string{"draining-hidden": "true"}},
		"request id conflict":   {fakegce.Options{RequestIDReuse: "conflict"}, map[string]string{"request-id-reuse": "conflict"}},
		"request id forgotten":  {fakegce.Options{RequestIDWindow: time.Nanosecond}, map[string]string{"request-id-reuse": "done as another request"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, target := emulator(t, c.opts)
			want := maps.Clone(strict)
			maps.Copy(want, c.changed)
			if diff := cmp.Diff(want, switches(Observe(t, target))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// switches are the observations that are no texts.
func switches(seen []Observation) map[string]string {
	m := map[string]string{}
	for _, o := range seen {
		if !strings.HasPrefix(o.Unknown, "text: ") {
			m[o.Unknown] = o.Value
		}
	}
	return m
}

// TestObserveCourse: what happens while an operation runs, which here it does until the
// next call has come.
func TestObserveCourse(t *testing.T) {
	const slow = 500 * time.Millisecond
	for name, c := range map[string]struct {
		see  func(*world) string
		opts fakegce.Options
		want string
	}{
		"commit at done":   {seeCommitAt, fakegce.Options{}, "done"},
		"commit at accept": {seeCommitAt, fakegce.Options{CommitAt: "accept"}, "accept"},
		"overlap":          {seeRejectOverlap, fakegce.Options{}, "false"},
		"overlap refused":  {seeRejectOverlap, fakegce.Options{RejectOverlap: true}, "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.opts.OpLatency = slow
			_, target := emulator(t, c.opts)
			if got := c.see(newWorld(t, target, clean(t, target))); got != c.want {
				t.Errorf("saw %s, want %s", got, c.want)
			}
		})
	}
}

// TestObserveLag: a list that is behind is seen to be.
func TestObserveLag(t *testing.T) {
	server, target := emulator(t, fakegce.Options{})
	var hidden atomic.Int32
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/zones/"+target.Zone+"/networkEndpointGroups")
		if late && hidden.Add(1) <= 2 {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"items":[]}`))
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(behind.Close)
	target.Options = []option.ClientOption{option.WithEndpoint(fakegce.ComputeEndpoint(behind.URL)), option.WithoutAuthentication()}
	w := newWorld(t, target, clean(t, target))
	if got := seeListAfterInsert(w); got == "none" || hidden.Load() < 3 {
		t.Errorf("lag %s after %d lists", got, hidden.Load())
	}
}

// TestTexts: what is one run's alone is not in a text, so two emulators do not differ.
func TestTexts(t *testing.T) {
	_, a := emulator(t, fakegce.Options{})
	_, b := emulator(t, fakegce.Options{})
	b.Project, b.Zone, b.Instance = "another", "us-east1-c", ""
	table := Differences(Observe(t, a), Observe(t, b))
	for _, same := range []string{
		"  text: absent                  notFound: The resource 'projects/PROJECT/zones/ZONE/networkEndpointGroups/TOKEN-none' was not found",
		"  text: group in use            400 resourceInUseByAnotherResource: The network_endpoint_group resource " +
			"'projects/PROJECT/zones/ZONE/networkEndpointGroups/TOKEN-a' is already being used by 'projects/PROJECT/global/backendServices/TOKEN-s'",
		"  text: attach existing         invalid: Invalid value for field 'resource.networkEndpoints': 'ADDRESS:8080'. The network endpoint is already attached.",
	} {
		if !strings.Contains(table, same+"\n") {
			t.Errorf("no line\n%s\nin\n%s", same, table)
		}
	}
}

func TestDifferences(t *testing.T) {
	got := Differences(
		[]Observation{{"detach-absent", "idempotent"}, {"attach-existing", "invalid"}, {"instance-echo", unwatched + "no instance was named"}},
		[]Observation{{"detach-absent", "notFound"}, {"attach-existing", "invalid"}, {"instance-echo", "url"}})
	want := `what differs: 1 of 3
* detach-absent                 idempotent
        the emulator's default: notFound
  attach-existing               invalid
  instance-echo                 not seen: no instance was named
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
