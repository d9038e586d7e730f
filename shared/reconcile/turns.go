package reconcile

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Turns orders the looks of one instance, so that a thousand deliveries of one key cost
// a look or two and a storm on one key delays no other.
//
// A delivery received before a look's first read of the cluster is covered by that look
// and answered when it ends; one received later gets the next look. That order needs no
// clock and no store. A key's look starts at once, then no sooner than Interval after the
// start of its last one here. Across instances nothing is skipped and nothing needs to be.
type Turns struct {
	Interval time.Duration
	// Budget bounds one look; it must end well before the delivery's ack deadline.
	Budget time.Duration
	// After is time.After, but for tests.
	After func(time.Duration) <-chan time.Time
	Now   func() time.Time

	mu    sync.Mutex
	queue map[neg.Key]*queue
	room  int // how many keys queue holds before it is cleaned
}

// A queue is the looks of one key: one that runs and reads, and one that waits.
type queue struct {
	open    *pending // takes deliveries
	running *pending // past its first read
	last    time.Time
}

// A pending is one look and the deliveries that it covers.
type pending struct {
	done    chan struct{}
	newer   chan struct{}
	told    bool // newer is closed
	err     error
	cancel  context.CancelFunc
	waiters int
	chain   int
}

// Do runs look for k, or waits for the one that covers this delivery. look is cancelled
// when every delivery it covers has gone away.
func (t *Turns) Do(ctx context.Context, k neg.Key, chain int, look func(context.Context, Turn) error) error {
	for {
		err := t.once(ctx, k, chain, look)
		if !errors.Is(err, ErrSuperseded) {
			return err
		}
	}
}

func (t *Turns) once(ctx context.Context, k neg.Key, chain int, look func(context.Context, Turn) error) error {
	p, leads, before := t.join(k, chain)
	if !leads {
		select {
		case <-p.done:
			return p.err
		case <-ctx.Done():
			t.leave(p)
			return ctx.Err()
		}
	}
	lookCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Budget)
	defer cancel()
	t.mu.Lock()
	p.cancel = cancel
	t.mu.Unlock()
	defer context.AfterFunc(ctx, func() { t.leave(p) })()
	err := t.await(lookCtx, k, before)
	if err == nil {
		err = look(lookCtx, Turn{Chain: t.began(k), Began: func() { t.seal(k, p) }, Newer: p.newer})
	}
	t.end(k, p, err)
	return err
}

// join adds a delivery to the look that takes them; the first of a look leads it, after
// the one before.
func (t *Turns) join(k neg.Key, chain int) (p *pending, leads bool, before *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue == nil {
		t.queue = map[neg.Key]*queue{}
	}
	q := t.queue[k]
	if q == nil {
		q = &queue{}
		t.queue[k] = q
	}
	if q.open == nil {
		q.open = &pending{done: make(chan struct{}), newer: make(chan struct{}), chain: chain}
		leads = true
		if q.running != nil && !q.running.told {
			close(q.running.newer)
			q.running.told = true
		}
	}
	q.open.waiters++
	// Fresh news of a key starts its chain of follow-ups anew.
	q.open.chain = min(q.open.chain, chain)
	return q.open, leads, q.running
}

func (t *Turns) leave(p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.waiters--
	if p.waiters == 0 && p.cancel != nil {
		p.cancel()
	}
}

// await waits for the look before, and for the interval.
func (t *Turns) await(ctx context.Context, k neg.Key, before *pending) error {
	if before != nil {
		select {
		case <-before.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	t.mu.Lock()
	pause := t.Interval - t.Now().Sub(t.queue[k].last)
	t.mu.Unlock()
	if pause <= 0 {
		return nil
	}
	select {
	case <-t.After(pause):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// began notes the start of the open look and returns its chain.
func (t *Turns) began(k neg.Key) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queue[k]
	q.last = t.Now()
	return q.open.chain
}

// seal ends the time in which p takes deliveries.
func (t *Turns) seal(k neg.Key, p *pending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q := t.queue[k]; q.open == p {
		q.open, q.running = nil, p
	}
}

func (t *Turns) end(k neg.Key, p *pending, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.queue[k]
	if q.open == p {
		q.open = nil
	}
	if q.running == p {
		q.running = nil
	}
	p.err = err
	close(p.done)
	t.forget()
}

// forget drops the keys that nobody waits for and whose interval is over, whenever their
// number has doubled.
func (t *Turns) forget() {
	if len(t.queue) < max(t.room, 1000) {
		return
	}
	now := t.Now()
	for k, q := range t.queue {
		if q.open == nil && q.running == nil && now.Sub(q.last) > t.Interval {
			delete(t.queue, k)
		}
	}
	t.room = 2 * len(t.queue)
}
