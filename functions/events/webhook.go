package events

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// serveAudit answers a kube-apiserver. It says 404 to everyone it does not know, so that
// a stranger learns nothing about clusters or keys.
func (h *handler) serveAudit(w http.ResponseWriter, r *http.Request) {
	cluster, err := h.Keys.VerifyRequest(r)
	if !h.Accept.Audit || err != nil {
		notFound(w)
		return
	}
	ctx := telemetry.WithTrace(r.Context(), r.Header)
	if !h.Fleet.Known(cluster) {
		h.drop(ctx, dropForeign, "audit batch of a cluster outside the fleet: add it, or stop its webhook", cluster)
		notFound(w)
		return
	}
	if r.Method != http.MethodPost {
		answer(w, http.StatusMethodNotAllowed)
		return
	}
	b := newBatch()
	rules := h.rules()
	err = audit.DecodeList(http.MaxBytesReader(w, r.Body, h.MaxBatch), func(e audit.Entry) {
		b.add(cluster, audit.Touches(e, rules))
		h.missed(ctx, cluster, e)
	})
	// What was read before the error counts: the batch may never come again.
	status := http.StatusOK
	if neg.OutcomeOf(h.publish(ctx, b)) == neg.Again {
		status = http.StatusServiceUnavailable // and the kube-apiserver sends it again
	}
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
