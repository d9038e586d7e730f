package sweep

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/sweep"
)

// fleet sweeps all clusters and answers with the report, as JSON unless Markdown is asked for.
func (f *Function) fleet(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	report, err := f.sweep(ctx, "", f.Budget)
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

// sweep reads, judges, publishes and leaves its lines in the log; only names one cluster, or
// is empty.
func (f *Function) sweep(ctx context.Context, only string, budget int) (report sweep.Report, err error) {
	started := f.Now()
	defer func() { f.log(ctx, only, report, err, f.Now().Sub(started)) }()
	reader, err := f.Scopes.Sweep(ctx, only, Holder)
	if err != nil {
		return report, err
	}
	in, err := reader.Read(ctx)
	if err != nil {
		return report, err
	}
	report, selection := sweep.Conclude(in, budget)
	return report, f.publish(ctx, selection)
}

// publish sends keys to who looks at them, and asks for runs about the clusters that this one
// had no time for. A run that is cut off here is made good by the next: a message repeated
// does no harm.
func (f *Function) publish(ctx context.Context, s sweep.Selection) error {
	var keys, gates []event.Message
	for _, p := range s.Publications {
		m := event.SweepMessage(p.Key, p.Thorough, p.Why, f.Now())
		if p.Gates {
			gates = append(gates, m)
		} else {
			keys = append(keys, m)
		}
	}
	var clusters []event.ClusterMessage
	for _, name := range s.Clusters {
		clusters = append(clusters, event.ClusterMessage{Cluster: name, Reason: event.ClusterSweep, Source: event.SourceSweep, Observed: f.Now()})
	}
	if err := f.Publish(ctx, event.TopicKeys, keys...); err != nil {
		return err
	}
	if err := f.Publish(ctx, event.TopicGates, gates...); err != nil {
		return err
	}
	if len(clusters) == 0 {
		return nil
	}
	return f.PublishClusters(ctx, clusters...)
}

func reason(err error, fallback string) string {
	for _, b := range neg.BlockedReasons(err) {
		return b.Reason
	}
	return fallback
}
