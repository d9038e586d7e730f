package pubsub

import (
	"os"
	"testing"

	"github.com/google/uuid"
)

// TestOnTheEmulator runs where PUBSUB_EMULATOR_HOST names a Google emulator.
func TestOnTheEmulator(t *testing.T) {
	address := os.Getenv("PUBSUB_EMULATOR_HOST")
	if address == "" {
		t.Skip("PUBSUB_EMULATOR_HOST is not set")
	}
	arrived := make(chan struct{}, 10)
	e := newEndpoint(t, func(_ delivery, earlier int) int {
		if earlier == 0 {
			return 503
		}
		arrived <- struct{}{}
		return 204
	})
	sub := quick(e.URL)
	sub.Topic = "keys-" + uuid.NewString() // an emulator outlives the test
	sub.Name = sub.Topic
	s, err := Start(t.Context(), Options{Project: "demo", Subscriptions: []Subscription{sub}, Emulator: address})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Publish(t.Context(), sub.Topic, []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	<-arrived
	drained(t, s)
	if got := s.Stats()[sub.Name]; got.Delivered != 1 || got.Nacked != 1 {
		t.Errorf("stats %+v", got)
	}
}
