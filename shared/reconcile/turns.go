package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Turns orders the looks of one instance, so that a thousand deliveries of one key cost
// a look or two and a storm on one key delays no other.
//
// A delivery that came in before a read of the cluster began is covered by the look that
// reads, and answered when it ends; one that came in later gets the next look. That order
// needs no clock and no store. A key's look starts at once, then no sooner than Interval
// after the start of its last one here. Across instances nothing is skipped and nothing
// needs to be.
//
// A look lives as long as a delivery that waits for it: nothing outlives the handlers.
type Turns struct {
	Interval time.Duration
	// Budget bounds one look; it must end well before the delivery's ack deadline.
	Budget time.Duration
	// After is time.After, but for tests.
	After func(time.Duration) <-chan time.Time
	Now   func() time.Time

	mu    sync.Mutex
	lines map[neg.Key]*line
	room  int // how many keys lines holds before it is cleaned
}

// A Delivery is one request for a look.
type Delivery struct {
	// Chain is how many follow-up looks led to it.
	Chain int
	// Cloud: it is about the cloud, so only a look that reads the cloud after it will do.
	Cloud bool
	// Thorough: it may be about groups that the Service's status does not name.
	Thorough bool
}

// A Look makes one key right. It must call Turn.Began.
type Look func(context.Context, Turn) error

// A line is the deliveries of one key and the look that serves them.
type line struct {
	waiting []*waiter // covered by no read yet
	covered []*waiter // by the look that runs
	running bool
	last    time.Time          // when its newest look started
	cancel  context.CancelFunc // of the look that runs
	newer   chan struct{}      // closed when a delivery comes in that the running look does not cover
	told    bool
}

type waiter struct {
	Delivery
	done chan error
}

// Do has k looked at and returns how that ended. The look is cancelled when every delivery
// that it covers has gone away.
func (t *Turns) Do(ctx context.Context, k neg.Key, d Delivery, look Look) error {
	w := &waiter{d, make(chan error, 1)}
	t.join(ctx, k, w, look)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		t.leave(k, w)
		return ctx.Err()
	}
}

func (t *Turns) join(ctx context.Context, k neg.Key, w *waiter, look Look) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines == nil {
		t.lines = map[neg.Key]*line{}
	}
	l := t.lines[k]
	if l == nil {
		l = &line{}
		t.lines[k] = l
	}
	l.waiting = append(l.waiting, w)
	if l.covered != nil && !l.told {
		l.told = true
		close(l.newer)
	}
	if !l.running {
		l.running = true
		go t.serve(context.WithoutCancel(ctx), k, l, look)
	}
}

func (t *Turns) leave(k neg.Key, w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[k]
	if l == nil {
		return
	}
	gone := func(o *waiter) bool { return o == w }
	l.waiting, l.covered = slices.DeleteFunc(l.waiting, gone), slices.DeleteFunc(l.covered, gone)
	if len(l.waiting)+len(l.covered) == 0 && l.cancel != nil {
		l.cancel()
	}
}

// serve looks at k until nobody waits any more.
func (t *Turns) serve(ctx context.Context, k neg.Key, l *line, look Look) {
	for {
		ctx, cancel := context.WithTimeout(ctx, t.Budget)
		err := t.rest(ctx, t.prepare(l, cancel))
		if err == nil {
			err = guarded(ctx, t.turn(l), look)
		}
		abandoned := ctx.Err() == context.Canceled
		cancel()
		if !t.answer(l, err, abandoned) {
			return
		}
	}
}

// guarded makes an error of a panic: one bad object must not take the instance and the
// looks at every other key with it.
func guarded(ctx context.Context, turn Turn, look Look) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return look(ctx, turn)
}

// prepare readies the line for its next look, and says how long that must still wait.
func (t *Turns) prepare(l *line, cancel context.CancelFunc) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.cancel, l.newer, l.told = cancel, make(chan struct{}), false
	return t.Interval - t.Now().Sub(l.last)
}

// turn starts the next look.
func (t *Turns) turn(l *line) Turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.last = t.Now()
	chain := 0
	for i, w := range l.waiting {
		// Fresh news of a key starts its chain of follow-ups anew.
		if i == 0 || w.Chain < chain {
			chain = w.Chain
		}
	}
	return Turn{
		Chain: chain, Newer: l.newer,
		Began:   func() { t.cover(l, func(*waiter) bool { return true }) },
		Rereads: func() { t.cover(l, func(w *waiter) bool { return !w.Cloud }) },
		Thorough: func() bool {
			t.mu.Lock()
			defer t.mu.Unlock()
			return slices.ContainsFunc(l.covered, func(w *waiter) bool { return w.Thorough })
		},
	}
}

func (t *Turns) rest(ctx context.Context, pause time.Duration) error {
	if pause <= 0 {
		return ctx.Err()
	}
	select {
	case <-t.After(pause):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cover moves the waiting deliveries that match to the look that runs.
func (t *Turns) cover(l *line, match func(*waiter) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := []*waiter{}
	if l.covered == nil {
		l.covered = []*waiter{}
	}
	for _, w := range l.waiting {
		if match(w) {
			l.covered = append(l.covered, w)
		} else {
			left = append(left, w)
		}
	}
	l.waiting = left
}

// answer tells the covered deliveries how the look ended, and says whether another is
// needed. A look that gave way to newer ones hands its deliveries on to the next. One that
// failed before it read anything answers all that wait, but for those that came after it
// was abandoned.
func (t *Turns) answer(l *line, err error, abandoned bool) (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, ErrSuperseded):
		l.waiting, l.covered = append(l.covered, l.waiting...), nil
	case l.covered == nil && !abandoned:
		l.covered, l.waiting = l.waiting, nil
	}
	for _, w := range l.covered {
		w.done <- err
	}
	l.covered, l.cancel = nil, nil
	l.running = len(l.waiting) > 0
	if !l.running {
		t.forget()
	}
	return l.running
}

// forget drops the keys that nobody waits for and whose interval is over, whenever their
// number has doubled.
func (t *Turns) forget() {
	if len(t.lines) < max(t.room, 1000) {
		return
	}
	now := t.Now()
	for k, l := range t.lines {
		if !l.running && now.Sub(l.last) > t.Interval {
			delete(t.lines, k)
		}
	}
	t.room = 2 * len(t.lines)
}
