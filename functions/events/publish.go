package events

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

// publish sends the keys that the entries name, then those that only the cluster knows.
// Neither half waits for the other's success.
func (h *handler) publish(ctx context.Context, b *batch) error {
	named := b.messages()
	err := h.Publisher.Publish(ctx, event.TopicKeys, named...)
	questions := b.open()
	found, liveErr := h.ask(ctx, questions)
	rest := b.missing(found)
	err = errors.Join(err, liveErr, h.Publisher.Publish(ctx, event.TopicKeys, rest...))
	h.report(ctx, b, len(questions), len(named)+len(rest), err)
	return err
}

func (h *handler) report(ctx context.Context, b *batch, questions, keys int, err error) {
	if keys == 0 && err == nil {
		return
	}
	attrs := []slog.Attr{
		slog.Int("keys", keys), slog.Int("live_reads", questions),
		slog.Int64("lag_ms", time.Since(b.oldest).Milliseconds()),
		slog.String("outcome", neg.OutcomeOf(err).String()), h.trace(ctx),
	}
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, "publish keys: "+err.Error(), attrs...)
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, "published keys", attrs...)
}
