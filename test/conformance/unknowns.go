package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/api/compute/v1"
)

// Observation is what a target answered where nobody has documented what it will. The
// values are those of the emulator's switches where it has one.
type Observation struct{ Unknown, Value string }

// unwatched begins the value of what could not be seen, and says why.
const unwatched = "not seen: "

// unknowns are the behaviours that docs/contributors/testing.md lists, by the emulator's
// switch where there is one.
var unknowns = []struct {
	name string
	see  func(*world) string
}{
	{"attach-existing", seeAttachExisting},
	{"attach-twice", seeAttachTwice},
	{"detach-absent", seeDetachAbsent},
	{"instance-echo", seeInstanceEcho},
	{"missing-fingerprint", seeMissingFingerprint},
	{"request-id-reuse", seeRequestIDReuse},
	{"commit-at", seeCommitAt},
	{"reject-overlap", seeRejectOverlap},
	{"health-unreached", seeHealthUnreached},
	{"draining-hidden", seeDrainingHidden},
	{"filter-has", seeFilterHas},
	{"list-after-insert", seeListAfterInsert},
	{"list-after-delete", seeListAfterDelete},
	{"time-to-healthy", seeTimeToHealthy},
}

// Observe puts target to every unknown and to every refusal whose text clients might
// read. It removes what it made.
func Observe(t *testing.T, target Target) []Observation {
	t.Helper()
	run := clean(t, target)
	seen := make([]Observation, len(unknowns)+len(refusals))
	t.Run("observe", func(t *testing.T) {
		see := func(i int, name string, look func(*world) string) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				seen[i] = Observation{name, look(newWorld(t, target, run))}
			})
		}
		for i, u := range unknowns {
			see(i, u.name, u.see)
		}
		for i, r := range refusals {
			see(len(unknowns)+i, r.name, r.see)
		}
	})
	return seen
}

// outcome is an answer in the words of the switches: accepted is what being accepted is
// called.
func (w *world) outcome(accepted string, op *compute.Operation, err error) string {
	if err == nil {
		_, err = await(w.ctx, w.svc, w.Project, op)
	}
	status, reason := code(err), reasonOf(err)
	switch {
	case err == nil:
		return accepted
	case status == 400 && reason == "invalid", status == 400 && reason == "required", status == 404 && reason == "notFound":
		return reason
	case status == 412 && reason == "conditionNotMet":
		return reason
	case status == 0:
		return err.Error()
	}
	return fmt.Sprintf("%d %s", status, reason)
}

func seeAttachExisting(w *world) string {
	name := w.inserted("a")
	w.done(w.attach(name, w.endpoint(0)))
	op, err := w.attach(name, w.endpoint(0))
	return w.outcome("idempotent", op, err)
}

// seeAttachTwice: the same endpoint twice in one call.
func seeAttachTwice(w *world) string {
	op, err := w.attach(w.inserted("a"), w.endpoint(0), w.endpoint(0))
	return w.outcome("idempotent", op, err)
}

func seeDetachAbsent(w *world) string {
	op, err := w.detach(w.inserted("a"), w.endpoint(0))
	return w.outcome("idempotent", op, err)
}

func seeInstanceEcho(w *world) string {
	if w.Instance == "" {
		return unwatched + "no instance was named"
	}
	name := w.inserted("a")
	w.done(w.attach(name, w.endpoint(0)))
	in := &compute.NetworkEndpointGroupsListEndpointsRequest{}
	list, err := w.svc.NetworkEndpointGroups.ListNetworkEndpoints(w.Project, w.Zone, name, in).Context(w.ctx).Do()
	if err != nil || len(list.Items) != 1 {
		w.Fatalf("%+v, %v", list, err)
	}
	switch echo := list.Items[0].NetworkEndpoint.Instance; {
	case echo == w.Instance:
		return "name"
	case strings.HasPrefix(echo, "https://") && strings.HasSuffix(echo, "/zones/"+w.Zone+"/instances/"+w.Instance):
		return "url"
	default:
		return echo
	}
}

func seeMissingFingerprint(w *world) string {
	g := w.inserted("a")
	bs := w.service(w.healthCheck("h"), g)
	op, err := w.patchService(bs.Name, &compute.BackendService{TimeoutSec: 40})
	return w.outcome("optional", op, err)
}

// seeRequestIDReuse: the request id of one insert on another.
func seeRequestIDReuse(w *world) string {
	a, b, id := w.group("a"), w.group("b"), uuid.NewString()
	first := w.done(w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, a).RequestId(id).Context(w.ctx).Do())
	w.discardGroup(a.Name)
	again, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, b).RequestId(id).Context(w.ctx).Do()
	w.discardGroup(b.Name)
	switch {
	case code(err) == 409:
		return "conflict"
	case err == nil && again.Name == first.Name:
		return "replay"
	}
	return w.outcome("done as another request", again, err)
}

// seeCommitAt: is a group there while its insert still runs?
func seeCommitAt(w *world) string {
	g := w.group("a")
	op, err := w.svc.NetworkEndpointGroups.Insert(w.Project, w.Zone, g).Context(w.ctx).Do()
	w.discardGroup(g.Name)
	_, getErr := w.svc.NetworkEndpointGroups.Get(w.Project, w.Zone, g.Name).Context(w.ctx).Do()
	running := err == nil && w.running(op)
	w.done(op, err)
	switch {
	case getErr == nil && running:
		return "accept"
	case code(getErr) == 404:
		return "done"
	case getErr == nil:
		return unwatched + "the operation was over at once"
	}
	return w.outcome("", nil, getErr)
}

func (w *world) running(op *compute.Operation) bool {
	w.Helper()
	now, err := w.svc.ZoneOperations.Get(w.Project, w.Zone, op.Name).Context(w.ctx).Do()
	if err != nil {
		w.Fatal(err)
	}
	return now.Status != "DONE"
}

// seeRejectOverlap: a second attach while the first one runs.
func seeRejectOverlap(w *world) string {
	name := w.inserted("a")
	first, err := w.attach(name, w.endpoint(0))
	if err != nil {
		w.Fatal(err)
	}
	second, err := w.attach(name, w.endpoint(1))
	overlapped := w.running(first)
	w.done(first, nil)
	if reasonOf(err) == "resourceNotReady" {
		return "true"
	}
	seen := w.outcome("false", second, err)
	if !overlapped {
		return unwatched + "the operation was over at once"
	}
	return seen
}

// seeFilterHas: what ":" finds in a description.
func seeFilterHas(w *world) string {
	g := w.group("a")
	g.Description = w.token + " begins and ends"
	w.insert(g)
	finds := func(text string) bool {
		found := w.find(`name = "` + g.Name + `" AND description : "` + text + `"`)
		return len(found) == 1
	}
	if _, ok := w.poll(w.Patience, func() bool { return finds("begins") }); !ok {
		return "no word within"
	}
	seen := []string{"words"}
	if finds("egin") {
		seen = append(seen, "parts of words")
	}
	if finds("BEGINS") {
		seen = append(seen, "whatever the case")
	}
	return strings.Join(seen, ", ")
}

// lag rounds to what differs: a list that is right at once has none.
func lag(took time.Duration, ok bool) string {
	switch {
	case !ok:
		return fmt.Sprintf("more than %s", took.Round(time.Second))
	case took < 100*time.Millisecond:
		return "none"
	}
	return took.Round(100 * time.Millisecond).String()
}

func seeListAfterInsert(w *world) string {
	g := w.group("a")
	w.insert(g)
	return w.listed(g.Name, true)
}

func seeListAfterDelete(w *world) string {
	g := w.group("a")
	w.insert(g)
	w.listed(g.Name, true)
	w.done(w.svc.NetworkEndpointGroups.Delete(w.Project, w.Zone, g.Name).Context(w.ctx).Do())
	return w.listed(g.Name, false)
}

// listed measures how long the zone's list takes to have, or not to have, a group: from the
// first look, as a look itself takes time.
func (w *world) listed(name string, want bool) string {
	w.Helper()
	var first time.Time
	_, ok := w.poll(max(w.Patience, time.Minute), func() bool {
		page, err := w.svc.NetworkEndpointGroups.List(w.Project, w.Zone).Filter(`name eq "` + name + `"`).Context(w.ctx).Do()
		if err != nil {
			w.Fatal(err)
		}
		if first.IsZero() {
			first = time.Now()
		}
		return (len(page.Items) == 1) == want
	})
	return lag(time.Since(first), ok)
}
