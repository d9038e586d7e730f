package readiness

import (
	"sync"
	"time"
)

// kept are values that may be a little old, each read by one at a time. Errors are not kept.
type kept[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*entry[V]
	full    int // when old ones are looked for again: where all are new, that finds none
}

type entry[V any] struct {
	mu    sync.Mutex
	at    time.Time // when the read began; zero: there is no value
	value V
}

// get returns the value of k, at most maxAge old, read now if need be.
func (c *kept[K, V]) get(now func() time.Time, maxAge time.Duration, k K, read func() (V, error)) (V, error) {
	e := c.entry(k, now().Add(-maxAge))
	e.mu.Lock()
	defer e.mu.Unlock()
	began := now()
	if !e.at.IsZero() && began.Sub(e.at) < maxAge {
		return e.value, nil
	}
	value, err := read()
	if err != nil {
		var none V
		return none, err
	}
	e.at, e.value = began, value
	return value, nil
}

// room is how many values are kept before old ones are dropped.
const room = 1000

func (c *kept[K, V]) entry(k K, oldest time.Time) *entry[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[k]; e != nil {
		return e
	}
	if len(c.entries) >= max(room, c.full) {
		c.drop(oldest)
		c.full = 2 * len(c.entries)
	}
	if c.entries == nil {
		c.entries = map[K]*entry[V]{}
	}
	e := &entry[V]{}
	c.entries[k] = e
	return e
}

// drop drops what nobody reads now and is too old.
func (c *kept[K, V]) drop(oldest time.Time) {
	for k, e := range c.entries {
		if e.mu.TryLock() {
			if e.at.Before(oldest) {
				delete(c.entries, k)
			}
			e.mu.Unlock()
		}
	}
}
