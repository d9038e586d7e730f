// Package fresh keeps what was read for a few seconds, for questions of which only one
// answer may be old. A match that was true seconds ago is good enough: whoever acts on it
// looks again. That there is no match must be true now, since nothing can be added later:
// it is believed only of a read that began after the question came in. Such reads are
// shared by all who wait for one.
//
// It knows nothing of what is read, and reads no clock of its own.
package fresh

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxReads is how many reads of one key run at once. The second one is for questions that
// came after the first began, so that one that hangs does not hold up all others; what
// comes after both waits for the first of them to end, and shares the next.
const maxReads = 2

// maxKeys is when values that are too old are looked for and dropped.
const maxKeys = 1024

// A Cache answers questions about keys with values that Read gets.
type Cache[K comparable, V any] struct {
	Read    func(context.Context, K) (V, error)
	MaxAge  time.Duration // of a value that is good enough
	Timeout time.Duration // of one read
	Now     func() time.Time

	mu   sync.Mutex
	keys map[K]*entry[V]
}

type entry[V any] struct {
	value   V
	began   time.Time // of the read that got value; zero: there is none
	running []*read[V]
	next    *read[V] // starts when a running one ends
}

// A read is one call of Read. Its fields are set before done is closed.
type read[V any] struct {
	began time.Time
	done  chan struct{}
	value V
	err   error
}

// Get returns a kept value that is enough and not too old, else what a read found that
// began after asked. It returns when ctx ends; the read goes on for the others.
func (c *Cache[K, V]) Get(ctx context.Context, key K, asked time.Time, enough func(V) bool) (V, error) {
	c.mu.Lock()
	e := c.entry(key)
	if kept := !e.began.IsZero(); kept && (e.began.After(asked) || c.Now().Sub(e.began) <= c.MaxAge && enough(e.value)) {
		value := e.value
		c.mu.Unlock()
		return value, nil
	}
	r := c.join(ctx, key, e, asked)
	c.mu.Unlock()
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, fmt.Errorf("wait for a read: %w", ctx.Err())
	}
}

// entry returns the key's entry, and now and then drops others that nobody uses.
func (c *Cache[K, V]) entry(key K) *entry[V] {
	if e := c.keys[key]; e != nil {
		return e
	}
	if c.keys == nil {
		c.keys = map[K]*entry[V]{}
	}
	if len(c.keys) >= maxKeys {
		for k, e := range c.keys {
			if len(e.running) == 0 && c.Now().Sub(e.began) > c.MaxAge {
				delete(c.keys, k)
			}
		}
	}
	e := &entry[V]{}
	c.keys[key] = e
	return e
}

// join returns a read that began after asked, or will.
func (c *Cache[K, V]) join(ctx context.Context, key K, e *entry[V], asked time.Time) *read[V] {
	for _, r := range e.running {
		if r.began.After(asked) {
			return r
		}
	}
	if e.next != nil {
		return e.next
	}
	r := &read[V]{done: make(chan struct{})}
	if len(e.running) < maxReads {
		c.start(ctx, key, e, r)
	} else {
		e.next = r
	}
	return r
}

// start begins a read. It outlives the question that happened to need it first.
func (c *Cache[K, V]) start(ctx context.Context, key K, e *entry[V], r *read[V]) {
	r.began = c.Now()
	e.running = append(e.running, r)
	go func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Timeout)
		defer cancel()
		c.run(bounded, key, r)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.end(ctx, key, e, r) // not bounded: reads in a row would nest their contexts
	}()
}

// run reads; a panic becomes an error, since it would end the process.
func (c *Cache[K, V]) run(ctx context.Context, key K, r *read[V]) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("read: panic: %v", p)
		}
	}()
	r.value, r.err = c.Read(ctx, key)
}

// end keeps the newest value and starts the next read.
func (c *Cache[K, V]) end(ctx context.Context, key K, e *entry[V], r *read[V]) {
	for i, each := range e.running {
		if each == r {
			e.running = append(e.running[:i], e.running[i+1:]...)
			break
		}
	}
	if r.err == nil && r.began.After(e.began) {
		e.value, e.began = r.value, r.began
	}
	close(r.done)
	if next := e.next; next != nil {
		e.next = nil
		c.start(ctx, key, e, next)
	}
}
