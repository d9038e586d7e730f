package fakegce

import (
	"sort"
	"sync"
	"time"
)

// A Clock tells the time and calls back later. The returned function cancels.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func())
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) AfterFunc(d time.Duration, f func()) func() {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}

// ManualClock stands still until it is told to advance.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	next   int
	timers map[int]manualTimer
	added  *sync.Cond
}

type manualTimer struct {
	at time.Time
	f  func()
}

// NewManualClock starts a clock that stands at now.
func NewManualClock(now time.Time) *ManualClock {
	c := &ManualClock{now: now, timers: map[int]manualTimer{}}
	c.added = sync.NewCond(&c.mu)
	return c
}

// Now is the time it stands at.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc calls f from the Advance that reaches d from now.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.next
	c.next++
	c.timers[id] = manualTimer{at: c.now.Add(d), f: f}
	c.added.Broadcast()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, id)
	}
}

// AwaitTimers returns once n callbacks or more wait for an Advance.
func (c *ManualClock) AwaitTimers(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.timers) < n {
		c.added.Wait()
	}
}

// Advance moves the clock and runs what became due, earliest first, each at its
// own time.
func (c *ManualClock) Advance(d time.Duration) { c.AdvanceSettled(d, func() {}) }

// AdvanceSettled is Advance, but lets what each callback began come to an end
// before the clock moves on.
func (c *ManualClock) AdvanceSettled(d time.Duration, settle func()) {
	c.mu.Lock()
	end := c.now.Add(d)
	c.mu.Unlock()
	for {
		f := c.pop(end)
		if f == nil {
			return
		}
		f()
		settle()
	}
}

// pop moves the clock to the next timer due by end and takes it, or to end.
func (c *ManualClock) pop(end time.Time) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := make([]int, 0, len(c.timers))
	for id, timer := range c.timers {
		if !timer.at.After(end) {
			due = append(due, id)
		}
	}
	if len(due) == 0 {
		c.now = end
		return nil
	}
	sort.Slice(due, func(i, j int) bool {
		a, b := c.timers[due[i]].at, c.timers[due[j]].at
		return a.Before(b) || a.Equal(b) && due[i] < due[j]
	})
	timer := c.timers[due[0]]
	delete(c.timers, due[0])
	c.now = timer.at
	return timer.f
}
