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
// needs no clock and no store. A quiet key's first Burst looks start at once, then one
// each Interval. Across instances nothing is skipped and nothing needs to be.
//
// A delivery may come before what it is about: one that a look leaves unsettled waits here
// for later looks. Waiting holds a handler and nothing else.
//
// A look may know that another is due though nothing will tell of it. Then one delivery is
// held for that, as long as Hold allows; of what is due later ErrDueLater tells.
//
// Handlers are few, so a storm on one key must not hold them all: where Most deliveries
// wait for the same look, they stand for any that come after them, which are answered at
// once. Should this instance end, those that waited come again.
//
// A look lives as long as a delivery that waits for it: nothing outlives the handlers.
type Turns struct {
	Interval time.Duration
	Burst    int // looks that a quiet key gets without an interval between them; 0: 1
	Most     int // deliveries of a key that wait for one look; 0: any number
	// Waits come one after each look that leaves a delivery unsettled, and then another
	// look. News of the key ends a wait. After the last it is answered all the same.
	Waits []time.Duration
	// Hold is how long after it came a delivery may be held for a look that is due later.
	Hold time.Duration
	// Budget bounds one look; it must end well before the delivery's ack deadline.
	Budget time.Duration
	// After is time.After, but for tests.
	After func(time.Duration) <-chan time.Time
	Now   func() time.Time

	mu    sync.Mutex
	lines map[neg.Key]*line
	room  int // how many keys lines holds before it is cleaned
}

// NewTurns returns turns of a function that serves tens of deliveries at once.
func NewTurns(interval, budget time.Duration) *Turns {
	return &Turns{
		// A single change is often two events, and the second should not wait.
		Interval: interval, Burst: 2, Most: 8, Budget: budget, Hold: budget * 4 / 5,
		// A write passes more webhooks after ours, then controllers act on it.
		Waits: []time.Duration{time.Second, 3 * time.Second},
		After: time.After, Now: time.Now,
	}
}

// ErrDueLater answers a delivery that was held as long as it may be: its key is to be
// looked at once more, and asking for that is the caller's.
var ErrDueLater = errors.New("another look is due later")

// A Delivery is one request for a look.
type Delivery struct {
	// Chain is how many follow-up looks led to it.
	Chain int
	// Cloud: it is about the cloud, so only a look that reads the cloud after it will do.
	Cloud bool
	// Thorough: it may be about groups that the Service's status does not name.
	Thorough bool
	// Early: it may precede the write that it is about, so a look that finds nothing to do
	// does not settle it.
	Early bool
	// Created and Deleted are Pods whose EndpointSlices follow: a look that sees no endpoint
	// of the one, or a live one of the other, does not settle it.
	Created, Deleted []string
}

// settled tells whether a look found what d is about.
func (d Delivery) settled(r Result) bool {
	if d.Early && len(r.Planned) == 0 {
		return false
	}
	live := func(pod string) bool { return r.Pods[pod] == Live }
	missing := func(pod string) bool { return r.Pods[pod] == Absent }
	return r.Pods == nil || !slices.ContainsFunc(d.Deleted, live) && !slices.ContainsFunc(d.Created, missing)
}

// standsFor tells whether a look that settles d settles o as well, which came later.
func (d Delivery) standsFor(o Delivery) bool {
	return len(o.Created)+len(o.Deleted) == 0 && d.Chain <= o.Chain &&
		(d.Cloud || !o.Cloud) && (d.Thorough || !o.Thorough) && (d.Early || !o.Early)
}

// A Look makes one key right. It must call Turn.Began.
type Look func(context.Context, Turn) (Result, error)

// A line is the deliveries of one key and the look that serves them.
type line struct {
	waiting []*waiter // covered by no read yet
	covered []*waiter // by the look that runs
	running bool
	resting bool               // running, and waiting for its next look
	paced   time.Time          // when a look is due at a look each interval
	cancel  context.CancelFunc // of the look that runs
	newer   chan struct{}      // closed when a delivery comes in that the running look does not cover
	told    bool
}

type waiter struct {
	Delivery
	came time.Time
	due  time.Time // no look is needed for it before; zero: it is fresh
	seen int       // looks that left it unsettled
	done chan error
}

// Do has k looked at and returns how that ended. The look is cancelled when every delivery
// that it covers has gone away.
func (t *Turns) Do(ctx context.Context, k neg.Key, d Delivery, look Look) error {
	w := &waiter{Delivery: d, came: t.Now(), done: make(chan error, 1)}
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
	if t.stoodFor(l, w.Delivery) {
		w.done <- nil
		return
	}
	l.waiting = append(l.waiting, w)
	if (l.covered != nil || l.resting) && !l.told {
		l.told = true
		close(l.newer)
	}
	if !l.running {
		l.running = true
		go t.serve(context.WithoutCancel(ctx), k, l, look)
	}
}

// stoodFor tells whether enough that wait for the next look stand for d.
func (t *Turns) stoodFor(l *line, d Delivery) bool {
	n := 0
	for _, w := range l.waiting {
		if w.due.IsZero() && w.standsFor(d) {
			n++
		}
	}
	return t.Most > 0 && n >= t.Most
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
		var result Result
		err := t.rest(ctx, l, cancel)
		if err == nil {
			result, err = guarded(ctx, t.turn(l), look)
		}
		abandoned := ctx.Err() == context.Canceled
		cancel()
		if !t.answer(l, result, err, abandoned) {
			return
		}
	}
}

// guarded makes an error of a panic: one bad object must not take the instance and the
// looks at every other key with it.
func guarded(ctx context.Context, turn Turn, look Look) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return look(ctx, turn)
}

// rest waits until the line's next look is due. A delivery that comes meanwhile may make
// that sooner.
func (t *Turns) rest(ctx context.Context, l *line, cancel context.CancelFunc) error {
	for {
		pause, news := t.pause(l, cancel)
		if pause <= 0 {
			return ctx.Err()
		}
		select {
		case <-news:
		case <-t.After(pause):
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause is how long the line's next look must still wait, unless there is news.
func (t *Turns) pause(l *line, cancel context.CancelFunc) (pause time.Duration, news <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l.cancel, l.resting = cancel, true
	l.newer, l.told = make(chan struct{}), false
	if len(l.waiting) == 0 { // all have left
		return 0, l.newer
	}
	due := slices.MinFunc(l.waiting, func(a, b *waiter) int { return a.due.Compare(b.due) }).due
	if paced := l.paced.Add(-time.Duration(max(t.Burst, 1)-1) * t.Interval); due.Before(paced) {
		due = paced
	}
	return due.Sub(t.Now()), l.newer
}

// turn starts the next look.
func (t *Turns) turn(l *line) Turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.Now(); l.paced.Before(now) {
		l.paced = now
	}
	l.paced = l.paced.Add(t.Interval)
	l.resting, l.newer, l.told = false, make(chan struct{}), false
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
// was abandoned. One that left a delivery unsettled has it wait for another; one after which
// another is due has the newest delivery wait for that.
func (t *Turns) answer(l *line, result Result, err error, abandoned bool) (more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case errors.Is(err, ErrSuperseded):
		l.waiting, l.covered = append(l.covered, l.waiting...), nil
	case l.covered == nil && !abandoned:
		l.covered, l.waiting = l.waiting, nil
	}
	held := t.heldFor(l, result, err)
	for _, w := range l.covered {
		if err == nil && w.seen < len(t.Waits) && !w.settled(result) {
			w.due, w.seen = t.Now().Add(t.Waits[w.seen]), w.seen+1
			l.waiting = append(l.waiting, w)
			continue
		}
		if w == held {
			t.hold(l, w, result.Due)
			continue
		}
		w.done <- err
	}
	l.covered, l.cancel, l.resting = nil, nil, false
	l.running = len(l.waiting) > 0
	if !l.running {
		t.forget()
	}
	return l.running
}

// heldFor is the delivery that is held for a look that is due: the newest, since it may be
// held the longest. One that waits anyway will do.
func (t *Turns) heldFor(l *line, result Result, err error) *waiter {
	if err != nil || result.Due.IsZero() || len(l.covered) == 0 || len(l.waiting) > 0 {
		return nil
	}
	return slices.MaxFunc(l.covered, func(a, b *waiter) int { return a.came.Compare(b.came) })
}

// hold keeps a delivery, which needs no more than a plain look any more, or lets it go when
// its time is over.
func (t *Turns) hold(l *line, w *waiter, due time.Time) {
	until := w.came.Add(t.Hold)
	if !t.Now().Before(until) {
		w.done <- ErrDueLater
		return
	}
	if due.After(until) {
		due = until
	}
	w.Delivery, w.due, w.seen = Delivery{Chain: w.Chain}, due, len(t.Waits)
	l.waiting = append(l.waiting, w)
}

// forget drops the keys that nobody waits for and whose interval is over, whenever their
// number has doubled.
func (t *Turns) forget() {
	if len(t.lines) < max(t.room, 1000) {
		return
	}
	now := t.Now()
	for k, l := range t.lines {
		if !l.running && now.After(l.paced) {
			delete(t.lines, k)
		}
	}
	t.room = 2 * len(t.lines)
}
