package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

const (
	// pullPage is how many dead letters are pulled at once.
	pullPage = 100
	// pullPatience is how long an answer without letters is waited for.
	pullPatience = 3 * time.Second
	// holdFor keeps letters that stay from coming round again while a replay runs.
	holdFor = 10 * time.Minute
)

// A replayed letter is one line of the outcome.
type replayed struct {
	ID        string    `json:"id"`
	Topic     string    `json:"topic"`
	Key       string    `json:"key,omitempty"` // of a message that is negfleet's
	Source    string    `json:"source,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Attempts  int       `json:"attempts"`
	Published time.Time `json:"published"`
	Outcome   string    `json:"outcome"` // replayed, would be replayed, failed
	Error     string    `json:"error,omitempty"`
}

// A replayRun hands dead letters back to where they came from.
type replayRun struct {
	box    *event.DeadLetterBox
	dryRun bool
	limit  int
	filter string

	seen map[string]bool // letters, by id: what is left may come round again
	kept []event.DeadLetter
	done []replayed

	failed int
	first  string // what the first of them failed with
}

func replayCommand(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) error {
	r := &replayRun{seen: map[string]bool{}}
	flags := newFlags("replay")
	asJSON := flags.Bool("json", false, "")
	flags.BoolVar(&r.dryRun, "dry-run", false, "")
	flags.IntVar(&r.limit, "limit", 0, "")
	flags.StringVar(&r.filter, "filter", "", "")
	rest, err := flags.parse(args)
	switch {
	case err != nil:
		return err
	case len(rest) > 1:
		return usageError{"replay: want one SUBSCRIPTION, or none for " + event.TopicDead}
	case r.limit < 0:
		return usageError{"replay: --limit must not be negative"}
	}
	project := config.PubSubProject(getenv)
	if project == "" {
		return errors.New("PUBSUB_PROJECT_ID: missing; want the project of the topics")
	}
	subscription := event.TopicDead
	if len(rest) == 1 {
		subscription = rest[0]
	}
	if r.box, err = event.OpenDeadLetterBox(ctx, project, subscription); err != nil {
		return err
	}
	defer r.box.Close()
	err = r.run(ctx, newProgress(errs))
	return errors.Join(printReplayed(out, r.done, len(r.kept), *asJSON), err)
}

// run pulls until nothing new comes. What is not replayed is handed back at the end.
func (r *replayRun) run(ctx context.Context, p progress) error {
	var errs []error
	for !r.full() && ctx.Err() == nil {
		letters, err := r.box.Pull(ctx, pullPage, pullPatience)
		fresh := r.fresh(letters)
		if err != nil || len(fresh) == 0 {
			errs = append(errs, err)
			break
		}
		if err := r.page(ctx, fresh); err != nil {
			errs = append(errs, err)
		}
		p.say("%s", neg.Count(len(r.done), "message", "messages"))
	}
	p.end()
	// Also after an interrupt: what stays is free for the next one at once.
	errs = append(errs, r.box.Release(context.WithoutCancel(ctx), r.kept...))
	if r.failed > 0 {
		errs = append(errs, fmt.Errorf("%s where they are; the first: %s", neg.Count(r.failed, "message stays", "messages stay"), r.first))
	}
	return errors.Join(errs...)
}

func (r *replayRun) full() bool { return r.limit > 0 && len(r.done) >= r.limit }

// fresh are the letters that were not seen before.
func (r *replayRun) fresh(letters []event.DeadLetter) []event.DeadLetter {
	return slices.DeleteFunc(letters, func(l event.DeadLetter) bool {
		old := r.seen[l.ID]
		r.seen[l.ID] = true
		return old
	})
}

func (r *replayRun) page(ctx context.Context, letters []event.DeadLetter) error {
	if err := r.box.Hold(ctx, holdFor, letters...); err != nil {
		r.kept = append(r.kept, letters...)
		return err
	}
	for _, l := range letters {
		one := describe(l)
		if r.full() || !selects(r.filter, one.Key) {
			r.kept = append(r.kept, l)
			continue
		}
		err := r.letter(ctx, l, &one)
		if one.Outcome != "replayed" {
			r.kept = append(r.kept, l)
		}
		if err != nil {
			one.Error = err.Error()
			r.failed++
			r.first = cmp.Or(r.first, err.Error())
		}
		r.done = append(r.done, one)
	}
	return nil
}

func (r *replayRun) letter(ctx context.Context, l event.DeadLetter, one *replayed) error {
	one.Outcome = "failed"
	topic, err := r.box.Topic(ctx, l)
	if err != nil {
		return err
	}
	one.Topic = topic[strings.LastIndex(topic, "/")+1:]
	if r.dryRun {
		one.Outcome = "would be replayed"
		return nil
	}
	if err := r.box.Republish(ctx, topic, l); err != nil {
		return err
	}
	one.Outcome = "replayed"
	return nil
}

// describe says what a letter is about, as far as it is one of negfleet's own messages.
func describe(l event.DeadLetter) replayed {
	one := replayed{ID: l.ID, Attempts: l.Attempts, Published: l.Published}
	if m, err := l.Message(); err == nil {
		one.Key, one.Source, one.Reason = m.Key.String(), m.Source, m.Reason
	}
	return one
}

// selects tells whether a filter, CLUSTER, CLUSTER/NAMESPACE or a whole key, takes a key.
// What has no key is taken by no filter but the empty one.
func selects(filter, key string) bool {
	return filter == "" || key == filter || strings.HasPrefix(key, strings.TrimSuffix(filter, "/")+"/")
}

func printReplayed(out io.Writer, done []replayed, left int, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"messages": append([]replayed{}, done...), "left": left})
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "MESSAGE\tTOPIC\tKEY\tREASON\tATTEMPTS\tPUBLISHED\tOUTCOME")
	for _, one := range done {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", one.ID, cmp.Or(one.Topic, "?"), cmp.Or(one.Key, "-"), cmp.Or(one.Reason, "-"),
			one.Attempts, one.Published.UTC().Format(time.RFC3339), one.Outcome)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s; %d left where they were\n", neg.Count(len(done), "message", "messages"), left)
	return err
}
