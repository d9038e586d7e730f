package sweep

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// cluster works off a delivery that names one cluster.
func (f *Function) cluster(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	started := f.Now()
	delivery, err := event.Decode(r)
	var message event.ClusterMessage
	if err == nil {
		ctx = delivery.Context(ctx)
		message, err = event.DecodeClusterMessage(delivery.Data)
	}
	switch {
	case err != nil:
		f.Log.LogAttrs(ctx, slog.LevelError, err.Error(), slog.String("reason", reason(err, event.ReasonBadMessage)), telemetry.Trace(ctx, f.Project))
	case message.Reason == event.ClusterDeleting || message.Reason == event.ClusterDeleted:
		// What it says is proved or not: a cluster that is still there, or of which nobody
		// knows, keeps what it has, and the next runs see what became of it.
		report, failed := f.sweep(ctx, message.Cluster)
		f.summary(ctx, message.Cluster, report, failed, started)
		err = failed
	default:
		err = f.resync(ctx, message.Cluster)
	}
	event.Respond(w, err)
}

// resync publishes every key of a cluster.
func (f *Function) resync(ctx context.Context, cluster string) error {
	trace := telemetry.Trace(ctx, f.Project)
	target, skip, err := f.Scopes.Target(ctx, cluster)
	if err == nil && skip != "" {
		f.Log.LogAttrs(ctx, slog.LevelInfo, "not resynced: "+skip, slog.String("cluster", cluster), trace)
		return nil
	}
	var count resync.Count
	if err == nil {
		count, err = target.Find(ctx, func(found []resync.Find) error {
			var messages []event.Message
			for _, x := range found {
				messages = append(messages, event.ResyncMessage(x.Key, x.Thorough, x.Why, f.Now()))
			}
			return f.Publish(ctx, event.TopicKeys, messages...)
		})
	}
	if err != nil {
		f.Log.LogAttrs(ctx, slog.LevelWarn, err.Error(), slog.String("reason", reason(err, "ResyncFailed")), slog.String("cluster", cluster), trace)
		return err
	}
	f.Log.LogAttrs(ctx, slog.LevelInfo, "resynced", slog.String("cluster", cluster), slog.Int("services", count.Services), slog.Int("groups", count.Groups), slog.Int("keys", count.Keys), trace)
	return nil
}
