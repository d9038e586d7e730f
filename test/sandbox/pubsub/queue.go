package pubsub

import (
	"context"
	"sync"
	"time"
)

// Stats are a push subscription's counters.
type Stats struct {
	Undelivered int    // waiting, in backoff or in flight
	Delivered   int    // acknowledged by the endpoint
	Nacked      int    // failed attempts
	Dead        int    // moved to the dead-letter topic
	LastError   string // of the last failed attempt, for people
}

// item is a message in one queue.
type item struct {
	*message
	attempts int
	done     func() // called when the queue is through with it; may be nil
}

// queue is a push subscription at work.
type queue struct {
	sub  Subscription
	all  *count
	post func(ctx context.Context, m *message, attempt int) error
	bury func(ctx context.Context, m *message, attempts int) error
	// after runs f in d's time, replaced by tests of the backoff.
	after func(d time.Duration, f func())

	ctx     context.Context
	workers sync.WaitGroup

	mu       sync.Mutex
	ready    []*item
	lines    map[string][]*item // by ordering key: the head is on its way, the rest wait
	inFlight int
	stats    Stats
}

func newQueue(ctx context.Context, sub Subscription, all *count) *queue {
	return &queue{
		sub: sub, all: all, ctx: ctx, lines: map[string][]*item{},
		after: func(d time.Duration, f func()) { time.AfterFunc(d, f) },
	}
}

// accept takes a message. It returns at once.
func (q *queue) accept(it *item) {
	q.all.add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Undelivered++
	if key := it.orderingKey; q.sub.Ordering && key != "" {
		q.lines[key] = append(q.lines[key], it)
		if len(q.lines[key]) > 1 {
			return
		}
	}
	q.enqueue(it)
}

// enqueue makes it the last to be delivered. q.mu is held.
func (q *queue) enqueue(it *item) {
	q.ready = append(q.ready, it)
	if q.inFlight < q.sub.MaxOutstanding && q.ctx.Err() == nil {
		q.inFlight++
		q.workers.Go(q.work)
	}
}

// work delivers messages until none is ready.
func (q *queue) work() {
	for it := q.next(); it != nil; it = q.next() {
		it.attempts++
		attempt := it.attempts
		if q.sub.DeadLetterTopic == "" {
			attempt = 0
		}
		ctx, cancel := context.WithTimeout(q.ctx, q.sub.AckDeadline)
		err := q.post(ctx, it.message, attempt)
		cancel()
		q.settle(it, err)
	}
}

// next returns nil when the worker is to end.
func (q *queue) next() *item {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 || q.ctx.Err() != nil {
		q.inFlight--
		return nil
	}
	it := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	return it
}

func (q *queue) settle(it *item, err error) {
	if err == nil {
		q.finish(it, func(s *Stats) { s.Delivered++ })
		return
	}
	q.mu.Lock()
	q.stats.Nacked++
	q.stats.LastError = err.Error()
	q.mu.Unlock()
	if q.ctx.Err() != nil {
		return
	}
	if q.sub.DeadLetterTopic != "" && it.attempts >= q.sub.MaxDeliveryAttempts {
		if q.bury(q.ctx, it.message, it.attempts) == nil {
			q.finish(it, func(s *Stats) { s.Dead++ })
			return
		}
	}
	q.after(q.sub.backoff(it.attempts), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.enqueue(it)
	})
}

// finish lets go of a message and lets the next of its line come forward.
func (q *queue) finish(it *item, count func(*Stats)) {
	q.mu.Lock()
	count(&q.stats)
	q.stats.Undelivered--
	if key := it.orderingKey; q.sub.Ordering && key != "" {
		if line := q.lines[key][1:]; len(line) > 0 {
			q.lines[key] = line
			q.enqueue(line[0])
		} else {
			delete(q.lines, key)
		}
	}
	q.mu.Unlock()
	if it.done != nil {
		it.done()
	}
	q.all.add(-1)
}

// stop waits for the deliveries under way. The context has ended.
func (q *queue) stop() {
	q.mu.Lock() // whoever held it may just have started a worker; nobody does any more
	//lint:ignore SA2001 taking the lock is the wait
	q.mu.Unlock()
	q.workers.Wait()
}

func (q *queue) snapshot() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stats
}
