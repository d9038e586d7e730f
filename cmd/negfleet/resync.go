package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/scope"
)

// A resynced cluster is one line of the outcome.
type resynced struct {
	Cluster  string `json:"cluster"`
	Services int    `json:"services"` // that ask for groups or have some
	Groups   int    `json:"groups"`   // that are the cluster's
	Keys     int    `json:"keys"`     // published, or would be
	Skipped  string `json:"skipped,omitempty"`
	Error    string `json:"error,omitempty"`
}

// A resyncRun publishes the keys of clusters, one cluster after the other.
type resyncRun struct {
	scopes    *scope.Scopes
	publisher *event.Publisher // nil: dry run
	show      func(resync.Find)
	progress  progress
}

func resyncCommand(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) error {
	flags := newFlags("resync")
	asJSON, dryRun := flags.Bool("json", false, ""), flags.Bool("dry-run", false, "")
	rest, err := flags.parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usageError{"resync: want one CLUSTER, or none for all"}
	}
	env, err := config.ReadEnv(getenv)
	if err == nil && !*dryRun {
		err = env.Function()
	}
	if err != nil {
		return err
	}
	r := &resyncRun{show: func(resync.Find) {}, progress: newProgress(errs)}
	if r.scopes, err = scope.New(env, slog.New(slog.DiscardHandler), time.Now); err != nil {
		return err
	}
	clusters := rest
	if len(rest) == 0 {
		if clusters, err = r.allClusters(); err != nil {
			return err
		}
	}
	if *dryRun {
		r.show = showFinds(out, *asJSON)
	} else {
		r.publisher = event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys})
		defer r.publisher.Close()
	}
	done, err := r.run(ctx, clusters)
	if *dryRun {
		return errors.Join(skipLines(errs, done), err)
	}
	return errors.Join(printResynced(out, done, *asJSON), err)
}

func (r *resyncRun) allClusters() (names []string, err error) {
	file, err := r.scopes.Fleet.File()
	if err != nil {
		return nil, err
	}
	for _, c := range file.Clusters {
		names = append(names, c.Name)
	}
	return names, nil
}

// run goes on after a cluster that fails: what one does not answer is no reason to leave
// the others out.
func (r *resyncRun) run(ctx context.Context, clusters []string) (done []resynced, err error) {
	var errs []error
	for _, name := range clusters {
		one, err := r.cluster(ctx, name)
		if err != nil {
			one.Error = err.Error()
			errs = append(errs, err)
		}
		done = append(done, one)
	}
	r.progress.end()
	return done, errors.Join(errs...)
}

func (r *resyncRun) cluster(ctx context.Context, name string) (resynced, error) {
	one := resynced{Cluster: name}
	target, skip, err := r.scopes.Target(ctx, name)
	if one.Skipped = skip; err != nil || skip != "" {
		return one, err
	}
	published := 0
	count, err := target.Find(ctx, func(found []resync.Find) error {
		if err := r.publish(ctx, found); err != nil {
			return err
		}
		published += len(found)
		r.progress.say("%s: %s", name, keys(published))
		return nil
	})
	one.Services, one.Groups, one.Keys = count.Services, count.Groups, published
	return one, err
}

func (r *resyncRun) publish(ctx context.Context, found []resync.Find) error {
	messages := make([]event.Message, 0, len(found))
	for _, f := range found {
		r.show(f)
		messages = append(messages, event.ResyncMessage(f.Key, f.Thorough, f.Why, time.Now()))
	}
	if r.publisher == nil {
		return nil
	}
	return r.publisher.Publish(ctx, event.TopicKeys, messages...)
}

func showFinds(out io.Writer, asJSON bool) func(resync.Find) {
	lines := json.NewEncoder(out)
	return func(f resync.Find) {
		if asJSON {
			_ = lines.Encode(map[string]any{"key": f.Key.String(), "thorough": f.Thorough, "why": f.Why})
			return
		}
		fmt.Fprintf(out, "%s\t# %s\n", f.Key, f.Why)
	}
}

// skipLines says on stderr what is not among the keys, so that stdout stays a list of keys.
func skipLines(errs io.Writer, done []resynced) error {
	for _, one := range done {
		if one.Skipped != "" {
			if _, err := fmt.Fprintf(errs, "# %s: skipped: %s\n", one.Cluster, one.Skipped); err != nil {
				return err
			}
		}
	}
	return nil
}

func printResynced(out io.Writer, done []resynced, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"clusters": done})
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CLUSTER\tSERVICES\tGROUPS\tKEYS PUBLISHED\t")
	for _, one := range done {
		note := one.Skipped
		if one.Error != "" {
			note = "failed"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", one.Cluster, one.Services, one.Groups, one.Keys, note)
	}
	return table.Flush()
}
