package sweep

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/sweep"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// fleet sweeps all clusters and answers with the report, as JSON unless Markdown is asked for.
func (f *Function) fleet(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	started := f.Now()
	report, err := f.sweep(ctx, "")
	f.summary(ctx, "", report, err, started)
	if err != nil {
		event.Respond(w, err)
		return
	}
	if strings.Contains(r.Header.Get("Accept"), "text/markdown") {
		w.Header().Set("Content-Type", "text/markdown; charset=utf-8")
		_ = report.Markdown(w) // the caller has gone
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report) // the caller has gone
}

// sweep reads, judges and publishes; only names one cluster, or is empty.
func (f *Function) sweep(ctx context.Context, only string) (sweep.Report, error) {
	reader, err := f.Scopes.Sweep(ctx, only, Holder)
	if err != nil {
		return sweep.Report{}, err
	}
	in, err := reader.Read(ctx)
	if err != nil {
		return sweep.Report{}, err
	}
	found := sweep.Judge(in)
	if only != "" {
		found = sweep.Of(only, found)
	}
	selection := sweep.Publish(in, found, f.Budget)
	return sweep.NewReport(in, found, selection), f.publish(ctx, selection.Publications)
}

// publish sends keys to who looks at them. A run that is cut off here is made good by the
// next: a message repeated does no harm.
func (f *Function) publish(ctx context.Context, all []sweep.Publication) error {
	var keys, gates []event.Message
	for _, p := range all {
		m := event.SweepMessage(p.Key, p.Thorough, p.Why, f.Now())
		if p.Gates {
			gates = append(gates, m)
		} else {
			keys = append(keys, m)
		}
	}
	if err := f.Publish(ctx, event.TopicKeys, keys...); err != nil {
		return err
	}
	return f.Publish(ctx, event.TopicGates, gates...)
}

// summary is the line that a sweep leaves, and a line for each thing that a person should
// see.
func (f *Function) summary(ctx context.Context, only string, r sweep.Report, err error, started time.Time) {
	trace := telemetry.Trace(ctx, f.Project)
	if err != nil {
		f.Log.LogAttrs(ctx, slog.LevelError, err.Error(), slog.String("reason", reason(err, "SweepFailed")), slog.String("cluster", only), trace)
		return
	}
	for _, u := range r.Unread {
		f.Log.LogAttrs(ctx, slog.LevelWarn, u, slog.String("reason", "ScopeUnknown"), trace)
	}
	for _, c := range r.Clusters {
		if c.Lease != "" {
			f.Log.LogAttrs(ctx, slog.LevelWarn, c.Lease, slog.String("reason", "LeaseNotRenewed"), slog.String("cluster", c.Name), trace)
		}
	}
	f.Log.LogAttrs(ctx, slog.LevelInfo, "swept", slog.String("cluster", only), slog.Any("verdicts", r.Verdicts), slog.Any("published", r.Published),
		slog.Int("deferred", r.Deferred), slog.Int("clusters", len(r.Clusters)), slog.Int("unread", len(r.Unread)),
		slog.Int64("took_ms", f.Now().Sub(started).Milliseconds()), trace)
}

func reason(err error, fallback string) string {
	for _, b := range neg.BlockedReasons(err) {
		return b.Reason
	}
	return fallback
}
