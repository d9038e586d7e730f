package events

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Reasons why a message was acknowledged without work, beside BadMessage.
const (
	dropForeign = "ForeignCluster"
	dropKind    = "UnknownKind"
)

// drop counts a message that is nothing to work on, in the field dropped. A sink that sees
// many more clusters than the fleet has must not fill the log with that.
func (h *handler) drop(ctx context.Context, reason, text, subject string) {
	n, due := h.drops.add(reason + " " + subject)
	if !due {
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, text, slog.Int("dropped", n), slog.String("reason", reason), slog.String("subject", subject), h.trace(ctx))
}

const (
	tallyPause = time.Minute // between two lines about one thing
	tallyMax   = 1000        // things; senders choose their names
)

// A tally counts by name what happens again and again, and says when to report it: the
// first time, and then as a sum once in a while.
type tally struct {
	now func() time.Time

	mu    sync.Mutex
	names map[string]tallied
}

type tallied struct {
	open int // since the last report
	told time.Time
}

// add returns how many there were since the last report, and whether this is the next one.
func (t *tally) add(name string) (n int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil || len(t.names) >= tallyMax {
		t.names = map[string]tallied{}
	}
	c, seen := t.names[name]
	c.open++
	n, now := c.open, t.now()
	if due = !seen || now.Sub(c.told) >= tallyPause; due {
		c = tallied{told: now}
	}
	t.names[name] = c
	return n, due
}
