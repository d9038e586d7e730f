package events

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/telemetry"
)

type handler struct {
	Options
	selectors *selectors
	drops     *tally
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A path of this form is an audit webhook's whatever else may be accepted, and is
	// never looked at, or logged, as anything else.
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		h.serveAudit(w, r)
		return
	}
	h.servePush(w, r)
}

func (h *handler) rules() audit.Rules {
	own := map[string]bool{}
	for _, identity := range h.Fleet.Identities() {
		own[identity] = true
	}
	return audit.Rules{Own: own}
}

func (h *handler) trace(ctx context.Context) slog.Attr { return telemetry.Trace(ctx, h.Project) }

// missed reports a Pod that slipped past injection; the field missed_injection is counted.
func (h *handler) missed(ctx context.Context, cluster string, e audit.Entry) {
	m, ok := audit.MissedInjection(e)
	if !ok {
		return
	}
	h.Log.LogAttrs(ctx, slog.LevelWarn, "a Pod slipped past injection", slog.Int("missed_injection", 1), slog.String("cluster", cluster),
		slog.String("namespace", m.Namespace), slog.String("pod", m.Pod), slog.String("webhook", m.Webhook), slog.String("reason", m.Reason), h.trace(ctx))
}

func notFound(w http.ResponseWriter) { answer(w, http.StatusNotFound) }

func answer(w http.ResponseWriter, status int) {
	http.Error(w, http.StatusText(status), status)
}
