package fresh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// source is what is read: a number that the test sets, behind gates that it opens.
type source struct {
	mu    sync.Mutex
	value int
	reads int
	err   error
	took  time.Duration
	hang  int // so many reads never end by themselves
}

func (s *source) read(ctx context.Context, _ string) (int, error) {
	s.mu.Lock()
	s.reads++
	value, err, took, hang := s.value, s.err, s.took, s.hang > 0
	if hang {
		s.hang--
	}
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	time.Sleep(took) // of the bubble's own clock
	return value, err
}

func (s *source) set(value int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func newCache(s *source) *Cache[string, int] {
	return &Cache[string, int]{Read: s.read, MaxAge: 5 * time.Second, Timeout: time.Second, Now: time.Now}
}

func is(n int) func(int) bool { return func(v int) bool { return v == n } }

// get asks now.
func get(t *testing.T, c *Cache[string, int], want int) int {
	t.Helper()
	v, err := c.Get(t.Context(), "k", time.Now(), is(want))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAMatchMayBeOldANonMatchMayNot is the rule that the package exists for.
func TestAMatchMayBeOldANonMatchMayNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: 1}
		c := newCache(s)
		get(t, c, 1)
		time.Sleep(4 * time.Second)
		s.set(2)
		if v := get(t, c, 1); v != 1 || s.count() != 1 {
			t.Errorf("a match of 4 s ago: got %d after %d reads, want 1 after 1", v, s.count())
		}
		if v := get(t, c, 2); v != 2 || s.count() != 2 {
			t.Errorf("what is there now: got %d after %d reads, want 2 after 2", v, s.count())
		}
		time.Sleep(time.Nanosecond)
		if v := get(t, c, 3); v != 2 || s.count() != 3 {
			t.Errorf("what is not there: got %d after %d reads, want 2 after 3", v, s.count())
		}
		time.Sleep(6 * time.Second)
		if get(t, c, 2); s.count() != 4 {
			t.Errorf("a match of 6 s ago: %d reads, want 4", s.count())
		}
	})
}

// TestAReadUnderWayIsTooOld: what began before the question does not answer it with no.
func TestAReadUnderWayIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: 1, took: 100 * time.Millisecond}
		c := newCache(s)
		var early, late int
		var wg sync.WaitGroup
		wg.Go(func() { early = get(t, c, 2) })
		time.Sleep(10 * time.Millisecond)
		s.set(2) // the first read has passed by it
		wg.Go(func() { late = get(t, c, 2) })
		wg.Wait()
		if early != 1 || late != 2 || s.count() != 2 {
			t.Errorf("got %d and %d by %d reads, want 1 and 2 by 2", early, late, s.count())
		}
	})
}

// TestReadsAreShared: a thousand questions during one read take two more, not a thousand.
func TestReadsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: 1, took: 100 * time.Millisecond}
		c := newCache(s)
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Microsecond) // over 50 ms
				get(t, c, 2)
			})
		}
		wg.Wait()
		if n := s.count(); n != 3 {
			t.Errorf("%d reads, want 3: two at once, and one for all who came later", n)
		}
	})
}

// TestReadsInARow: each read that starts where another ends has a context of its own, and not
// one in that of the other: in a storm they would grow without end.
func TestReadsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var contexts []string
		c := newCache(nil)
		c.Read = func(ctx context.Context, _ string) (int, error) {
			mu.Lock()
			contexts = append(contexts, fmt.Sprint(ctx))
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			return 1, nil
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				get(t, c, 2)
			})
		}
		wg.Wait()
		layers := func(i int) int { return strings.Count(contexts[i], ".With") }
		if last := len(contexts) - 1; last < 5 || layers(last) > layers(0) {
			t.Errorf("read %d has a context of %d layers, the first one %d", last, layers(last), layers(0))
		}
	})
}

// TestAReadThatHangsHoldsUpNobodyElse.
func TestAReadThatHangsHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: 1, hang: 1}
		c := newCache(s)
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := c.Get(ctx, "k", time.Now(), is(1)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the deadline", err)
			}
		})
		time.Sleep(time.Millisecond)
		if began := time.Now(); get(t, c, 1) != 1 || time.Since(began) > 0 {
			t.Errorf("the second question waited %s", time.Since(began))
		}
		wg.Wait()
		time.Sleep(2 * time.Second) // the hanging read ends
	})
}

func TestAnErrorIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{value: 1, err: errors.New("down")}
		c := newCache(s)
		if _, err := c.Get(t.Context(), "k", time.Now(), is(1)); err == nil {
			t.Error("no error")
		}
		s.err = nil
		if v := get(t, c, 1); v != 1 {
			t.Errorf("got %d", v)
		}
	})
}

func TestAPanicIsAnError(t *testing.T) {
	c := newCache(nil)
	c.Read = func(context.Context, string) (int, error) { panic("oops") }
	if _, err := c.Get(t.Context(), "k", time.Now(), is(1)); err == nil {
		t.Error("no error")
	}
}

// TestOldKeysAreDropped: what nobody asks about any more does not stay.
func TestOldKeysAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Cache[int, int]{Read: func(context.Context, int) (int, error) { return 1, nil }, MaxAge: 5 * time.Second, Timeout: time.Second, Now: time.Now}
		for i := range 3 * maxKeys {
			if _, err := c.Get(t.Context(), i, time.Now(), is(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(c.keys); n > maxKeys {
			t.Errorf("%d keys are kept, want at most %d", n, maxKeys)
		}
	})
}
