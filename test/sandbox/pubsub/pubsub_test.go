package pubsub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// endpoint is a push endpoint that answers by rule and remembers what it was sent.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	received []delivery
	answer   func(d delivery, earlier int) int // earlier: attempts at this message before
	earlier  map[string]int
}

// delivery is a wrapped push, decoded without the code under test.
type delivery struct {
	Message struct {
		Data         []byte            `json:"data"`
		Attributes   map[string]string `json:"attributes"`
		MessageID    string            `json:"messageId"`
		MessageID2   string            `json:"message_id"`
		PublishTime  time.Time         `json:"publishTime"`
		PublishTime2 time.Time         `json:"publish_time"`
		OrderingKey  string            `json:"orderingKey"`
	} `json:"message"`
	Subscription    string `json:"subscription"`
	DeliveryAttempt int    `json:"deliveryAttempt"`
}

func newEndpoint(t testing.TB, answer func(d delivery, earlier int) int) *endpoint {
	e := &endpoint{answer: answer, earlier: map[string]int{}}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Server.Close)
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var d delivery
	if err := json.NewDecoder(r.Body).Decode(&d); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	e.received = append(e.received, d)
	earlier := e.earlier[d.Message.MessageID]
	e.earlier[d.Message.MessageID]++
	e.mu.Unlock()
	w.WriteHeader(e.answer(d, earlier))
}

func (e *endpoint) data() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, d := range e.received {
		all = append(all, string(d.Message.Data))
	}
	return all
}

func always(status int) func(delivery, int) int { return func(delivery, int) int { return status } }

// quick is a subscription whose retries do not keep a test waiting.
func quick(url string) Subscription {
	return Subscription{Topic: "keys", Name: "keys", Endpoint: url, MinBackoff: time.Millisecond, MaxBackoff: 4 * time.Millisecond}
}

func start(t testing.TB, subs ...Subscription) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Project: "demo", Subscriptions: subs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// client is how everyone else sees the server.
func client(t testing.TB, s *Server) *pubsub.Client {
	t.Helper()
	c, err := pubsub.NewClient(t.Context(), "demo", option.WithEndpoint(s.Addr()), option.WithoutAuthentication(),
		option.WithTelemetryDisabled(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func drained(t testing.TB, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Drained(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestAnAddressThatIsTaken is told, and ends nothing.
func TestAnAddressThatIsTaken(t *testing.T) {
	s := start(t)
	if _, err := Start(t.Context(), Options{Project: "demo", Listen: s.Addr()}); err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("got %v", err)
	}
}

func TestPushedBody(t *testing.T) {
	e := newEndpoint(t, always(204))
	sub := quick(e.URL)
	sub.Ordering = true
	s := start(t, sub)
	publisher := client(t, s).Publisher("keys")
	publisher.EnableMessageOrdering = true
	result := publisher.Publish(t.Context(), &pubsub.Message{Data: []byte("hello"), Attributes: map[string]string{"v": "1"}, OrderingKey: "a"})
	id, err := result.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	drained(t, s)
	if len(e.received) != 1 {
		t.Fatalf("received %v", e.received)
	}
	got := e.received[0]
	if since := time.Since(got.Message.PublishTime); since < 0 || since > time.Minute || !got.Message.PublishTime.Equal(got.Message.PublishTime2) {
		t.Errorf("published %s and %s", got.Message.PublishTime, got.Message.PublishTime2)
	}
	var want delivery
	want.Message.Data, want.Message.Attributes, want.Message.OrderingKey = []byte("hello"), map[string]string{"v": "1"}, "a"
	want.Message.MessageID, want.Message.MessageID2 = id, id
	want.Message.PublishTime, want.Message.PublishTime2 = got.Message.PublishTime, got.Message.PublishTime2
	want.Subscription = "projects/demo/subscriptions/keys"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivery (-want +got):\n%s", diff)
	}
}

func TestStatuses(t *testing.T) {
	for status, acked := range map[int]bool{
		200: true, 201: true, 202: true, 204: true,
		203: false, 301: false, 400: false, 404: false, 429: false, 500: false, 503: false,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			e := newEndpoint(t, func(_ delivery, earlier int) int {
				if earlier > 0 {
					return 204
				}
				return status
			})
			s := start(t, quick(e.URL))
			publish(t, s, "x")
			drained(t, s)
			want := Stats{Delivered: 1}
			if !acked {
				want.Nacked = 1
			}
			got := s.Stats()["keys"]
			got.LastError = ""
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func publish(t testing.TB, s *Server, data ...string) {
	t.Helper()
	for _, d := range data {
		if err := s.Publish(t.Context(), "keys", []byte(d), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAHandlerThatIsTooSlowIsNacked(t *testing.T) {
	e := newEndpoint(t, nil)
	release := make(chan struct{})
	e.answer = func(_ delivery, earlier int) int {
		if earlier == 0 {
			<-release
		}
		return 204
	}
	sub := quick(e.URL)
	sub.AckDeadline = 50 * time.Millisecond
	s := start(t, sub)
	publish(t, s, "x")
	drained(t, s)
	close(release)
	if got := s.Stats()["keys"]; got.Nacked < 1 || got.Delivered != 1 || !strings.Contains(got.LastError, "deadline") {
		t.Errorf("stats %+v", got)
	}
}

func TestAnEndpointThatIsDownIsTriedAgain(t *testing.T) {
	down := httptest.NewServer(nil)
	down.Close()
	sub := quick(down.URL)
	sub.DeadLetterTopic = "dead"
	s := start(t, sub)
	publish(t, s, "x")
	drained(t, s)
	if got := s.Stats()["keys"]; got.Nacked != 5 || got.Dead != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestBackoff(t *testing.T) {
	s := Subscription{MinBackoff: time.Second, MaxBackoff: 10 * time.Second}
	var got []time.Duration
	for attempt := 1; attempt < 8; attempt++ {
		got = append(got, s.backoff(attempt)/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8, 10, 10, 10}, got); diff != "" {
		t.Errorf("seconds (-want +got):\n%s", diff)
	}
	if got := s.backoff(1 << 30); got != s.MaxBackoff {
		t.Errorf("backoff after very many attempts: %s", got)
	}
}

func TestEveryMessageHasItsOwnBackoff(t *testing.T) {
	var mu sync.Mutex
	var waits []time.Duration
	q := newQueue(t.Context(), Subscription{Name: "keys", MinBackoff: time.Second, MaxBackoff: 4 * time.Second, AckDeadline: time.Minute, MaxOutstanding: 1}, newCount())
	q.after = func(d time.Duration, f func()) {
		mu.Lock()
		waits = append(waits, d)
		mu.Unlock()
		go f()
	}
	failures := map[string]int{"a": 4, "b": 1}
	q.post = func(_ context.Context, m *message, _ int) error {
		if failures[m.id]--; failures[m.id] >= 0 {
			return fmt.Errorf("no")
		}
		return nil
	}
	for _, id := range []string{"a", "b"} {
		q.accept(&item{message: &message{id: id}})
	}
	if err := q.all.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(waits)
	s := time.Second
	if diff := cmp.Diff([]time.Duration{s, s, 2 * s, 4 * s, 4 * s}, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
}

func TestDeadLetters(t *testing.T) {
	poisoned := newEndpoint(t, func(d delivery, _ int) int {
		if string(d.Message.Data) == "poison" {
			return 500
		}
		return 204
	})
	dead := newEndpoint(t, always(204))
	sub := quick(poisoned.URL)
	sub.DeadLetterTopic, sub.MaxDeliveryAttempts = "dead", 3
	s := start(t, sub, Subscription{Topic: "dead", Name: "dead", Endpoint: dead.URL})
	publish(t, s, "fine", "poison")
	drained(t, s)
	var attempts []int
	for _, d := range poisoned.received {
		if string(d.Message.Data) == "poison" {
			attempts = append(attempts, d.DeliveryAttempt)
		}
	}
	if diff := cmp.Diff([]int{1, 2, 3}, attempts); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if len(dead.received) != 1 {
		t.Fatalf("dead letters %v", dead.received)
	}
	got := dead.received[0].Message
	if _, err := time.Parse(time.RFC3339Nano, got.Attributes["CloudPubSubDeadLetterSourceTopicPublishTime"]); err != nil {
		t.Error(err)
	}
	delete(got.Attributes, "CloudPubSubDeadLetterSourceTopicPublishTime")
	want := map[string]string{
		"CloudPubSubDeadLetterSourceDeliveryCount":       "3",
		"CloudPubSubDeadLetterSourceSubscription":        "keys",
		"CloudPubSubDeadLetterSourceSubscriptionProject": "demo",
	}
	if diff := cmp.Diff(want, got.Attributes); diff != "" || string(got.Data) != "poison" {
		t.Errorf("dead letter %q, attributes (-want +got):\n%s", got.Data, diff)
	}
	if stats := s.Stats()["keys"]; stats.Dead != 1 || stats.Delivered != 1 || stats.Undelivered != 0 {
		t.Errorf("stats %+v", stats)
	}
}

// Dead letters wait in a pull subscription, as the operator replays them.
func TestPullSubscriptionsWork(t *testing.T) {
	e := newEndpoint(t, always(500))
	sub := quick(e.URL)
	sub.DeadLetterTopic, sub.MaxDeliveryAttempts = "dead", 1
	s := start(t, sub, Subscription{Topic: "dead", Name: "dead"})
	publish(t, s, "poison")
	drained(t, s)
	if got := pullOne(t, client(t, s), "dead"); string(got.Data) != "poison" || got.Attributes["CloudPubSubDeadLetterSourceSubscription"] != "keys" {
		t.Errorf("pulled %s %v", got.Data, got.Attributes)
	}
}

func pullOne(t *testing.T, c *pubsub.Client, subscription string) *pubsub.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got *pubsub.Message
	err := c.Subscriber(subscription).Receive(ctx, func(_ context.Context, m *pubsub.Message) {
		got = m
		m.Ack()
		cancel()
	})
	if err != nil || got == nil {
		t.Fatalf("pulled nothing: %v", err)
	}
	return got
}

func TestOrderingBlocksItsLineOnly(t *testing.T) {
	e := newEndpoint(t, nil)
	other := make(chan struct{})
	var once sync.Once
	e.answer = func(d delivery, earlier int) int {
		switch {
		case string(d.Message.Data) == "b1":
			once.Do(func() { close(other) })
		case string(d.Message.Data) == "a1" && earlier == 0:
			<-other // the head of another line passes while this one is on its way
		}
		if string(d.Message.Data) == "a1" && earlier < 2 {
			return 503
		}
		return 204
	}
	sub := quick(e.URL)
	sub.Ordering = true
	s := start(t, sub)
	publisher := client(t, s).Publisher("keys")
	publisher.EnableMessageOrdering = true
	var results []*pubsub.PublishResult
	for _, data := range []string{"a1", "a2", "a3", "b1"} {
		results = append(results, publisher.Publish(t.Context(), &pubsub.Message{Data: []byte(data), OrderingKey: data[:1]}))
	}
	for _, r := range results {
		if _, err := r.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	drained(t, s)
	line := slices.DeleteFunc(e.data(), func(d string) bool { return d == "b1" })
	if diff := cmp.Diff([]string{"a1", "a1", "a1", "a2", "a3"}, line); diff != "" {
		t.Errorf("line a (-want +got):\n%s", diff)
	}
}

func TestMaxOutstanding(t *testing.T) {
	e := newEndpoint(t, nil)
	var now, most atomic.Int32
	e.answer = func(delivery, int) int {
		n := now.Add(1)
		for {
			old := most.Load()
			if n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		runtime.Gosched()
		now.Add(-1)
		return 204
	}
	sub := quick(e.URL)
	sub.MaxOutstanding = 3
	s := start(t, sub)
	publish(t, s, strings.Split(strings.Repeat("x", 200), "")...)
	drained(t, s)
	if got := most.Load(); got > 3 {
		t.Errorf("%d requests at a time, want at most 3", got)
	}
	if got := s.Stats()["keys"].Delivered; got != 200 {
		t.Errorf("%d delivered", got)
	}
}

// A system at rest is one whose handlers have nothing more to publish: a chain of
// messages, each caused by the one before, is seen to its end.
func TestDrainedFollowsChains(t *testing.T) {
	var s *Server
	e := newEndpoint(t, func(d delivery, _ int) int {
		if n, _ := strconv.Atoi(string(d.Message.Data)); n > 0 {
			if err := s.Publish(context.Background(), "keys", []byte(strconv.Itoa(n-1)), nil); err != nil {
				return 503
			}
		}
		return 204
	})
	s = start(t, quick(e.URL))
	drained(t, s)
	publish(t, s, "100")
	drained(t, s)
	if got := len(e.data()); got != 101 {
		t.Errorf("%d deliveries when drained, want 101", got)
	}
}

func TestDrainedReportsWhatIsLeft(t *testing.T) {
	e := newEndpoint(t, always(503))
	s := start(t, quick(e.URL))
	publish(t, s, "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Drained(ctx); err == nil || !strings.Contains(err.Error(), "1 undelivered") {
		t.Errorf("error %v", err)
	}
}

func TestEverySubscriptionOfATopicGetsEveryMessage(t *testing.T) {
	one, two := newEndpoint(t, always(204)), newEndpoint(t, always(204))
	first, second := quick(one.URL), quick(two.URL)
	second.Name = "again"
	s := start(t, first, second, Subscription{Topic: "keys", Name: "tap"})
	publish(t, s, "x")
	drained(t, s)
	if len(one.data()) != 1 || len(two.data()) != 1 {
		t.Errorf("received %v and %v", one.data(), two.data())
	}
	if got := pullOne(t, client(t, s), "tap"); string(got.Data) != "x" {
		t.Errorf("pulled %s", got.Data)
	}
}

func TestDeclarationsThatAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no project":       {},
		"no topic":         {Project: "demo", Subscriptions: []Subscription{{Name: "x"}}},
		"a wrong backoff":  {Project: "demo", Subscriptions: []Subscription{{Topic: "t", Name: "x", MinBackoff: 2, MaxBackoff: 1}}},
		"a negative limit": {Project: "demo", Subscriptions: []Subscription{{Topic: "t", Name: "x", MaxOutstanding: -1}}},
		"two of a name":    {Project: "demo", Subscriptions: []Subscription{quick("http://x"), quick("http://x")}},
	} {
		if s, err := Start(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPublishToAnUnknownTopic(t *testing.T) {
	s := start(t)
	if err := s.Publish(t.Context(), "nowhere", []byte("x"), nil); err == nil {
		t.Error("published")
	}
}

// What was delivered is not kept: a sandbox runs for hours.
func TestMemoryStaysFlat(t *testing.T) {
	e := newEndpoint(t, nil)
	e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	s := start(t, quick(e.URL))
	data := strings.Repeat("x", 64<<10)
	send := func(n int) uint64 {
		for range n {
			publish(t, s, data)
			drained(t, s)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := send(20)
	if after := send(300); after > before+8<<20 {
		t.Errorf("the heap grew from %d to %d over 300 messages of 64 KiB", before, after)
	}
}

// BenchmarkLatency is the way of one message from a publisher's call to the endpoint.
func BenchmarkLatency(b *testing.B) {
	arrived := make(chan time.Time, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- time.Now()
		w.WriteHeader(204)
	}))
	defer server.Close()
	s := start(b, quick(server.URL))
	publisher := client(b, s).Publisher("keys")
	publisher.PublishSettings.CountThreshold = 1
	var all []time.Duration
	for b.Loop() {
		before := time.Now()
		publisher.Publish(b.Context(), &pubsub.Message{Data: []byte("x")})
		all = append(all, (<-arrived).Sub(before))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "µs-p99")
}

// BenchmarkThroughput publishes through gRPC and delivers to an HTTP server, all in this
// process.
func BenchmarkThroughput(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	defer server.Close()
	sub := quick(server.URL)
	sub.MaxOutstanding = 64
	s := start(b, sub)
	publisher := client(b, s).Publisher("keys")
	data := []byte(strings.Repeat("x", 200))
	b.ResetTimer()
	for range b.N { // not b.Loop, which stops the clock before the queue is empty
		publisher.Publish(b.Context(), &pubsub.Message{Data: data})
		if s.all.waiting() > 5000 {
			drained(b, s)
		}
	}
	publisher.Stop()
	drained(b, s)
	if got := s.Stats()["keys"].Delivered; got != b.N {
		b.Errorf("%d of %d delivered", got, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
