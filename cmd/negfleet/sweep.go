package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/sweep"
)

// sweepTimeout bounds a run: a person waits for it.
const sweepTimeout = 8 * time.Minute

// sweepCommand does what the function does, but that it renews no Lease: a person at a
// terminal is nobody to open gates.
func sweepCommand(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) error {
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
	report, selection, err := sweepOnce(ctx, env, *cluster, newProgress(errs))
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

func sweepOnce(ctx context.Context, env config.Env, cluster string, p progress) (sweep.Report, sweep.Selection, error) {
	scopes, err := scope.New(env, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	reader, err := scopes.Sweep(ctx, cluster, "")
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	in, err := watched(reader, p).Read(ctx)
	p.end()
	if err != nil {
		return sweep.Report{}, sweep.Selection{}, err
	}
	report, selection := sweep.Conclude(in, env.SweepBudget)
	return report, selection, nil
}

// watched says how far a reading is.
func watched(r sweep.Reader, p progress) sweep.Reader {
	survey, open := r.Survey, r.Open
	var alive, begun atomic.Int32
	p.say("reading %s", neg.Count(len(r.Clouds), "project", "projects"))
	r.Survey = func(ctx context.Context) ([]sweep.Cluster, error) {
		p.say("asking who is there")
		clusters, err := survey(ctx)
		for _, c := range clusters {
			if c.Presence.Presence == presence.Alive || c.Presence.Presence == presence.Draining {
				alive.Add(1)
			}
		}
		return clusters, err
	}
	r.Open = func(ctx context.Context, cluster string) (sweep.Kubernetes, error) {
		p.say("reading cluster %d of %d: %s", begun.Add(1), alive.Load(), cluster)
		return open(ctx, cluster)
	}
	return r
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

// writeSweep writes who is there, what was found and why, how much of the quotas is used, and
// what is published.
func writeSweep(out io.Writer, r sweep.Report, s sweep.Selection, dryRun bool) error {
	t := &tables{out: out}
	t.add("CLUSTER\tPRESENCE\tSERVICES\tPODS THAT WAIT\tPODS WITHOUT A GATE")
	for _, c := range r.Clusters {
		one := sweep.Report{Clusters: []sweep.ClusterReport{c}}
		t.add(fmt.Sprintf("%s\t%s\t%d\t%d\t%d", c.Name, c.Presence, c.Services, one.Waits(), one.Missed()), c.Missed()...)
	}
	t.flush()
	for _, f := range r.Findings {
		t.head("VERDICT\tRESOURCE\tKEY")
		why := f.Evidence
		if f.Held != "" {
			why = append(slices.Clone(why), f.Held)
		}
		t.add(fmt.Sprintf("%s\t%s\t%s", f.Verdict, f.Name(), dash(f.Key)), why...)
	}
	t.flush()
	for _, h := range r.Quotas {
		t.head("PROJECT\tQUOTA\tUSED\tLIMIT\t%\tNEW IN 7 DAYS\tDAYS LEFT")
		t.add(fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%d\t%s", h.Project, h.Name(), h.Used, h.Limit, h.Percent, h.New, h.Left()))
	}
	t.flush()
	for _, u := range r.Unread {
		t.line("not known: %s", oneLine(u))
	}
	if len(r.Left) > 0 {
		t.line("left to runs of their own: %s", strings.Join(r.Left, ", "))
	}
	verb := "published"
	if dryRun {
		verb = "would be published"
	}
	t.line("%d owned and wanted, %d of them used by nothing; %s, %d not shown; %s %s, %s left for later runs",
		r.Verdicts[sweep.Wanted.String()], r.Unused, neg.Count(len(r.Findings)+r.Omitted, "finding", "findings"), r.Omitted,
		keys(len(s.Publications)), verb, neg.Count(r.Deferred, "orphaned key", "orphaned keys"))
	return t.err
}

// tables writes tables below each other, with lines of text below their rows.
type tables struct {
	out   io.Writer
	err   error
	begun bool
	rows  []string
	below [][]string // of each row
}

// head begins a table, unless it has begun.
func (t *tables) head(columns string) {
	if len(t.rows) == 0 {
		t.add(columns)
	}
}

func (t *tables) add(row string, below ...string) {
	t.rows, t.below = append(t.rows, oneRow(row)), append(t.below, below)
}

// flush writes the table, an empty line before it.
func (t *tables) flush() {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range t.rows {
		fmt.Fprintln(table, row)
	}
	_ = table.Flush() // a builder takes everything
	if len(t.rows) > 0 && t.begun {
		t.write("\n")
	}
	i := 0
	for row := range strings.Lines(b.String()) {
		t.write(strings.TrimRight(row, " \n") + "\n")
		for _, text := range t.below[i] {
			t.write("    " + oneLine(text) + "\n")
		}
		i++
	}
	t.rows, t.below = nil, nil
}

// line writes a line of its own.
func (t *tables) line(format string, args ...any) {
	t.write("\n" + fmt.Sprintf(format, args...) + "\n")
}

func (t *tables) write(text string) {
	t.begun = true
	if t.err == nil {
		_, t.err = io.WriteString(t.out, text)
	}
}

// oneRow keeps what others wrote from ending a row: tabs are between its cells.
func oneRow(row string) string {
	cells := strings.Split(row, "\t")
	for i := range cells {
		cells[i] = oneLine(cells[i])
	}
	return strings.Join(cells, "\t")
}

// oneLine keeps what others wrote from breaking a table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
