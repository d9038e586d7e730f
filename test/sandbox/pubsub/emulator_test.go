package pubsub

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// google returns the address of Google's emulator. The test skips where there is none.
func google(t *testing.T) string {
	t.Helper()
	address, stop, err := StartGoogle(t.Context(), t.TempDir())
	if errors.Is(err, ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return address
}

// TestOnTheEmulator: what the sandbox does with the server in memory it does with Google's
// emulator: deliver, deliver again what was refused, give up into the dead-letter topic.
// Its own push is not used: it ends for good at the first dead letter.
func TestOnTheEmulator(t *testing.T) {
	address := google(t)
	t.Run("again until acknowledged", func(t *testing.T) {
		e := newEndpoint(t, func(_ delivery, earlier int) int { return []int{503, 204}[min(earlier, 1)] })
		s, sub := onEmulator(t, address, quick(e.URL))
		publishOne(t, s, sub.Topic, "x", map[string]string{"cluster": "c1"})
		awaitStats(t, s, sub.Name, Stats{Delivered: 1, Nacked: 1})
		if d := e.received[1]; string(d.Message.Data) != "x" || d.Message.Attributes["cluster"] != "c1" {
			t.Errorf("delivered %+v", d.Message)
		}
	})
	t.Run("dead letter", func(t *testing.T) {
		dead := newEndpoint(t, always(204))
		grave := quick(dead.URL)
		grave.Topic = "dead-" + uuid.NewString()
		grave.Name = grave.Topic
		sub := quick(newEndpoint(t, always(503)).URL)
		sub.DeadLetterTopic, sub.MaxDeliveryAttempts = grave.Topic, 2
		s, sub := onEmulator(t, address, sub, grave)
		publishOne(t, s, sub.Topic, "x", nil)
		awaitStats(t, s, grave.Name, Stats{Delivered: 1})
		if got := dead.received[0].Message.Attributes["CloudPubSubDeadLetterSourceSubscription"]; got != sub.Name {
			t.Errorf("the dead letter says it is from %q, want %q", got, sub.Name)
		}
		publishOne(t, s, sub.Topic, "y", nil) // and the subscription lives
		awaitStats(t, s, grave.Name, Stats{Delivered: 2})
	})
	t.Run("many", func(t *testing.T) {
		var n atomic.Int32
		e := newEndpoint(t, func(delivery, int) int { n.Add(1); return 204 })
		s, sub := onEmulator(t, address, quick(e.URL))
		for range 200 {
			publishOne(t, s, sub.Topic, "x", nil)
		}
		awaitStats(t, s, sub.Name, Stats{Delivered: 200})
		if n.Load() != 200 {
			t.Errorf("%d deliveries of 200 messages", n.Load())
		}
	})
}

// onEmulator starts a server before the emulator, which outlives the test: the first
// subscription gets names of its own.
func onEmulator(t *testing.T, address string, subs ...Subscription) (*Server, Subscription) {
	t.Helper()
	subs[0].Topic = "keys-" + uuid.NewString()
	subs[0].Name = subs[0].Topic
	s, err := Start(t.Context(), Options{Project: "demo", Subscriptions: subs, Emulator: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, subs[0]
}

func publishOne(t *testing.T, s *Server, topic, data string, attributes map[string]string) {
	t.Helper()
	if err := s.Publish(t.Context(), topic, []byte(data), attributes); err != nil {
		t.Fatal(err)
	}
}

// awaitStats waits until a subscription is through with as many messages: those that the
// emulator has not handed over are not counted as undelivered.
func awaitStats(t *testing.T, s *Server, name string, want Stats) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if s.Stats()[name].Delivered >= want.Delivered {
			break
		}
		<-tick.C
	}
	drained(t, s)
	got := s.Stats()[name]
	got.LastError = ""
	if got != want {
		t.Fatalf("stats of %s: %+v, want %+v", name, got, want)
	}
}
