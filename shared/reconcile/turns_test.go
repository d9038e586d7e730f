package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

func key(name string) neg.Key { return neg.Key{Cluster: "c1", Namespace: "shop", Service: name} }

func newTurns() *Turns {
	return &Turns{Interval: time.Second, Budget: 500 * time.Second, After: time.After, Now: time.Now}
}

// do has k looked at by a look that finds nothing worth telling.
func do(turns *Turns, ctx context.Context, k neg.Key, d Delivery, look func(context.Context, Turn) error) error {
	return turns.Do(ctx, k, d, func(ctx context.Context, turn Turn) (Result, error) { return Result{}, look(ctx, turn) })
}

// A looker counts looks; each begins at once and takes a while.
type looker struct {
	takes time.Duration
	looks atomic.Int32
}

func (l *looker) look(ctx context.Context, turn Turn) error {
	l.looks.Add(1)
	turn.Began()
	select {
	case <-time.After(l.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestThousandAtOnce: deliveries that come before a look began are covered by it; those of
// the time it runs, by one more.
func TestThousandAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, l := newTurns(), &looker{takes: 300 * time.Millisecond}
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if err := do(turns, t.Context(), key("web"), Delivery{}, l.look); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := l.looks.Load(); n > 2 {
			t.Errorf("%d looks, want at most 2", n)
		}
	})
}

// TestThousandInTenSeconds: a look a second, and the first Burst at once.
func TestThousandInTenSeconds(t *testing.T) {
	for _, burst := range []int{1, 2} {
		t.Run(fmt.Sprint("burst ", burst), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { thousandInTenSeconds(t, burst) }) })
	}
}

func thousandInTenSeconds(t *testing.T, burst int) {
	turns, l := newTurns(), &looker{takes: 50 * time.Millisecond}
	turns.Burst = burst
	var all sync.WaitGroup
	var slowest atomic.Int64
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		all.Go(func() {
			came := time.Now()
			if err := do(turns, t.Context(), key("web"), Delivery{}, l.look); err != nil {
				t.Error(err)
			}
			for took := int64(time.Since(came)); ; {
				if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
					return
				}
			}
		})
	}
	all.Wait()
	if n := l.looks.Load(); n < 10 || n > 12 {
		t.Errorf("%d looks, want 10 to 12", n)
	}
	if most := time.Duration(slowest.Load()); most > 1100*time.Millisecond {
		t.Errorf("a delivery was answered after %v", most)
	}
}

// TestBurst: two changes of a quiet key are looked at without a pause; a third waits, and
// a key that rests for the intervals gets its burst back.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, l, started := newTurns(), &looker{}, time.Now()
		turns.Burst = 2
		var at []time.Duration
		for _, pause := range []time.Duration{0, 0, 0, 2 * time.Second, 0, 0} {
			time.Sleep(pause)
			if err := do(turns, t.Context(), key("web"), Delivery{}, l.look); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(started))
		}
		want := []time.Duration{0, 0, time.Second, 3 * time.Second, 3 * time.Second, 4 * time.Second}
		if !slices.Equal(want, at) {
			t.Errorf("looks at %v, want %v", at, want)
		}
	})
}

// TestStormDelaysNoOther: a key whose looks are slow, with deliveries that never end,
// costs another key no time at all.
func TestStormDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, slow, quick := newTurns(), &looker{takes: 20 * time.Second}, &looker{}
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() { _ = do(turns, t.Context(), key("storm"), Delivery{}, slow.look) })
		}
		synctest.Wait()
		for i := range 20 {
			came := time.Now()
			if err := do(turns, t.Context(), key(fmt.Sprint("calm-", i)), Delivery{}, quick.look); err != nil || time.Since(came) != 0 {
				t.Errorf("another key was answered after %v: %v", time.Since(came), err)
			}
		}
		all.Wait()
	})
}

// TestAfterBegan: a delivery that comes after the first read of a running look is not
// answered by it, and does not look beside it.
func TestAfterBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var looks atomic.Int32
		end := make(chan struct{})
		look := func(_ context.Context, turn Turn) error {
			n := looks.Add(1)
			turn.Began()
			<-end
			return fmt.Errorf("look %d", n)
		}
		var all sync.WaitGroup
		for _, want := range []string{"look 1", "look 2"} {
			all.Go(func() {
				if err := do(turns, t.Context(), key("web"), Delivery{}, look); err == nil || err.Error() != want {
					t.Errorf("answered by %v, want %s", err, want)
				}
			})
			synctest.Wait()
		}
		if n := looks.Load(); n != 1 {
			t.Errorf("%d looks of one key at once", n)
		}
		close(end)
		all.Wait()
	})
}

// TestDeparture: a look is cancelled when the last of those who wait for it has gone, and
// not before; whoever came first.
func TestDeparture(t *testing.T) {
	for name, c := range map[string]struct {
		leave     []int // in this order; 0 came first
		cancelled bool
	}{
		"all, the first first":  {[]int{0, 1, 2}, true},
		"all, the first last":   {[]int{2, 1, 0}, true},
		"the first alone":       {[]int{0}, false},
		"the first and another": {[]int{0, 2}, false},
		"the others":            {[]int{1, 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns()
				var cancelled bool
				end := make(chan struct{})
				var cancels []context.CancelFunc
				var all sync.WaitGroup
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					cancels = append(cancels, cancel)
					all.Go(func() {
						_ = do(turns, ctx, key("web"), Delivery{}, func(ctx context.Context, _ Turn) error {
							select {
							case <-ctx.Done():
								cancelled = true
							case <-end:
							}
							return ctx.Err()
						})
					})
					synctest.Wait()
				}
				for _, i := range c.leave {
					cancels[i]()
					synctest.Wait()
				}
				close(end)
				all.Wait()
				if cancelled != c.cancelled {
					t.Errorf("cancelled: %v, want %v", cancelled, c.cancelled)
				}
				for _, cancel := range cancels {
					cancel()
				}
			})
		})
	}
}

// TestLateComer: one who comes to a look that all have left gets a look of its own, not
// their cancellation.
func TestLateComer(t *testing.T) {
	for _, began := range []bool{false, true} {
		t.Run(fmt.Sprint("began ", began), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns()
				var looks atomic.Int32
				cleared := make(chan struct{})
				look := func(ctx context.Context, turn Turn) error {
					looks.Add(1)
					if began {
						turn.Began()
					}
					<-cleared // a call that does not end at once
					return ctx.Err()
				}
				left, leave := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() { _ = do(turns, left, key("web"), Delivery{}, look) })
				synctest.Wait()
				leave()
				synctest.Wait()
				all.Go(func() {
					if err := do(turns, t.Context(), key("web"), Delivery{}, look); err != nil {
						t.Errorf("answered with %v", err)
					}
				})
				synctest.Wait()
				close(cleared)
				all.Wait()
				if n := looks.Load(); n != 2 {
					t.Errorf("%d looks, want 2", n)
				}
			})
		})
	}
}

// TestSuperseded: a look that gives way to a newer one is answered, for all who waited for
// it, by the newer one.
func TestSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var looks atomic.Int32
		look := func(_ context.Context, turn Turn) error {
			n := looks.Add(1)
			turn.Began()
			if n == 1 {
				<-turn.Newer
				return fmt.Errorf("waiting out a grace: %w", ErrSuperseded)
			}
			return nil
		}
		var all sync.WaitGroup
		for range 3 { // the others come while it waits
			all.Go(func() {
				if err := do(turns, t.Context(), key("web"), Delivery{}, look); err != nil {
					t.Errorf("answered with %v", err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks, want 2", n)
		}
	})
}

// TestChain: a look goes by the freshest news it covers.
func TestChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		if err := do(turns, t.Context(), key("web"), Delivery{}, (&looker{}).look); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		got := -1
		for _, chain := range []int{3, 1, 2} { // all before the interval is over
			all.Go(func() {
				_ = do(turns, t.Context(), key("web"), Delivery{Chain: chain}, func(_ context.Context, turn Turn) error {
					got = turn.Chain
					return nil
				})
			})
			synctest.Wait()
		}
		all.Wait()
		if got != 1 {
			t.Errorf("chain %d, want 1", got)
		}
	})
}

// TestBudget: a look that does not end is cancelled, and its deliveries come back.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, l := newTurns(), &looker{takes: time.Hour}
		came := time.Now()
		err := do(turns, t.Context(), key("web"), Delivery{}, l.look)
		if neg.OutcomeOf(err) != neg.Again || time.Since(came) != turns.Budget {
			t.Errorf("%v after %v", err, time.Since(came))
		}
	})
}

// TestPanic: a look that panics wedges nothing: those who wait for it are answered, their
// messages come back, and the next delivery gets a look.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var all sync.WaitGroup
		release := make(chan struct{})
		for range 2 {
			all.Go(func() {
				err := do(turns, t.Context(), key("web"), Delivery{}, func(context.Context, Turn) error { <-release; panic("a bug") })
				if neg.OutcomeOf(err) != neg.Again || !strings.Contains(err.Error(), "a bug") {
					t.Errorf("answered with %v", err)
				}
			})
			synctest.Wait()
		}
		close(release)
		all.Wait()
		if err := do(turns, t.Context(), key("web"), Delivery{}, (&looker{}).look); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

// TestRereads: the last read of a run covers news of the cluster that came in meanwhile; a
// delivery about the cloud gets a look of its own.
func TestRereads(t *testing.T) {
	for name, c := range map[string]struct {
		later Delivery
		looks int32
	}{
		"about the cluster": {Delivery{}, 1},
		"about the cloud":   {Delivery{Cloud: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns := newTurns()
				var looks atomic.Int32
				reread := make(chan struct{})
				look := func(_ context.Context, turn Turn) error {
					looks.Add(1)
					turn.Began()
					<-reread
					turn.Rereads()
					return nil
				}
				var all sync.WaitGroup
				for _, d := range []Delivery{{}, c.later} {
					all.Go(func() {
						if err := do(turns, t.Context(), key("web"), d, look); err != nil {
							t.Error(err)
						}
					})
					synctest.Wait()
				}
				close(reread)
				all.Wait()
				if n := looks.Load(); n != c.looks {
					t.Errorf("%d looks, want %d", n, c.looks)
				}
			})
		})
	}
}

// TestUnsettled: a delivery that precedes what it is about waits for later looks, each a
// wait after the last; news of the key ends a wait; another delivery does not wait with it;
// and one that nobody ever settles is answered all the same.
func TestUnsettled(t *testing.T) {
	for name, c := range map[string]struct {
		written  time.Duration   // when there is something to find
		news     []time.Duration // when the key is reported again
		answered time.Duration
		looks    []time.Duration
	}{
		"there already":           {0, nil, 0, []time.Duration{0}},
		"after a moment":          {500 * time.Millisecond, nil, time.Second, []time.Duration{0, time.Second}},
		"late":                    {3 * time.Second, nil, 4 * time.Second, []time.Duration{0, time.Second, 4 * time.Second}},
		"never":                   {time.Hour, nil, 4 * time.Second, []time.Duration{0, time.Second, 4 * time.Second}},
		"late, and reported":      {2 * time.Second, []time.Duration{2 * time.Second}, 2 * time.Second, []time.Duration{0, time.Second, 2 * time.Second}},
		"reported before written": {2 * time.Second, []time.Duration{500 * time.Millisecond}, 3500 * time.Millisecond, []time.Duration{0, 500 * time.Millisecond, 3500 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns, started := NewTurns(time.Second, time.Hour), time.Now()
				var looks []time.Duration
				look := func(_ context.Context, turn Turn) (r Result, err error) {
					turn.Began()
					looks = append(looks, time.Since(started))
					if time.Since(started) >= c.written {
						r.Planned = make([]plan.Step, 1)
					}
					return r, nil
				}
				var all sync.WaitGroup
				for _, at := range c.news {
					all.Go(func() {
						time.Sleep(at)
						if err := turns.Do(t.Context(), key("web"), Delivery{}, look); err != nil || time.Since(started) != at {
							t.Errorf("the news of %v were answered after %v: %v", at, time.Since(started), err)
						}
					})
				}
				if err := turns.Do(t.Context(), key("web"), Delivery{Early: true}, look); err != nil || time.Since(started) != c.answered {
					t.Errorf("answered after %v, want %v: %v", time.Since(started), c.answered, err)
				}
				all.Wait()
				if !slices.Equal(c.looks, looks) {
					t.Errorf("looks at %v, want %v", looks, c.looks)
				}
			})
		})
	}
}

// TestStandsFor: those that wait for a look stand for later deliveries that ask for no more
// than they do; so a storm on one key holds few handlers. Who asks for more waits as well.
func TestStandsFor(t *testing.T) {
	for name, c := range map[string]struct {
		first, later Delivery
		held         int // of 100 later ones
	}{
		"the same":             {Delivery{}, Delivery{}, 0},
		"hints":                {Delivery{Early: true}, Delivery{Early: true}, 0},
		"less thorough":        {Delivery{Thorough: true, Cloud: true}, Delivery{}, 0},
		"thorough":             {Delivery{}, Delivery{Thorough: true}, 8},
		"about the cloud":      {Delivery{}, Delivery{Cloud: true}, 8},
		"early":                {Delivery{}, Delivery{Early: true}, 8},
		"a chain starts anew":  {Delivery{Chain: 2}, Delivery{}, 8},
		"with Pods, each held": {Delivery{}, Delivery{Deleted: []string{"web-1"}}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				turns, end := NewTurns(time.Second, time.Hour), make(chan struct{})
				look := func(_ context.Context, turn Turn) (Result, error) {
					<-end
					turn.Began()
					return Result{Planned: make([]plan.Step, 1)}, nil
				}
				var all sync.WaitGroup
				var answered atomic.Int32
				deliver := func(n int, d Delivery) {
					for range n {
						all.Go(func() {
							if err := turns.Do(t.Context(), key("web"), d, look); err != nil {
								t.Error(err)
							}
							answered.Add(1)
						})
						synctest.Wait()
					}
				}
				deliver(8, c.first)
				deliver(100, c.later)
				if held := 108 - int(answered.Load()) - 8; held != c.held {
					t.Errorf("%d of 100 are held, want %d", held, c.held)
				}
				close(end)
				all.Wait()
			})
		})
	}
}

// TestUnsettledFailure: a look that fails answers who waits; the message comes back.
func TestUnsettledFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, started := NewTurns(time.Second, time.Hour), time.Now()
		err := do(turns, t.Context(), key("web"), Delivery{Early: true}, func(_ context.Context, turn Turn) error {
			turn.Began()
			return errors.New("unavailable")
		})
		if err == nil || time.Since(started) != 0 {
			t.Errorf("answered with %v after %v", err, time.Since(started))
		}
	})
}

// TestUnsettledLeaves: who gives up waiting leaves nothing behind.
func TestUnsettledLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, l := NewTurns(time.Second, time.Hour), &looker{}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := do(turns, ctx, key("web"), Delivery{Early: true}, l.look); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("answered with %v", err)
		}
		synctest.Wait()
		if err := do(turns, t.Context(), key("web"), Delivery{}, l.look); err != nil || l.looks.Load() != 2 {
			t.Errorf("the next: %v; %d looks, want 2", err, l.looks.Load())
		}
	})
}

// TestThorough: a look is as thorough as any delivery that it covers asks for.
func TestThorough(t *testing.T) {
	for _, thorough := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			turns := newTurns()
			if err := do(turns, t.Context(), key("web"), Delivery{}, (&looker{}).look); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for _, d := range []Delivery{{}, {Thorough: thorough}} { // both before the interval is over
				all.Go(func() {
					_ = do(turns, t.Context(), key("web"), d, func(_ context.Context, turn Turn) error {
						turn.Began()
						if got := turn.Thorough(); got != thorough {
							t.Errorf("thorough: %v, want %v", got, thorough)
						}
						return nil
					})
				})
				synctest.Wait()
			}
			all.Wait()
		})
	}
}

// TestForgets: what is kept of keys is bounded by those of the last interval, not by all
// there ever were; and a key's interval is not forgotten before it is over.
func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, l := newTurns(), &looker{}
		most := 0
		for i := range 20_000 {
			time.Sleep(time.Millisecond) // a thousand keys in each interval
			if err := do(turns, t.Context(), key(fmt.Sprint("web-", i)), Delivery{}, l.look); err != nil {
				t.Fatal(err)
			}
			turns.mu.Lock()
			most = max(most, len(turns.lines))
			turns.mu.Unlock()
		}
		if most > 3000 {
			t.Errorf("%d keys were kept of a thousand an interval", most)
		}
		came := time.Now()
		if err := do(turns, t.Context(), key("web-19999"), Delivery{}, l.look); err != nil || time.Since(came) < 900*time.Millisecond {
			t.Errorf("the newest key's next look came after %v, %v", time.Since(came), err)
		}
	})
}

// TestRandomSchedules: whatever comes when, whoever leaves, whatever fails: every delivery
// that stays is answered by a look whose first read began after it came, and
// one look of a key reads at a time.
func TestRandomSchedules(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomSchedule(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

// A history is what happened to one key, in the order of a counter.
type history struct {
	mu      sync.Mutex
	random  *rand.Rand
	order   int
	running int
}

// answer carries when the look began whose result it is; it is an error so that Do hands
// it to all who wait.
type answer struct{ began int }

func (answer) Error() string { return "answer" }

func (h *history) next() int {
	h.order++
	return h.order
}

func (h *history) draw(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.random.IntN(n)
}

func (h *history) look(t *testing.T) func(context.Context, Turn) error {
	return func(ctx context.Context, turn Turn) error {
		time.Sleep(time.Duration(h.draw(100)) * time.Millisecond) // opening the cluster
		h.mu.Lock()
		if h.running++; h.running > 1 {
			t.Error("two looks of one key read at once")
		}
		began := h.next()
		turn.Began()
		h.mu.Unlock()
		defer func() {
			h.mu.Lock()
			h.running--
			h.mu.Unlock()
		}()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turn.Newer:
			if h.draw(3) == 0 {
				return ErrSuperseded
			}
		case <-time.After(time.Duration(h.draw(1500)) * time.Millisecond):
		}
		return answer{began}
	}
}

func randomSchedule(t *testing.T, random *rand.Rand) {
	turns := newTurns()
	turns.Burst = 1 + random.IntN(2)
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		h := &history{random: rand.New(rand.NewPCG(random.Uint64(), 1))}
		for range 60 {
			comes := time.Duration(random.IntN(8000)) * time.Millisecond
			patience := time.Hour
			if random.IntN(4) == 0 {
				patience = time.Duration(random.IntN(2000)) * time.Millisecond
			}
			all.Go(func() {
				time.Sleep(comes)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				h.mu.Lock()
				came := h.next()
				h.mu.Unlock()
				err := do(turns, ctx, key(name), Delivery{}, h.look(t))
				var a answer
				switch {
				case errors.As(err, &a) && a.began < came:
					t.Errorf("delivery %d was answered by a look that began at %d", came, a.began)
				case !errors.As(err, &a) && ctx.Err() == nil:
					t.Errorf("delivery %d stayed and was answered with %v", came, err)
				}
			})
		}
	}
	all.Wait()
}

// TestHeld: one delivery is held for a look that is due, the others are answered; news of the
// key is looked at as ever, and an earlier look does instead of the one that is due.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, started := newTurns(), time.Now()
		turns.Hold = time.Minute
		var due, looks atomic.Int64 // how long after the start; the last look
		due.Store(int64(30 * time.Second))
		look := func(_ context.Context, turn Turn) (found Result, err error) {
			turn.Began()
			looks.Store(int64(time.Since(started)))
			if at := started.Add(time.Duration(due.Load())); time.Now().Before(at) {
				found.Due = at
			}
			return found, nil
		}
		var answered atomic.Int64
		ask := func() {
			if err := turns.Do(t.Context(), key("web"), Delivery{}, look); err != nil {
				t.Error(err)
			}
			answered.Add(1)
		}
		expect := func(lastLook time.Duration, n int64) {
			t.Helper()
			synctest.Wait()
			if last := time.Duration(looks.Load()); last != lastLook || answered.Load() != n {
				t.Errorf("the last look was at %v and %d deliveries are answered, want %v and %d", last, answered.Load(), lastLook, n)
			}
		}
		go ask()
		expect(0, 0)
		time.Sleep(5 * time.Second)
		go ask()
		go ask()
		time.Sleep(5 * time.Second)
		if n := answered.Load(); n != 2 {
			t.Errorf("%d of 3 are answered, want all but one", n)
		}
		due.Store(int64(20 * time.Second))
		go ask()
		expect(10*time.Second, 3)
		time.Sleep(10 * time.Second)
		expect(20*time.Second, 4)
	})
}
