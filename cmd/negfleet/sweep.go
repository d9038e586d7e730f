package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/sweep"
)

// sweepTimeout bounds a run: a person waits for it.
const sweepTimeout = 8 * time.Minute

// sweepCommand does what the function does, but that it renews no Lease: a person at a
// terminal is nobody to open gates.
func sweepCommand(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := newFlags("sweep")
	asJSON, dryRun, cluster := flags.Bool("json", false, ""), flags.Bool("dry-run", false, ""), flags.String("cluster", "", "")
	rest, err := flags.parse(args)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return usageError{"sweep: takes no arguments; --cluster names one"}
	}
	env, err := config.ReadEnv(getenv)
	if err == nil && !*dryRun {
		err = env.Function()
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	report, selection, err := sweepOnce(ctx, env, *cluster)
	if err != nil {
		return err
	}
	if !*dryRun {
		if err := publishSweep(ctx, env, selection); err != nil {
			return err
		}
	}
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return writeSweep(out, report, selection, *dryRun)
}

func sweepOnce(ctx context.Context, env config.Env, cluster string) (sweep.Report, sweep.Selection, error) {
	scopes, err := scope.New(env, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	reader, err := scopes.Sweep(ctx, cluster, "")
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	in, err := reader.Read(ctx)
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	report, selection := sweep.Conclude(in, env.SweepBudget)
	return report, selection, nil
}

func publishSweep(ctx context.Context, env config.Env, s sweep.Selection) error {
	publisher := event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys})
	defer publisher.Close()
	messages := map[string][]event.Message{}
	for _, p := range s.Publications {
		topic := event.TopicKeys
		if p.Gates {
			topic = event.TopicGates
		}
		messages[topic] = append(messages[topic], event.SweepMessage(p.Key, p.Thorough, p.Why, time.Now()))
	}
	for _, topic := range []string{event.TopicKeys, event.TopicGates} {
		if err := publisher.Publish(ctx, topic, messages[topic]...); err != nil {
			return err
		}
	}
	var clusters []event.ClusterMessage
	for _, name := range s.Clusters {
		clusters = append(clusters, event.ClusterMessage{Cluster: name, Reason: event.ClusterSweep, Source: event.SourceSweep, Observed: time.Now()})
	}
	return publisher.PublishClusters(ctx, clusters...)
}

// writeSweep writes who is there, what was found and why, and what is published.
func writeSweep(out io.Writer, r sweep.Report, s sweep.Selection, dryRun bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLUSTER\tPRESENCE\tSERVICES\tPODS THAT WAIT")
	for _, c := range r.Clusters {
		waiting := 0
		for _, n := range c.Waiting {
			waiting += n
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\n", c.Name, c.Presence, c.Services, waiting)
	}
	if len(r.Findings) > 0 {
		fmt.Fprintln(table, "\nVERDICT\tRESOURCE\tKEY\tWHY")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Verdict, f.Name(), dash(f.Key), oneLine(f.Words()))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, u := range r.Unread {
		fmt.Fprintf(out, "\nnot known: %s\n", oneLine(u))
	}
	verb := "published"
	if dryRun {
		verb = "would be published"
	}
	_, err := fmt.Fprintf(out, "\n%d owned and wanted; %d findings, %d not shown; %d keys %s, %d orphaned keys left for later runs\n",
		r.Verdicts[sweep.Wanted.String()], len(r.Findings)+r.Omitted, r.Omitted, len(s.Publications), verb, r.Deferred)
	return err
}

// oneLine keeps what others wrote from breaking a table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
