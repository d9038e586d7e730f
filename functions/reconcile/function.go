// Package reconcile is the entry of the reconcile function: a Pub/Sub push of one Key in,
// one look at it, an answer that says what becomes of the message. It decodes, calls and
// answers; everything else is in shared/reconcile.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/lazy"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// budget bounds a look, well under the 600 s ack deadline of the subscription.
const budget = 500 * time.Second

// The framework's CloudEvent registration can wedge an instance for good
// (https://github.com/cloudevents/sdk-go/issues/1224), so deliveries come in as plain HTTP.
func init() { functions.HTTP("Reconcile", lazy.Of(FromEnv).ServeHTTP) }

// A Function answers deliveries.
type Function struct {
	Look  func(context.Context, neg.Key, reconcile.Turn) (reconcile.Result, error)
	Turns *reconcile.Turns
	Gates func(context.Context, neg.Key) error // asks readiness to follow a key
	// Again asks for another delivery of a key that is to be looked at later than this one can
	// be held for.
	Again   func(ctx context.Context, k neg.Key, chain int) error
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
	again := func(why string) func(context.Context, neg.Key, int) error {
		return func(ctx context.Context, k neg.Key, chain int) error {
			return publisher.Publish(ctx, event.TopicKeys, event.Message{Key: k, Reason: why, Source: "reconcile", Observed: time.Now(), Chain: chain})
		}
	}
	r := &reconcile.Reconciler{Open: scopes.Open, Log: log, Now: time.Now, Grace: env.DeletionGrace, Publish: again("follow-up")}
	turns := reconcile.NewTurns(env.LookInterval, budget)
	gates := func(ctx context.Context, k neg.Key) error {
		return publisher.Publish(ctx, event.TopicGates, event.Message{Key: k, Reason: "looked", Source: "reconcile", Observed: time.Now()})
	}
	return &Function{Look: r.Look, Turns: turns, Gates: gates, Again: again("a look is due"), Log: log, Project: env.PubSubProject}, nil
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
	if err == nil && message.Key.Service == "" {
		err = neg.Block(event.ReasonBadMessage, "key %s names no Service; such keys go to %s", message.Key, event.TopicGates)
	}
	if err == nil {
		err = f.Turns.Do(ctx, message.Key, request(message), func(ctx context.Context, t reconcile.Turn) (reconcile.Result, error) {
			return f.look(ctx, message.Key, t)
		})
	}
	if errors.Is(err, reconcile.ErrDueLater) {
		err = f.Again(ctx, message.Key, message.Chain)
	}
	outcome := event.Respond(w, err)
	f.report(ctx, delivery, message, outcome, err, started)
}

// look looks, and wakes readiness where Pods may wait.
func (f *Function) look(ctx context.Context, k neg.Key, t reconcile.Turn) (reconcile.Result, error) {
	found, err := f.Look(ctx, k, t)
	gates, wake := gatesOf(k, found)
	if !wake {
		return found, err
	}
	if woken := f.Gates(ctx, gates); woken != nil {
		return found, errors.Join(err, woken)
	}
	return found, err
}

// gatesOf is the key that readiness should follow after a look, if any. It goes by what the
// look saw more than by what it did: one that was broken off and came again did nothing.
func gatesOf(k neg.Key, found reconcile.Result) (gates neg.Key, wake bool) {
	if found.Ended {
		return neg.Key{Cluster: k.Cluster, Namespace: k.Namespace}, true
	}
	attached := slices.ContainsFunc(found.Taken, func(s plan.Step) bool { return s.Op == plan.Attach })
	return k, found.Unready || found.Skipped || attached
}

// request is what a message asks for. Those who watch clusters report on clusters; an
// operator may have seen something in the cloud. A resync and a sweep have looked for groups
// that nothing in the cluster tells of, and say so by another source. What the
// webhook saw may not have happened yet, or never.
func request(m event.Message) reconcile.Delivery {
	cloud := m.Source != "audit" && m.Source != "admission"
	return reconcile.Delivery{
		Chain: m.Chain, Cloud: cloud, Thorough: cloud && m.Source != "reconcile" && m.Source != "readiness" && m.Source != event.SourceResync && m.Source != event.SourceSweep,
		Early: m.Source == "admission", Created: m.PodsCreated, Deleted: m.PodsDeleted,
	}
}

// report is the one line that a delivery leaves.
func (f *Function) report(ctx context.Context, d event.Delivery, m event.Message, outcome neg.Outcome, err error, started time.Time) {
	level, text := slog.LevelInfo, "looked"
	attrs := []slog.Attr{
		slog.String("key", m.Key.String()), slog.String("outcome", outcome.String()), slog.String("source", m.Source), slog.Int("chain", m.Chain),
		slog.String("messageId", d.ID), slog.Int("attempt", d.Attempt), slog.Int64("took_ms", time.Since(started).Milliseconds()), telemetry.Trace(ctx, f.Project),
	}
	if !m.Observed.IsZero() {
		attrs = append(attrs, slog.Time("observed", m.Observed), slog.Int64("age_ms", time.Since(m.Observed).Milliseconds()))
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
