package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/telemetry"
	"golang.org/x/tools/txtar"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// oneCluster is the fleet: demo/europe-west1/prod, called prod-eu.
type oneCluster struct{}

func (oneCluster) ClusterOf(project, location, name string) (string, bool) {
	return "prod-eu", project == "demo" && location == "europe-west1" && name == "prod"
}
func (oneCluster) Known(cluster string) bool { return cluster == "prod-eu" }
func (oneCluster) Identities() []string {
	return []string{"negfleet-reconcile@demo.iam.gserviceaccount.com"}
}

// live is the cluster: every namespace has the same Services.
type live struct {
	err  error
	hang bool // until the read is given up

	mu    sync.Mutex
	asked []string
}

func (s *live) note(ctx context.Context, format string, args ...any) {
	if s.hang {
		<-ctx.Done()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprintf(format, args...))
}

func (s *live) IngressServices(ctx context.Context, cluster, namespace string) ([]string, error) {
	s.note(ctx, "ingress %s/%s", cluster, namespace)
	return []string{"front"}, s.err
}

func (s *live) ServicesIn(ctx context.Context, cluster, namespace string) ([]string, error) {
	s.note(ctx, "all %s/%s", cluster, namespace)
	return []string{"web", "cart"}, s.err
}

func (s *live) Selectors(ctx context.Context, cluster, namespace string) (map[string]map[string]string, error) {
	s.note(ctx, "selectors %s/%s", cluster, namespace)
	return map[string]map[string]string{"web": {"app": "web"}, "cart": {"app": "cart"}}, s.err
}

func (s *live) ServiceOfSlice(ctx context.Context, cluster, namespace, slice string) (string, bool, error) {
	s.note(ctx, "slice %s/%s/%s", cluster, namespace, slice)
	if slice == "gone" {
		return "", false, s.err
	}
	return "web", true, s.err
}

// world is the function with everything real around it but the cluster.
type world struct {
	handler  http.Handler
	services *live
	broker   *pstest.Server
	logs     *buffer
	path     string // the audit path of prod-eu
}

var callerKey = strings.Repeat("5e", 32)

func newWorld(t testing.TB, change func(*Options), server ...pstest.ServerReactorOption) *world {
	t.Helper()
	keys, err := caller.ParseKeys(callerKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{services: &live{}, broker: newBroker(t, server...), logs: &buffer{}}
	publisher := publisherTo(w.broker.Addr)
	t.Cleanup(func() { publisher.Close() })
	o := Options{
		Accept: Accept{Push: true, Audit: true}, Keys: keys, Fleet: oneCluster{}, Services: w.services,
		Publisher: publisher, Log: telemetry.New(w.logs, slog.LevelDebug),
	}
	if change != nil {
		change(&o)
	}
	if w.handler, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.path, _ = keys.Sign("prod-eu")
	return w
}

func newBroker(t testing.TB, server ...pstest.ServerReactorOption) *pstest.Server {
	s := pstest.NewServerWithAddress("127.0.0.1:0", server...)
	t.Cleanup(func() { s.Close() })
	for _, name := range []string{event.TopicKeys, event.TopicClusters} {
		topic := &pubsubpb.Topic{Name: "projects/demo/topics/" + name}
		if _, err := s.GServer.CreateTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func publisherTo(address string) *event.Publisher {
	return event.NewPublisher(event.PublisherOptions{Project: "demo", Client: []option.ClientOption{
		option.WithEndpoint(address), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}})
}

// post sends body and returns the answer's status and text.
func (w *world) post(path, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	return recorder.Code, recorder.Body.String()
}

// published lists the keys on negfleet-keys, in order of their names.
func (w *world) published(t testing.TB) []string {
	t.Helper()
	keys := []string{}
	for _, m := range w.messages(t) {
		keys = append(keys, m.Key.String())
	}
	slices.Sort(keys)
	return keys
}

func (w *world) messages(t testing.TB) []event.Message {
	t.Helper()
	var all []event.Message
	for _, m := range w.broker.Messages() {
		if m.Topic != "projects/demo/topics/"+event.TopicKeys {
			continue
		}
		decoded, err := event.DecodeMessage(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decoded)
	}
	return all
}

// clusters are the messages on negfleet-clusters.
func (w *world) clusters(t testing.TB) []event.ClusterMessage {
	t.Helper()
	var all []event.ClusterMessage
	for _, m := range w.broker.Messages() {
		if m.Topic != "projects/demo/topics/"+event.TopicClusters {
			continue
		}
		decoded, err := event.DecodeClusterMessage(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, decoded)
	}
	return all
}

// lines are the log's with that field.
func (w *world) lines(t testing.TB, field string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for text := range strings.Lines(w.logs.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if _, ok := line[field]; ok {
			all = append(all, line)
		}
	}
	return all
}

// entry is a file of shared/audit's goldens, so that one set of real bodies tests both.
func entry(t testing.TB, kind, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile("../../shared/audit/testdata/" + kind + "/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, archive.Files[0].Data); err != nil {
		t.Fatal(err)
	}
	return compact.String()
}

// push wraps data as Pub/Sub does.
func push(t testing.TB, data string, attributes map[string]string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"message":      map[string]any{"data": []byte(data), "attributes": attributes, "messageId": "1201", "publishTime": "2026-11-20T10:00:00.2Z"},
		"subscription": "projects/demo/subscriptions/negfleet-audit",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var errDown = errors.New("cluster does not answer")

// waitFor returns when ready does not fail any more, or fails the test with its last error.
func waitFor(t testing.TB, ready func() error) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

func TestMain(m *testing.M) {
	// Mounts the function at every path, as a deployment does.
	os.Setenv("FUNCTION_TARGET", "Events")
	os.Exit(m.Run())
}

func sortedStrings(s []string) []string {
	slices.Sort(s)
	return s
}
