package reconcile

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// An aCluster answers after a while, or never.
type aCluster struct {
	Cluster
	takes     time.Duration
	hangs     bool
	now, most atomic.Int32
}

func (s *aCluster) UID(ctx context.Context) (string, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for old := s.most.Load(); n > old && !s.most.CompareAndSwap(old, n); old = s.most.Load() {
	}
	if s.hangs {
		<-ctx.Done()
		return "", ctx.Err()
	}
	time.Sleep(s.takes)
	return "uid", nil
}

// send makes n calls at once, each with a time-out of its own, and returns how long the
// slowest took that did not time out, and how many found no room or were blocked.
func send(t *testing.T, c Cluster, n int) (slowest time.Duration, noRoom, blocked int) {
	started := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	for range n {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			_, err := c.UID(ctx)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				return
			case neg.OutcomeOf(err) == neg.Blocked:
				blocked++
			case err != nil:
				noRoom++
			}
			slowest = max(slowest, time.Since(started))
		})
	}
	all.Wait()
	return slowest, noRoom, blocked
}

// TestInFlight: a cluster that answers serves many calls, some at a time, also after a
// quiet hour; what would wait for long comes back.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &aCluster{takes: 20 * time.Millisecond}
		f := bounded{s, newInFlight("c1")}
		for range 2 {
			if slowest, noRoom, blocked := send(t, f, 4*maxInFlight); noRoom+blocked != 0 || slowest != 80*time.Millisecond || s.most.Load() != maxInFlight {
				t.Errorf("%d found no room, %d blocked, the slowest answer after %v, %d at once", noRoom, blocked, slowest, s.most.Load())
			}
			time.Sleep(time.Hour)
		}
		s.takes = 600 * time.Millisecond
		if slowest, noRoom, blocked := send(t, f, 2*maxInFlight); noRoom != maxInFlight || blocked != 0 || slowest != s.takes {
			t.Errorf("of a slow one %d found no room, %d blocked, after %v", noRoom, blocked, slowest)
		}
	})
}

// TestInFlightSilent: of a cluster that hangs, what is over the bound comes back, and is
// blocked at once after maxSilence, however long it lasts; when it answers again and the
// silence is forgotten, all go through.
func TestInFlightSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const over = 100 - maxInFlight
		s := &aCluster{}
		f := bounded{s, newInFlight("c1")}
		send(t, f, 1)
		time.Sleep(time.Hour)
		s.hangs = true
		var hung sync.WaitGroup
		hung.Go(func() {
			if slowest, noRoom, blocked := send(t, f, 100); noRoom != over || blocked != 0 || slowest != maxQueueing {
				t.Errorf("at first %d found no room, %d blocked, after %v; want %d, 0, after %v", noRoom, blocked, slowest, over, maxQueueing)
			}
		})
		time.Sleep(maxSilence + time.Millisecond)
		if slowest, noRoom, blocked := send(t, f, 1000); noRoom != 0 || blocked != 1000 || slowest != 0 {
			t.Errorf("later %d found no room, %d of 1000 blocked, after %v", noRoom, blocked, slowest)
		}
		hung.Wait()
		if slowest, _, blocked := send(t, f, 100); blocked != over || slowest != 0 {
			t.Errorf("when the first have timed out: %d blocked after %v, want %d at once", blocked, slowest, over)
		}
		if n := s.now.Load(); n != 0 {
			t.Errorf("%d calls are under way after all were answered", n)
		}
		s.hangs = false
		time.Sleep(forgotten + time.Second)
		if _, noRoom, blocked := send(t, f, 2*maxInFlight); noRoom+blocked != 0 {
			t.Errorf("a cluster that answers again: %d found no room, %d blocked", noRoom, blocked)
		}
	})
}
