package pubsub

import (
	"errors"
	"fmt"
	"time"
)

// A Subscription declares a subscription, and its topic with it. Without an Endpoint it
// is a pull subscription, and the other fields but Ordering mean nothing.
type Subscription struct {
	Topic    string // id: negfleet-keys
	Name     string // id
	Endpoint string // URL to POST to

	AckDeadline         time.Duration // how long a request may take; 10 s when zero
	MinBackoff          time.Duration // before the second attempt; 1 s when zero
	MaxBackoff          time.Duration // 60 s when zero
	DeadLetterTopic     string        // id; none when empty
	MaxDeliveryAttempts int           // with a dead-letter topic; 5 when zero
	Ordering            bool
	MaxOutstanding      int // concurrent requests; 1000 when zero
}

func (s Subscription) withDefaults() Subscription {
	defaults := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	defaults(&s.AckDeadline, 10*time.Second)
	defaults(&s.MinBackoff, time.Second)
	defaults(&s.MaxBackoff, max(time.Minute, s.MinBackoff))
	if s.MaxDeliveryAttempts == 0 {
		s.MaxDeliveryAttempts = 5
	}
	if s.MaxOutstanding == 0 {
		s.MaxOutstanding = 1000
	}
	return s
}

func (s Subscription) validate() error {
	switch {
	case s.Topic == "" || s.Name == "":
		return errors.New("declare subscription: it needs a topic and a name")
	case s.MinBackoff < 0 || s.MaxBackoff < s.MinBackoff:
		return fmt.Errorf("declare subscription %s: backoff from %s to %s", s.Name, s.MinBackoff, s.MaxBackoff)
	case s.MaxDeliveryAttempts < 1 || s.MaxOutstanding < 1 || s.AckDeadline < 0:
		return fmt.Errorf("declare subscription %s: limits must be positive", s.Name)
	}
	return nil
}

// backoff is the wait after a message's failed attempt, the first being 1.
func (s Subscription) backoff(attempt int) time.Duration {
	wait := s.MinBackoff
	for ; attempt > 1 && wait < s.MaxBackoff; attempt-- {
		wait *= 2
	}
	return min(wait, s.MaxBackoff)
}
