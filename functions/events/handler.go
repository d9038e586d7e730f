package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
)

type handler struct{ Options }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A path of this form is an audit webhook's whatever else may be accepted, and is
	// never looked at, or logged, as anything else.
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		h.serveAudit(w, r)
		return
	}
	h.servePush(w, r)
}

// serveAudit answers a kube-apiserver. It says 404 to everyone it does not know, so that
// a stranger learns nothing about clusters or keys.
func (h *handler) serveAudit(w http.ResponseWriter, r *http.Request) {
	cluster, err := h.Keys.Verify(r.URL.Path)
	if !h.Accept.Audit || err != nil || !h.Fleet.Known(cluster) {
		notFound(w)
		return
	}
	if r.Method != http.MethodPost {
		answer(w, http.StatusMethodNotAllowed)
		return
	}
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	b := newBatch()
	rules := h.rules()
	err = audit.DecodeList(http.MaxBytesReader(w, r.Body, h.MaxBatch), func(e audit.Entry) {
		b.add(cluster, audit.Touches(e, rules))
	})
	// What was read before the error counts: the batch may never come again.
	status := h.settle(ctx, b)
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, "read audit batch: "+err.Error(), slog.String("cluster", cluster), h.trace(ctx))
		status = max(status, unreadable(err))
	}
	answer(w, status)
}

func unreadable(err error) int {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// servePush answers Pub/Sub. What the topic is for is told by the message, not by the
// subscription's name, which deployments choose.
func (h *handler) servePush(w http.ResponseWriter, r *http.Request) {
	if !h.Accept.Push {
		notFound(w)
		return
	}
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	d, err := event.Decode(r)
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, err.Error(), h.trace(ctx))
		event.Respond(w, err)
		return
	}
	ctx = d.Context(ctx)
	if kind := d.Attributes["type_url"]; kind != "" {
		// Upgrades move Pods, and those moves are logged one by one; the notification
		// adds nothing that a look would need.
		h.Log.LogAttrs(ctx, slog.LevelInfo, "cluster notification", slog.String("type", kind),
			slog.String("gke_cluster", d.Attributes["cluster_name"]), slog.String("messageId", d.ID), h.trace(ctx))
		event.Respond(w, nil)
		return
	}
	event.Respond(w, h.logEntry(ctx, d))
}

// logEntry publishes what one entry of the log sink touched.
func (h *handler) logEntry(ctx context.Context, d event.Delivery) error {
	e, err := audit.DecodeLogEntry(d.Data)
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, err.Error(), slog.String("messageId", d.ID), h.trace(ctx))
		return neg.Block(event.ReasonBadMessage, "message %s: %w", d.ID, err)
	}
	touched := audit.Touches(e, h.rules())
	if len(touched) == 0 {
		return nil
	}
	cluster, known := h.Fleet.ClusterOf(e.Cluster.Project, e.Cluster.Location, e.Cluster.Cluster)
	if !known {
		// The sink may see more clusters than the fleet has.
		h.Log.LogAttrs(ctx, slog.LevelDebug, "entry of a cluster outside the fleet", slog.String("gke_cluster", e.Cluster.Cluster))
		return nil
	}
	b := newBatch()
	b.add(cluster, touched)
	return h.publish(ctx, b)
}

// settle publishes a batch of a kube-apiserver, which retries on any error.
func (h *handler) settle(ctx context.Context, b *batch) int {
	if neg.OutcomeOf(h.publish(ctx, b)) == neg.Again {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// publish sends the keys that the entries name, then those that only the cluster knows.
// Neither half waits for the other's success.
func (h *handler) publish(ctx context.Context, b *batch) error {
	named := b.messages()
	err := h.Publisher.Publish(ctx, event.TopicKeys, named...)
	found, liveErr := h.ask(ctx, b.open())
	rest := b.missing(found)
	err = errors.Join(err, liveErr, h.Publisher.Publish(ctx, event.TopicKeys, rest...))
	h.report(ctx, b, len(named)+len(rest), err)
	return err
}

func (h *handler) report(ctx context.Context, b *batch, keys int, err error) {
	if keys == 0 && err == nil {
		return
	}
	attrs := []slog.Attr{
		slog.Int("keys", keys), slog.Int("live_reads", len(b.questions)),
		slog.Int64("lag_ms", time.Since(b.oldest).Milliseconds()),
		slog.String("outcome", neg.OutcomeOf(err).String()), h.trace(ctx),
	}
	if err != nil {
		h.Log.LogAttrs(ctx, slog.LevelWarn, "publish keys: "+err.Error(), attrs...)
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelInfo, "published keys", attrs...)
}

func (h *handler) rules() audit.Rules {
	own := map[string]bool{}
	for _, identity := range h.Fleet.Identities() {
		own[identity] = true
	}
	return audit.Rules{Own: own}
}

func (h *handler) trace(ctx context.Context) slog.Attr { return telemetry.Trace(ctx, h.Project) }

func notFound(w http.ResponseWriter) { answer(w, http.StatusNotFound) }

func answer(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
