package sweep

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// cluster works off a delivery that names one cluster.
func (f *Function) cluster(ctx context.Context, w http.ResponseWriter, r *http.Request) {
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
		_, err = f.sweep(ctx, message.Cluster, f.Budget)
	case message.Reason == event.ClusterSweep && f.Now().Sub(message.Observed) >= sweep.Every:
		f.Log.LogAttrs(ctx, slog.LevelInfo, "not swept: there has been another run since", slog.String("cluster", message.Cluster), telemetry.Trace(ctx, f.Project))
	case message.Reason == event.ClusterSweep:
		_, err = f.sweep(ctx, message.Cluster, f.share())
	default:
		err = f.resync(ctx, message.Cluster)
	}
	event.Respond(w, err)
}

// share is what a run about a cluster that the run over the fleet left may publish of the
// budget: together they publish no more than one run, or one key each.
func (f *Function) share() int {
	file, err := f.Scopes.Fleet.File()
	if err != nil || f.Budget <= 0 {
		return 0
	}
	return max(1, f.Budget/len(file.Clusters))
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
