package sweep

import (
	"context"
	"log/slog"
	"time"

	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// log writes the line that a sweep leaves, which is what counters and alerts are made of, and
// a line for each thing that a person should see. docs/operators/sweep.md lists the fields.
func (f *Function) log(ctx context.Context, only string, r sweep.Report, err error, took time.Duration) {
	trace := telemetry.Trace(ctx, f.Project)
	if err != nil {
		f.Log.LogAttrs(ctx, slog.LevelError, err.Error(), slog.String("reason", reason(err, "SweepFailed")), slog.String("cluster", only), trace)
		return
	}
	warn := func(cluster, reason, text string) {
		f.Log.LogAttrs(ctx, slog.LevelWarn, text, slog.String("reason", reason), slog.String("cluster", cluster), trace)
	}
	for _, u := range r.Unread {
		warn("", "ScopeUnknown", u)
	}
	stale := 0
	for _, c := range r.Clusters {
		if c.Lease != "" {
			stale++
			warn(c.Name, "LeaseNotRenewed", c.Lease)
		}
		for _, m := range c.Missed() {
			warn(c.Name, "PodsWithoutGate", m)
		}
	}
	for _, h := range r.Quotas {
		if h.Low() {
			warn("", "QuotaLow", h.String())
		}
	}
	attrs := []slog.Attr{
		slog.String("cluster", only), slog.Any("verdicts", r.Verdicts), slog.Any("published", r.Published),
		slog.Int("deferred", r.Deferred), slog.Int("held", r.Held), slog.Int("unused", r.Unused),
		slog.Int("clusters", len(r.Clusters)), slog.Int("left", len(r.Left)), slog.Int("unread", len(r.Unread)), slog.Int("leases_not_renewed", stale),
		slog.Int("pods_waiting", r.Waits()), slog.Int("pods_without_gate", r.Missed()),
	}
	attrs = append(attrs, quotas(r)...)
	attrs = append(attrs, slog.Int64("took_ms", took.Milliseconds()), trace)
	f.Log.LogAttrs(ctx, slog.LevelInfo, "swept", attrs...)
}

// quotas are the tightest quota's fields; none in a run that did not read them.
func quotas(r sweep.Report) (attrs []slog.Attr) {
	if len(r.Quotas) == 0 {
		return nil
	}
	percent := 0
	for _, h := range r.Quotas {
		percent = max(percent, h.Percent)
	}
	attrs = append(attrs, slog.Int("quota_percent", percent))
	if days := r.Quotas[0].Days; days != nil { // the tightest comes first
		attrs = append(attrs, slog.Int("quota_days", *days))
	}
	return attrs
}
