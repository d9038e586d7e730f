package deployment

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/doctor"
)

// apis answers each path with a text, or with a status alone; other paths are 404.
func apis(t *testing.T, answers map[string]string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if !ok {
			text = `404`
		}
		w.Header().Set("Content-Type", "application/json")
		if len(text) == 3 {
			var code int
			_, _ = fmt.Sscan(text, &code)
			w.WriteHeader(code)
			text = fmt.Sprintf(`{"error":{"code":%d,"message":"no"}}`, code)
		} else if strings.HasPrefix(text, `{"error"`) {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return open(t, server.URL)
}

func open(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(t.Context(), Options{Endpoint: url, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGaps: a right that is missing is named; where the API is off, or nobody answers, another
// right would not help.
func TestGaps(t *testing.T) {
	const path = "/v1/projects/p/subscriptions"
	off := `{"error":{"code":403,"message":"off","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED"}]}}`
	for name, c := range map[string]struct {
		answer string
		want   doctor.Gap
	}{
		"forbidden": {"403", doctor.Gap{Why: "HTTP 403: no", Need: "pubsub.subscriptions.list in project p"}},
		"off":       {off, doctor.Gap{Why: "HTTP 403: off", Need: "the API is off, see apis"}},
		"unwell":    {"400", doctor.Gap{Why: "HTTP 400: no"}},
	} {
		got := apis(t, map[string]string{path: c.answer}).Subscriptions(t.Context(), "p")
		if got.Gap == nil || *got.Gap != c.want {
			t.Errorf("%s: %+v, want %+v", name, got.Gap, c.want)
		}
	}
	got := open(t, "http://127.0.0.1:1").Subscriptions(t.Context(), "p")
	if got.Gap == nil || !strings.Contains(got.Gap.Need, "application-default login") {
		t.Errorf("nobody answers: %+v", got.Gap)
	}
}

func TestClock(t *testing.T) {
	c := open(t, "http://127.0.0.1:1")
	if got := c.Ahead(); got.Gap == nil {
		t.Error("a clock that nobody told of")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	c = open(t, server.URL)
	c.Subscriptions(t.Context(), "p")
	if got := c.Ahead(); got.Gap != nil || (got.Value-time.Hour).Abs() > 2*time.Second {
		t.Errorf("%+v, want an hour", got)
	}
}

// TestNewest: a page of a log's search may be empty without being the last, and a search that
// does not end says nothing.
func TestNewest(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		empty int // pages before the entry
		entry bool
		want  time.Time
		gap   bool
	}{
		"at once": {0, true, at, false}, "after some pages": {4, true, at, false}, "none": {2, false, time.Time{}, false}, "without end": {1000, true, time.Time{}, true},
	} {
		left := c.empty
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := map[string]any{}
			switch {
			case left > 0:
				left--
				answer["nextPageToken"] = "next"
			case c.entry:
				answer["entries"] = []any{map[string]any{"timestamp": at.Format(time.RFC3339)}}
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(answer)
		}))
		got := open(t, server.URL).Delivered(t.Context(), "p")
		server.Close()
		if !got.Value.Equal(c.want) || (got.Gap != nil) != c.gap {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestTopicMembers: who may publish by the topic's or the project's policy, and not who may
// only under a condition.
func TestTopicMembers(t *testing.T) {
	c := apis(t, map[string]string{
		"/v1/projects/p/topics/t:getIamPolicy": `{"bindings":[{"role":"roles/pubsub.publisher","members":["a"]},{"role":"roles/pubsub.viewer","members":["b"]},
			{"role":"roles/pubsub.publisher","members":["c"],"condition":{"expression":"x"}}]}`,
		"/v1/projects/p:getIamPolicy": `{"bindings":[{"role":"roles/editor","members":["d"]}]}`,
	})
	got := c.Topic(t.Context(), "p", doctor.Topic{Name: "t"})
	if diff := cmp.Diff(map[string]bool{"a": true, "d": true}, got.Members.Value); diff != "" || got.Members.Gap != nil {
		t.Errorf("%s%+v", diff, got.Members.Gap)
	}
	if got := c.Topic(t.Context(), "p", doctor.Topic{Name: "none"}); !got.Missing {
		t.Errorf("%+v", got)
	}
}

// TestHeld: an account has what the roles of its bindings have; a deleted role has nothing, a
// binding with a condition counts for nothing, and a role that may not be read is a gap.
func TestHeld(t *testing.T) {
	policy := `{"bindings":[
		{"role":"projects/p/roles/mine","members":["serviceAccount:me@p"]},
		{"role":"projects/p/roles/gone","members":["serviceAccount:me@p"]},
		{"role":"roles/viewer","members":["serviceAccount:me@p"],"condition":{"expression":"x"}},
		{"role":"roles/secret","members":["serviceAccount:you@p"]}]}`
	c := apis(t, map[string]string{
		"/v1/projects/p:getIamPolicy": policy,
		"/v1/projects/p/roles/mine":   `{"includedPermissions":["x.get","x.list"]}`,
		"/v1/projects/p/roles/gone":   `{"includedPermissions":["x.delete"],"deleted":true}`,
		"/v1/roles/viewer":            `{"includedPermissions":["x.watch"]}`,
		"/v1/roles/secret":            "403",
	})
	held, asked := c.Held(t.Context(), "me@p", "p", []string{"x.get"})
	if diff := cmp.Diff(map[string]bool{"x.get": true, "x.list": true}, held.Value); diff != "" || held.Gap != nil || asked {
		t.Errorf("%s%+v %t", diff, held.Gap, asked)
	}
	if held, _ := c.Held(t.Context(), "you@p", "p", nil); held.Gap == nil || held.Gap.Need != "iam.roles.get in project p" {
		t.Errorf("%+v", held)
	}
}

// TestInvokers: who may call by the service's or the project's policy; where Cloud Run checks
// nobody, anybody.
func TestInvokers(t *testing.T) {
	const service = "projects/p/locations/r/services/s"
	answers := map[string]string{
		"/v2/" + service: `{"name":"` + service + `"}`,
		"/v2/" + service + ":getIamPolicy": `{"bindings":[{"role":"roles/run.invoker","members":["a"]},{"role":"roles/run.viewer","members":["b"]},
			{"role":"roles/run.invoker","members":["c"],"condition":{"expression":"x"}}]}`,
		"/v1/projects/p:getIamPolicy": `{"bindings":[{"role":"roles/run.invoker","members":["d"]}]}`,
	}
	invokers := func() doctor.Read[map[string]bool] { return apis(t, answers).Invokers(t.Context(), "p", service) }
	if got := invokers(); !cmp.Equal(got.Value, map[string]bool{"a": true, "d": true, "allUsers": false}) || got.Gap != nil {
		t.Errorf("%+v", got)
	}
	answers["/v2/"+service] = `{"invokerIamDisabled":true}`
	if got := invokers(); !got.Value["allUsers"] {
		t.Errorf("nobody is checked: %+v", got)
	}
	answers["/v1/projects/p:getIamPolicy"] = "403"
	if got := invokers(); !got.Value["a"] || got.Value["d"] {
		t.Errorf("without the project's policy: %+v", got)
	}
	answers["/v2/"+service+":getIamPolicy"] = "403"
	if got := invokers(); got.Gap == nil || got.Gap.Need != "run.services.getIamPolicy in project p" {
		t.Errorf("%+v", got)
	}
	answers["/v2/"+service] = "403"
	if got := invokers(); got.Gap == nil || got.Gap.Need != "run.services.get in project p" {
		t.Errorf("%+v", got)
	}
}
