package pubsub

import (
	"context"
	"fmt"
	"sync"
)

// count is the number of messages that wait or are being delivered, in all queues. A
// message that a delivery causes is counted before that delivery ends, so a count of
// zero means that nothing more will come from within.
type count struct {
	mu   sync.Mutex
	n    int
	zero chan struct{} // closed while n is 0
}

func newCount() *count {
	c := &count{zero: make(chan struct{})}
	close(c.zero)
	return c
}

func (c *count) add(d int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == 0 {
		c.zero = make(chan struct{})
	}
	if c.n += d; c.n == 0 {
		close(c.zero)
	}
}

func (c *count) wait(ctx context.Context) error {
	c.mu.Lock()
	zero := c.zero
	c.mu.Unlock()
	select {
	case <-zero:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d undelivered messages: %w", c.waiting(), ctx.Err())
	}
}

func (c *count) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
