package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// A mailbox is a Pub/Sub server with a push subscription whose endpoint fails until told
// otherwise, so that what is published ends as a dead letter.
type mailbox struct {
	*world
	server *pubsub.Server
	mu     sync.Mutex
	works  bool
	bodies []string // of what the endpoint took
}

func newMailbox(t *testing.T) *mailbox {
	m := &mailbox{world: &world{t: t, env: map[string]string{"PUBSUB_PROJECT_ID": "p1"}}}
	endpoint := httptest.NewServer(m)
	t.Cleanup(endpoint.Close)
	var err error
	m.server, err = pubsub.Start(t.Context(), pubsub.Options{Project: "p1", Subscriptions: []pubsub.Subscription{
		{Topic: event.TopicDead, Name: event.TopicDead},
		{Topic: event.TopicKeys, Name: "negfleet-keys-reconcile", Endpoint: endpoint.URL, DeadLetterTopic: event.TopicDead, MaxDeliveryAttempts: 2, MinBackoff: time.Millisecond},
	}})
	m.check(err)
	t.Cleanup(func() { m.server.Close() })
	t.Setenv("PUBSUB_EMULATOR_HOST", m.server.Addr())
	return m
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.works {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var d struct {
		Message struct {
			Data       []byte
			Attributes map[string]string
		}
	}
	m.check(json.Unmarshal(body, &d))
	for name := range d.Message.Attributes {
		if strings.HasPrefix(name, "CloudPubSub") {
			m.t.Errorf("replayed with attribute %s", name)
		}
	}
	key, err := event.DecodeMessage(d.Message.Data)
	if err != nil {
		m.bodies = append(m.bodies, string(d.Message.Data))
		return
	}
	m.bodies = append(m.bodies, key.Key.String()+" "+d.Message.Attributes["service"])
}

// bury publishes what the endpoint refuses, and waits until it is dead.
func (m *mailbox) bury(services ...string) {
	m.t.Helper()
	for _, service := range services {
		data, attributes, err := event.Encode(event.Message{
			Key: neg.Key{Cluster: "c1", Namespace: "shop", Service: service}, Reason: "services update", Source: "audit", Observed: time.Now(),
		})
		m.check(err)
		m.check(m.server.Publish(m.t.Context(), event.TopicKeys, data, attributes))
	}
	m.drained()
}

func (m *mailbox) drained() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 20*time.Second)
	defer cancel()
	m.check(m.server.Drained(ctx))
}

// taken is what the endpoint took since it was last asked.
func (m *mailbox) taken() []string {
	m.drained()
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.bodies
	m.bodies = nil
	slices.Sort(out)
	return out
}

// TestReplay: dead letters go back to the topic they came from, as they were, and are gone
// only then; a filter, a limit and a dry run leave the others where they are.
func TestReplay(t *testing.T) {
	m := newMailbox(t)
	m.bury("web", "cart", "api")
	m.check(m.server.Publish(t.Context(), event.TopicKeys, []byte("{}"), nil)) // no message of ours
	m.drained()
	m.mu.Lock()
	m.works = true
	m.mu.Unlock()

	code, out, errs := m.run("replay", "--dry-run")
	if code != 0 || errs != "" || strings.Count(out, "would be replayed") != 4 || !strings.Contains(out, "4 messages; 4 left") {
		t.Fatalf("dry run: exit %d: %s%s", code, errs, out)
	}
	for _, word := range []string{"negfleet-keys", "c1/shop/cart", "services update"} {
		if !strings.Contains(out, word) {
			t.Errorf("a dry run does not tell %s:\n%s", word, out)
		}
	}
	for _, c := range []struct {
		args string
		want []string
		left int
	}{
		{"replay --dry-run", nil, 4},
		{"replay --filter c1/shop/we --json", nil, 4}, // no part of a name
		{"replay --filter c1/shop/web --json", []string{"c1/shop/web web"}, 3},
		{"replay --filter c1/shop --limit 1 --json", nil, 2}, // one of two
		{"replay --json", nil, 0},
	} {
		code, out, errs := m.run(strings.Fields(c.args)...)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit %d: %s", c.args, code, errs)
		}
		got := m.taken()
		if c.want != nil {
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.args, d)
			}
		}
		var told struct {
			Messages []replayed
			Left     int
		}
		if strings.Contains(c.args, "--json") {
			m.check(json.Unmarshal([]byte(out), &told))
			if told.Left != c.left || len(told.Messages) != len(got) {
				t.Errorf("%s: says %d replayed and %d left, want %d and %d", c.args, len(told.Messages), told.Left, len(got), c.left)
			}
		}
	}
	if code, out, _ := m.run("replay"); code != 0 || !strings.Contains(out, "0 messages; 0 left") {
		t.Errorf("afterwards: exit %d: %s", code, out)
	}
}

// TestReplayFails: a letter whose topic cannot be found, or cannot be published to, stays.
func TestReplayFails(t *testing.T) {
	m := newMailbox(t)
	m.check(m.server.Publish(t.Context(), event.TopicDead, []byte("x"), map[string]string{"CloudPubSubDeadLetterSourceSubscription": "none"}))
	m.check(m.server.Publish(t.Context(), event.TopicDead, []byte("x"), nil))
	for range 2 {
		code, out, errs := m.run("replay")
		if code != 1 || strings.Count(out, "failed") != 2 || !strings.Contains(out, "2 left") || !strings.Contains(errs, "2 messages stay where they are; the first: ") {
			t.Fatalf("exit %d: %s%s", code, out, errs)
		}
	}
	if code, _, errs := m.run("replay", "no-such-subscription"); code != 1 || !strings.Contains(errs, "no-such-subscription") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
