package events

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"github.com/negfleet/negfleet/shared/event"
	"google.golang.org/grpc/codes"
)

func TestLogEntries(t *testing.T) {
	for name, keys := range map[string][]string{
		"service-create":    {"prod-eu/shop/web"},
		"slice-patch":       {"prod-eu/shop/web"},
		"slice-update-bare": {"prod-eu/shop/web"},
		"ingress-delete":    {"prod-eu/shop/front"},
		"namespace-delete":  {"prod-eu/shop/cart", "prod-eu/shop/web"},
		"own-write":         {},
		"status-write":      {},
		"cluster-update":    {},
		"pod-create":        {"prod-eu/shop/web"},
		"pod-delete":        {"prod-eu/shop/web"},
		"pod-eviction":      {"prod-eu/shop/cart", "prod-eu/shop/web"},
		"slice-collection":  {"prod-eu/shop/cart", "prod-eu/shop/web"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			body := push(t, entry(t, "logentry", name), map[string]string{"logging.googleapis.com/timestamp": "2026-11-20T10:00:00.123456Z"})
			if status, text := w.post("/", body); status != http.StatusNoContent || text != "" {
				t.Errorf("status %d, body %q", status, text)
			}
			if diff := cmp.Diff(keys, w.published(t)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// One decoder takes every shape in which Pub/Sub and Eventarc hand an entry over.
func TestEveryTransport(t *testing.T) {
	data := entry(t, "logentry", "slice-patch")
	wrapped := push(t, data, nil)
	const published = "google.cloud.pubsub.topic.v1.messagePublished"
	for name, c := range map[string]shape{
		"wrapped push":   {body: wrapped},
		"unwrapped push": {body: data},
		"unwrapped push with metadata": {body: data, header: map[string]string{
			"X-Goog-Pubsub-Message-Id": "1201", "X-Goog-Pubsub-Subscription-Name": "projects/demo/subscriptions/negfleet-audit"}},
		"binary CloudEvent": {body: wrapped, header: map[string]string{
			"Ce-Id": "1201", "Ce-Specversion": "1.0", "Ce-Source": "//pubsub.googleapis.com/projects/demo/topics/negfleet-audit", "Ce-Type": published}},
		"structured CloudEvent": {contentType: "application/cloudevents+json", body: `{"specversion":"1.0","id":"1201","source":"//x","type":"` + published +
			`","datacontenttype":"application/json","data":` + wrapped + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.mediaType())
			for field, value := range c.header {
				r.Header.Set(field, value)
			}
			recorder := httptest.NewRecorder()
			w.handler.ServeHTTP(recorder, r)
			if got := w.published(t); recorder.Code != http.StatusNoContent || len(got) != 1 || got[0] != "prod-eu/shop/web" {
				t.Errorf("status %d, published %v", recorder.Code, got)
			}
		})
	}
}

// encoder is a publisher that stops short of Pub/Sub, whose goroutines would make every
// input look new to the fuzzer.
type encoder struct{ t *testing.T }

func (e *encoder) Publish(_ context.Context, _ string, messages ...event.Message) error {
	for _, m := range messages {
		if _, _, err := event.Encode(m); err != nil {
			e.t.Errorf("%+v: %v", m, err)
		}
	}
	return nil
}

func (e *encoder) PublishClusters(_ context.Context, messages ...event.ClusterMessage) error {
	for _, m := range messages {
		if _, _, err := event.EncodeCluster(m); err != nil {
			e.t.Errorf("%+v: %v", m, err)
		}
	}
	return nil
}

// FuzzPush: no message may make Pub/Sub send it again, as none of these would fare better
// the next time. What is published is a key.
func FuzzPush(f *testing.F) {
	for _, kind := range []string{"logentry", "notification"} {
		files, err := filepath.Glob("../../shared/audit/testdata/" + kind + "/*.txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".txtar")
			if kind == "logentry" {
				f.Add([]byte(entry(f, kind, name)), "", "")
			} else {
				a := attributes(f, name)
				f.Add([]byte("Upgrading."), a["type_url"], a["payload"])
			}
		}
	}
	out := &encoder{}
	w := newWorld(f, func(o *Options) { o.Publisher, o.Log = out, slog.New(slog.DiscardHandler) })
	f.Fuzz(func(t *testing.T, data []byte, kind, payload string) {
		out.t = t
		var a map[string]string
		if kind != "" {
			a = map[string]string{"type_url": kind, "payload": payload, "project_id": "demo", "cluster_location": "europe-west1", "cluster_name": "prod"}
		}
		if status, _ := w.post("/", push(t, string(data), a)); status != http.StatusNoContent {
			t.Errorf("status %d", status)
		}
	})
}

// What can never be worked on is logged with its reason, counted and acknowledged.
func TestDropped(t *testing.T) {
	elsewhere := strings.Replace(entry(t, "logentry", "service-create"), "europe-west1", "us-east1", 1)
	foreign := map[string]string{"cluster_location": "us-east1", "cluster_name": "prod", "project_id": "demo",
		"type_url": "type.googleapis.com/google.container.v1beta1.UpgradeEvent", "payload": `{"resourceType":"NODE_POOL"}`}
	const bad = event.ReasonBadMessage
	for name, c := range map[string]struct{ body, reason, log string }{
		"not a delivery":                {"hello", bad, "parse body as JSON"},
		"an oversized one":              {`{"message":{"data":"` + strings.Repeat("A", event.MaxBody) + `"}}`, bad, "a body of more than 16777216 bytes"},
		"not a LogEntry":                {push(t, "hello", nil), bad, "decode LogEntry"},
		"an application's log":          {push(t, `{"textPayload":"x"}`, nil), bad, "protoPayload"},
		"an entry with a broken object": {push(t, `{"protoPayload":{"request":[[[`, nil), bad, "decode LogEntry"},
		"a key":                         {push(t, `{"v":1,"cluster":"prod-eu","namespace":"shop","service":"web"}`, nil), bad, "protoPayload"},
		"a cluster outside the fleet":   {push(t, elsewhere, nil), dropForeign, "demo/us-east1/prod"},
		"a notification of a stranger":  {push(t, "", foreign), dropForeign, "demo/us-east1/prod"},
		"a notification of a new sort":  {push(t, "", map[string]string{"type_url": "type.googleapis.com/google.container.v9.NewEvent"}), dropKind, "NewEvent"},
		"a notification without cluster": {push(t, "Upgrading.", map[string]string{
			"type_url": "type.googleapis.com/google.container.v1beta1.UpgradeEvent", "payload": "{}"}), bad, "cluster_name"},
	} {
		w := newWorld(t, nil)
		if status, _ := w.post("/", c.body); status != http.StatusNoContent {
			t.Errorf("%s: status %d", name, status)
		}
		lines := w.lines(t, "dropped")
		if len(lines) != 1 || lines[0]["dropped"] != 1.0 || lines[0]["reason"] != c.reason || !strings.Contains(w.logs.String(), c.log) {
			t.Errorf("%s: log %s", name, w.logs.String())
		}
		if len(w.broker.Messages()) > 0 {
			t.Errorf("%s: published %v", name, w.broker.Messages())
		}
	}
}

// A wide sink shows other clusters all the time: their entries are counted one by one and
// logged once a minute.
func TestDropsAreSummedUp(t *testing.T) {
	w := newWorld(t, nil)
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	w.handler.(*handler).drops.now = func() time.Time { return now }
	body := push(t, strings.Replace(entry(t, "logentry", "service-create"), "europe-west1", "us-east1", 1), nil)
	for i := range 51 {
		if i == 50 {
			now = now.Add(time.Minute)
		}
		w.post("/", body)
	}
	lines := w.lines(t, "dropped")
	if len(lines) != 2 || lines[0]["dropped"] != 1.0 || lines[1]["dropped"] != 50.0 {
		t.Errorf("log %s", w.logs.String())
	}
}

func TestNamesOfDropsAreBounded(t *testing.T) {
	counts := &tally{now: time.Now}
	for i := range 10 * tallyMax {
		if n, due := counts.add(fmt.Sprint(i)); n != 1 || !due {
			t.Fatalf("name %d: %d, %v", i, n, due)
		}
	}
	if len(counts.names) > tallyMax {
		t.Errorf("%d names are kept", len(counts.names))
	}
}

// Clusters that are going or whose nodes are replaced are looked at as a whole.
func TestClusterMessages(t *testing.T) {
	at := func(clock string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, "2026-11-20T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for name, want := range map[string][]event.ClusterMessage{
		"logentry/cluster-delete":        {{Cluster: "prod-eu", Reason: event.ClusterDeleting, Source: "audit", Observed: at("10:00:00.123456")}},
		"logentry/cluster-delete-last":   {{Cluster: "prod-eu", Reason: event.ClusterDeleted, Source: "audit", Observed: at("10:00:00.123456")}},
		"logentry/cluster-delete-failed": nil,
		"notification/node-pool":         {{Cluster: "prod-eu", Reason: event.ClusterResync, Source: "notification", Observed: at("09:58:20.528855756")}},
		"notification/node-pool-number":  {{Cluster: "prod-eu", Reason: event.ClusterResync, Source: "notification", Observed: at("09:58:20.528855756")}},
		"notification/node-pool-done":    {{Cluster: "prod-eu", Reason: event.ClusterResync, Source: "notification", Observed: at("10:40:11")}},
		"notification/master":            nil,
		"notification/end-of-support":    nil,
		"notification/available":         nil,
		"notification/bulletin":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			kind, file, _ := strings.Cut(name, "/")
			body := push(t, entry(t, kind, file), nil)
			if kind == "notification" {
				body = push(t, "Node pool is upgrading.", attributes(t, file))
			}
			if status, _ := w.post("/", body); status != http.StatusNoContent {
				t.Errorf("status %d", status)
			}
			if diff := cmp.Diff(want, w.clusters(t)); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if keys := w.published(t); len(keys) > 0 {
				t.Errorf("published keys %v", keys)
			}
		})
	}
}

func attributes(t testing.TB, notification string) map[string]string {
	t.Helper()
	var a map[string]string
	if err := json.Unmarshal([]byte(entry(t, "notification", notification)), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAClusterThatCannotBePublishedComesAgain(t *testing.T) {
	w := newWorld(t, nil, pstest.WithErrorInjection("Publish", codes.PermissionDenied, "secret"))
	if status, body := w.post("/", push(t, entry(t, "logentry", "cluster-delete"), nil)); status != 503 || strings.Contains(body, "secret") {
		t.Errorf("status %d, body %q", status, body)
	}
}

// Pods that slipped past injection leave a line to count, from both sources.
func TestMissedInjection(t *testing.T) {
	w := newWorld(t, nil)
	w.post(w.path, entry(t, "list", "missed"))
	w.post("/", push(t, entry(t, "logentry", "pod-missed"), nil))
	w.post("/", push(t, strings.Replace(entry(t, "logentry", "pod-missed"), "europe-west1", "us-east1", 1), nil)) // not ours
	var got []string
	for _, line := range w.lines(t, "missed_injection") {
		got = append(got, fmt.Sprint(line["missed_injection"], " ", line["cluster"], " ", line["namespace"], "/", line["pod"], " ", line["webhook"], ": ", line["reason"]))
	}
	want := []string{
		"1 prod-eu shop/web-6d4c9-a1b2c pods.negfleet.dev: failed open",
		"1 prod-eu shop/ pods.negfleet.dev: cluster does not answer",
		"1 prod-eu shop/web-6d4c9-* pods.negfleet.dev: deadline",
		"1 prod-eu shop/web-6d4c9-a1b2c pods.negfleet.dev: cluster does not answer",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
