package health

import (
	"sync"
	"time"
)

// manualClock stands still until it is told to advance.
type manualClock struct {
	mu     sync.Mutex
	now    time.Time
	next   int
	timers map[int]manualTimer
}

type manualTimer struct {
	at time.Time
	f  func()
}

func newManualClock() *manualClock {
	return &manualClock{now: noon, timers: map[int]manualTimer{}}
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.next
	c.next++
	c.timers[id] = manualTimer{c.now.Add(d), f}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, id)
	}
}

func (c *manualClock) pop(end time.Time) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := -1
	for id, timer := range c.timers {
		if !timer.at.After(end) && (first < 0 || timer.at.Before(c.timers[first].at)) {
			first = id
		}
	}
	if first < 0 {
		c.now = end
		return nil
	}
	timer := c.timers[first]
	delete(c.timers, first)
	c.now = timer.at
	return timer.f
}

// advance runs what becomes due, each at its own time, and calls after once the
// clock stands there.
func (c *manualClock) advance(d time.Duration, after func()) {
	end := c.Now().Add(d)
	for f := c.pop(end); f != nil; f = c.pop(end) {
		f()
		after()
	}
}
