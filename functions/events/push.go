package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// servePush answers Pub/Sub. What the topic is for is told by the message, not by the
// subscription's name, which deployments choose.
func (h *handler) servePush(w http.ResponseWriter, r *http.Request) {
	if !h.Accept.Push {
		notFound(w)
		return
	}
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	d, err := event.Decode(r)
	if err == nil {
		ctx = d.Context(ctx)
		err = h.message(ctx, d)
	}
	h.refused(ctx, d, err)
	event.Respond(w, err)
}

// refused logs what was no delivery or none of ours. What went wrong later has its line.
func (h *handler) refused(ctx context.Context, d event.Delivery, err error) {
	var request *event.RequestError
	blocked := neg.BlockedReasons(err)
	switch {
	case errors.As(err, &request):
		h.Log.LogAttrs(ctx, slog.LevelWarn, err.Error(), h.trace(ctx))
	case len(blocked) > 0 && blocked[0].Reason == event.ReasonBadMessage:
		h.Log.LogAttrs(ctx, slog.LevelWarn, err.Error(), slog.Int("dropped", 1), slog.String("reason", event.ReasonBadMessage),
			slog.String("messageId", d.ID), h.trace(ctx))
	}
}

func (h *handler) message(ctx context.Context, d event.Delivery) error {
	if d.Attributes["type_url"] != "" {
		return h.notification(ctx, d)
	}
	e, err := audit.DecodeLogEntry(d.Data)
	if err != nil {
		return neg.Block(event.ReasonBadMessage, "message %s: %w", d.ID, err)
	}
	if deletion, ok := audit.Deletes(e); ok {
		return h.deletion(ctx, deletion, e.At)
	}
	return h.logEntry(ctx, e)
}

// logEntry publishes what one entry of the log sink touched.
func (h *handler) logEntry(ctx context.Context, e audit.Entry) error {
	touched := audit.Touches(e, h.rules())
	_, missed := audit.MissedInjection(e)
	if len(touched) == 0 && !missed {
		return nil
	}
	cluster, known := h.clusterOf(ctx, e.Cluster)
	if !known {
		return nil
	}
	h.missed(ctx, cluster, e)
	b := newBatch()
	b.add(cluster, touched)
	return h.publish(ctx, b)
}

// clusterOf returns the fleet's name of a cluster. The sink may see more clusters than
// the fleet has.
func (h *handler) clusterOf(ctx context.Context, r audit.Resource) (string, bool) {
	cluster, known := h.Fleet.ClusterOf(r.Project, r.Location, r.Cluster)
	if !known {
		h.drop(ctx, dropForeign, "message of a cluster outside the fleet", r.Project+"/"+r.Location+"/"+r.Cluster)
	}
	return cluster, known
}

// deletion has the cluster looked at, twice: when its deletion begins and when it ends.
func (h *handler) deletion(ctx context.Context, d audit.Deletion, at time.Time) error {
	reason := event.ClusterDeleting
	if d.Ended {
		reason = event.ClusterDeleted
	}
	return h.publishCluster(ctx, d.Cluster, event.ClusterMessage{Reason: reason, Source: source, Observed: at})
}

// notification has a cluster resynced whose nodes are being replaced: so many Pods move at
// once that single entries may get lost.
func (h *handler) notification(ctx context.Context, d event.Delivery) error {
	n, err := audit.DecodeNotification(d.Attributes)
	if err != nil {
		return neg.Block(event.ReasonBadMessage, "message %s: %w", d.ID, err)
	}
	if !n.Known {
		h.drop(ctx, dropKind, "cluster notification of an unknown kind", n.Kind)
		return nil
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, "cluster notification", slog.String("type", n.Kind), slog.Bool("node_pool", n.NodePool),
		slog.String("state", n.State), slog.String("gke_cluster", n.Cluster.Cluster), slog.String("messageId", d.ID), h.trace(ctx))
	if !n.NodePool {
		return nil
	}
	return h.publishCluster(ctx, n.Cluster, event.ClusterMessage{Reason: event.ClusterResync, Source: "notification", Observed: n.At})
}

func (h *handler) publishCluster(ctx context.Context, r audit.Resource, m event.ClusterMessage) error {
	cluster, known := h.clusterOf(ctx, r)
	if !known {
		return nil
	}
	m.Cluster = cluster
	if m.Observed.IsZero() {
		m.Observed = time.Now()
	}
	err := h.Publisher.PublishClusters(ctx, m)
	attrs := []slog.Attr{
		slog.String("cluster", cluster), slog.String("reason", string(m.Reason)), slog.String("source", m.Source),
		slog.String("outcome", neg.OutcomeOf(err).String()), h.trace(ctx),
	}
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, "publish cluster: "+err.Error(), attrs...)
		return err
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, "published cluster", attrs...)
	return nil
}
