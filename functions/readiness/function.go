// Package readiness is the entry of the readiness function: a Pub/Sub push of one Key in,
// its Pods followed until their gates are open or the delivery's budget is used up, an
// answer that says what becomes of the message. It decodes, calls and answers; everything
// else is in shared/readiness.
package readiness

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/lazy"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// budget bounds the following of a key, well under the 600 s ack deadline of the
// subscription.
const budget = 500 * time.Second

// Plain HTTP, as in functions/reconcile.
func init() { functions.HTTP("Readiness", lazy.Of(FromEnv).ServeHTTP) }

// A Function answers deliveries.
type Function struct {
	Follow  func(context.Context, neg.Key) error
	Log     *slog.Logger
	Project string // of the logs
}

// FromEnv makes the function that the environment describes. It calls nobody.
func FromEnv(getenv func(string) string, log *slog.Logger) (*Function, error) {
	env, err := config.ReadEnv(getenv)
	if err := errors.Join(err, env.Function()); err != nil {
		return nil, err
	}
	scopes, err := scope.New(env, log, time.Now)
	if err != nil {
		return nil, err
	}
	publisher := event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys})
	publish := func(topic, why string) func(context.Context, neg.Key) error {
		return func(ctx context.Context, k neg.Key) error {
			return publisher.Publish(ctx, topic, event.Message{Key: k, Reason: why, Source: "readiness", Observed: time.Now()})
		}
	}
	f := readiness.New(budget, log)
	f.Open = scopes.Gates
	f.Reconcile = publish(event.TopicKeys, "a live endpoint is in no group")
	f.Again = publish(event.TopicGates, "Pods still wait")
	return &Function{Follow: f.Follow, Log: log, Project: env.PubSubProject}, nil
}

// ServeHTTP works one delivery off and answers it.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	delivery, err := event.Decode(r)
	var message event.Message
	if err == nil {
		ctx = delivery.Context(ctx)
		message, err = delivery.Message()
	}
	if err == nil {
		err = f.Follow(ctx, message.Key)
	}
	outcome := event.Respond(w, err)
	f.report(ctx, delivery, message, outcome, err, started)
}

// report is the one line that a delivery leaves, beside one for each gate that it opened.
func (f *Function) report(ctx context.Context, d event.Delivery, m event.Message, outcome neg.Outcome, err error, started time.Time) {
	level, text := slog.LevelInfo, "followed"
	attrs := []slog.Attr{
		slog.String("key", m.Key.String()), slog.String("outcome", outcome.String()), slog.String("source", m.Source),
		slog.String("messageId", d.ID), slog.Int("attempt", d.Attempt), slog.Int64("took_ms", time.Since(started).Milliseconds()), telemetry.Trace(ctx, f.Project),
	}
	if err != nil {
		level, text = slog.LevelWarn, err.Error()
		if blocked := neg.BlockedReasons(err); len(blocked) > 0 {
			attrs = append(attrs, slog.String("reason", blocked[0].Reason))
			if blocked[0].Reason == event.ReasonBadMessage {
				level = slog.LevelError
			}
		}
	}
	f.Log.LogAttrs(ctx, level, text, attrs...)
}
