package kube_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestAnnotate: exactly that Service's annotation changes, and nothing else.
func TestAnnotate(t *testing.T) {
	w := newWorld(t)
	w.apply(service(map[string]string{"theirs": "kept"}))
	s := w.read()
	w.check(w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: `{"zones":[]}`}))
	if d := cmp.Diff(map[string]string{"theirs": "kept", neg.AnnotationStatus: `{"zones":[]}`}, w.annotations()); d != "" {
		t.Errorf("set (-want +got):\n%s", d)
	}
	w.check(w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: ""}))
	if d := cmp.Diff(map[string]string{"theirs": "kept"}, w.annotations()); d != "" {
		t.Errorf("removed (-want +got):\n%s", d)
	}

	w.check(w.fake.Delete(service(nil)))
	w.check(w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: "{}"})) // gone: nothing to write on
	w.apply(service(map[string]string{"new": "one"}))
	w.server.ResetCalls()
	w.check(w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: "{}"})) // another Service of that name: the API server answers 422
	if d := cmp.Diff(map[string]string{"new": "one"}, w.annotations()); d != "" {
		t.Errorf("written on another Service (-want +got):\n%s", d)
	}
	if calls := w.server.Calls().Count("patch", "services"); calls != 1 {
		t.Errorf("%d patches: the test does not reach the API server", calls)
	}
}

func TestAnnotateFails(t *testing.T) {
	for status, want := range map[int]neg.Outcome{409: neg.Again, 503: neg.Again, 403: neg.Blocked, 422: neg.Blocked} {
		w := newWorld(t)
		w.apply(service(nil))
		s := w.read()
		w.server.Inject(fakekube.Fault{Verb: "patch", Status: status})
		if err := w.Annotate(t.Context(), s, map[string]string{neg.AnnotationStatus: "{}"}); neg.OutcomeOf(err) != want {
			t.Errorf("%d: %v, want %v", status, err, want)
		}
	}
}

// events prints the Events of the namespace.
func (w *world) events() string {
	var lines []string
	for _, e := range fakekube.List[*corev1.Event](w.fake, "shop", nil) {
		lines = append(lines, fmt.Sprintf("%s %s x%d %s-%s: %s", e.Type, e.Reason, e.Count, e.FirstTimestamp.UTC().Format("15:04"), e.LastTimestamp.UTC().Format("15:04"), e.Message))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestNote: one Event for each reason, counted again when it is news: another text, or
// ten minutes later.
func TestNote(t *testing.T) {
	w := newWorld(t)
	w.apply(service(nil))
	s := w.read()
	note := func(n neg.Note, want string, wantWrites int) {
		t.Helper()
		w.server.ResetCalls()
		w.check(w.Note(t.Context(), s, n))
		if d := cmp.Diff(want, w.events()); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if writes := len(w.server.Writes()); writes != wantWrites {
			t.Errorf("%d writes, want %d", writes, wantWrites)
		}
	}
	taken := neg.Note{Warning: true, Reason: "NameTaken", Message: "the name is taken"}
	note(taken, "Warning NameTaken x1 10:00-10:00: the name is taken", 1)
	w.advance(9 * time.Minute)
	note(taken, "Warning NameTaken x1 10:00-10:00: the name is taken", 0)
	w.advance(time.Minute)
	note(taken, "Warning NameTaken x2 10:00-10:10: the name is taken", 1)
	taken.Message = "by another"
	note(taken, "Warning NameTaken x3 10:00-10:10: by another", 1)
	note(neg.Note{Reason: "GroupsChanged", Message: "create: 3 groups"}, "Normal GroupsChanged x1 10:10-10:10: create: 3 groups\nWarning NameTaken x3 10:00-10:10: by another", 1)

	e := fakekube.List[*corev1.Event](w.fake, "shop", nil)[0]
	if about := e.InvolvedObject; about.Kind != "Service" || about.Name != "web" || string(about.UID) != s.UID || e.Source.Component != "negfleet" {
		t.Errorf("about %+v by %+v", about, e.Source)
	}
}

// TestLongNote: a message is cut to what an Event takes, between characters, and the same
// long message is no news.
func TestLongNote(t *testing.T) {
	w := newWorld(t)
	w.apply(service(nil))
	s := w.read()
	long := neg.Note{Reason: "Long", Message: strings.Repeat("é", 1000)}
	w.check(w.Note(t.Context(), s, long))
	e := fakekube.List[*corev1.Event](w.fake, "shop", nil)[0]
	if len(e.Message) > 1024 || !utf8.ValidString(e.Message) || strings.ContainsRune(e.Message, utf8.RuneError) || !strings.HasSuffix(e.Message, "é...") {
		t.Errorf("%d bytes: %q", len(e.Message), e.Message[len(e.Message)-20:])
	}
	w.server.ResetCalls()
	w.check(w.Note(t.Context(), s, long))
	if writes := w.server.Writes(); len(writes) != 0 {
		t.Errorf("the same again is written: %v", writes)
	}
}

// TestNoteNowhere: a namespace that is going, or gone, takes no Events and needs none; an
// Event that expires between two calls is written by the next look.
func TestNoteNowhere(t *testing.T) {
	w := newWorld(t)
	w.apply(service(nil))
	s := w.read()
	n := neg.Note{Reason: "Test", Message: "x"}

	elsewhere := *s
	elsewhere.Key.Namespace = "gone"
	w.check(w.Note(t.Context(), &elsewhere, n))

	w.server.Inject(fakekube.Fault{Verb: "create", Resource: "events", Status: 409, Reason: "AlreadyExists", Times: 1})
	w.check(w.Note(t.Context(), s, n))
	if got := w.events(); got != "" {
		t.Errorf("events: %s", got)
	}

	w.server.Inject(fakekube.Fault{Verb: "create", Resource: "events", Status: 403, Times: 1})
	if err := w.Note(t.Context(), s, n); reasonOf(err) != "ClusterPermissionDenied" {
		t.Errorf("forbidden: %v", err)
	}

	w.connect(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
			"message": `events "x" is forbidden: unable to create new content in namespace shop because it is being terminated`,
			"details": map[string]any{"causes": []any{map[string]any{"reason": "NamespaceTerminating", "field": "metadata.namespace"}}},
		})
	}))
	w.check(w.Note(t.Context(), s, n))
}
