package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/drain"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/resync"
	"github.com/negfleet/negfleet/shared/scope"
)

const (
	// drainTimeout is how long drain --wait follows unless told otherwise.
	drainTimeout = 15 * time.Minute
	// settle is what a look takes beside the grace, at most as a rule. Before it is over, a
	// key is not published again.
	settle = 10 * time.Second
)

// A drainRun is one call of the command.
type drainRun struct {
	name   string
	env    config.Env
	entry  config.Cluster
	drain  *drain.Drain
	keys   []resync.Find // of a dry run
	dryRun bool
	asJSON bool
	out    io.Writer
	board  *board
	silent error // why the cluster told of no keys, or not of all
}

func drainCommand(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) error {
	flags := newFlags("drain")
	r := &drainRun{out: out, board: newBoard(errs)}
	flags.BoolVar(&r.asJSON, "json", false, "")
	flags.BoolVar(&r.dryRun, "dry-run", false, "")
	wait, timeout := flags.Bool("wait", false, ""), flags.Duration("timeout", drainTimeout, "")
	rest, err := flags.parse(args)
	switch {
	case err != nil:
		return err
	case len(rest) != 1:
		return usageError{"drain: want one CLUSTER"}
	case *timeout <= 0:
		return usageError{"drain: --timeout must be more than nothing"}
	case *wait && r.dryRun:
		return usageError{"drain: a dry run has nothing to wait for"}
	}
	r.name = rest[0]
	if err := r.open(ctx, getenv); err != nil {
		return err
	}
	if !r.dryRun {
		publisher := event.NewPublisher(event.PublisherOptions{Project: r.env.PubSubProject, Ordered: r.env.OrderingKeys})
		defer publisher.Close()
		r.publishBy(publisher)
	}
	following, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return r.run(following, *wait)
}

// open reads the environment and the fleet file, and refuses a cluster that is not draining.
func (r *drainRun) open(ctx context.Context, getenv func(string) string) (err error) {
	if r.env, err = config.ReadEnv(getenv); err == nil && !r.dryRun {
		err = r.env.Function()
	}
	if err != nil {
		return err
	}
	scopes, err := scope.New(r.env, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return err
	}
	file, err := scopes.Fleet.File()
	if err != nil {
		return err
	}
	var ok bool
	if r.entry, ok = file.Cluster(r.name); !ok {
		return neg.Block("ClusterUnknown", "cluster %q is not in the fleet file %s", r.name, r.env.FleetFile)
	}
	if err := refusal(r.env.FleetFile, r.entry); err != nil {
		return err
	}
	if r.drain, err = scopes.Drain(ctx, r.name); err != nil {
		return err
	}
	r.drain.Tell, r.drain.Sleep = r.tell, sleep
	r.drain.Patience = r.env.DeletionGrace + max(r.env.DeletionGrace/2, settle)
	r.drain.Publish = func(_ context.Context, found []resync.Find) error {
		r.keys = append(r.keys, found...)
		return nil
	}
	return nil
}

// refusal says of an entry that is not to be drained which line of the fleet file to change.
func refusal(path string, c config.Cluster) error {
	switch {
	case c.State == "draining" && c.Policy != "sync":
		return fmt.Errorf("drain %s: policy: %s keeps every look from removing anything: take it out of the entry at %s:%d", c.Name, c.Policy, path, c.Line)
	case c.State == "draining":
		return nil
	case c.State == "decommissioned":
		return fmt.Errorf("drain %s: %s:%d: state: decommissioned: what a gone cluster left goes by gone: delete and the sweep; if it is there still, write state: draining in that line", c.Name, path, c.Stated)
	case c.Stated > 0:
		return fmt.Errorf("drain %s: %s:%d: state: %s: write state: draining in that line, where the functions read it too, and run this again", c.Name, path, c.Stated, c.State)
	}
	return fmt.Errorf("drain %s: %s:%d: write a line state: draining below uid: %s, where the functions read it too, and run this again", c.Name, path, c.Line, c.UID)
}

func (r *drainRun) publishBy(p *event.Publisher) {
	r.drain.Publish = func(ctx context.Context, found []resync.Find) error {
		messages := make([]event.Message, 0, len(found))
		for _, f := range found {
			messages = append(messages, event.ResyncMessage(f.Key, f.Thorough, f.Why, time.Now()))
		}
		return p.Publish(ctx, event.TopicKeys, messages...)
	}
}

// run publishes, follows if it is to wait, and says what is left. Only nothing is success.
func (r *drainRun) run(ctx context.Context, wait bool) error {
	look, silent, err := r.drain.Begin(ctx)
	if r.silent = silent; err != nil {
		return r.verdict(look, err)
	}
	r.sayHow()
	if r.dryRun {
		return r.printDryRun(look)
	}
	if wait {
		r.tell(look)
		look, err = r.drain.Follow(ctx)
		r.board.end()
	} else if len(look.Held) == 0 {
		look, err = r.drain.Everywhere(ctx)
	}
	verdict := r.verdict(look, err)
	return errors.Join(r.print(look, verdict), verdict)
}

// verdict is why a drain is not done; nil: it is.
func (r *drainRun) verdict(l drain.Look, err error) error {
	if err == nil && len(l.Held) == 0 {
		return nil
	}
	left := fmt.Sprintf("cluster %s still holds %s", r.name, drain.CountOf(l.Held))
	if len(l.Held) == 0 {
		left = fmt.Sprintf("that cluster %s holds nothing is not proved", r.name)
	}
	again := fmt.Sprintf("negfleet drain %s --wait goes on", r.name)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		if l.Failed != nil {
			left += ": " + l.Failed.Error()
		}
		return fmt.Errorf("time is up: %s; negfleet plan CLUSTER/NAMESPACE/SERVICE says why a key's stay; %s", left, again)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("interrupted: %s; what was published stands; %s", left, again)
	case err != nil:
		return fmt.Errorf("%s: %w", left, err)
	}
	return fmt.Errorf("%s; %s", left, again)
}

// sleep waits, or not when nobody waits any more.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
