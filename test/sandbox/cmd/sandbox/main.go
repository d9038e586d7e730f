//go:build linux

// Command sandbox runs negfleet's world on this machine: up keeps it running, demo walks
// through the story and ends, bench measures.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/test/sandbox"
	"github.com/negfleet/negfleet/test/sandbox/bench"
	"github.com/negfleet/negfleet/test/sandbox/story"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var only string
	commands := map[string]func(context.Context, sandbox.Options, io.Writer) error{
		"up": up, "demo": demo,
		"bench": func(ctx context.Context, o sandbox.Options, out io.Writer) error { return measure(ctx, o, only, out) },
	}
	if len(args) == 0 || commands[args[0]] == nil {
		return fmt.Errorf("usage: sandbox up|demo|bench [flags]; -h lists them")
	}
	o := sandbox.Options{Progress: out}
	flags := flag.NewFlagSet("sandbox "+args[0], flag.ExitOnError)
	flags.StringVar(&o.Dir, "dir", ".sandbox", "folder of everything it writes")
	flags.StringVar(&o.Bin, "bin", ".sandbox/bin", "folder of the programs that make build builds")
	flags.StringVar(&o.ControlPlane, "controlplane", os.Getenv("NEGFLEET_CONTROLPLANE"), "the program that scripts/build-controlplane builds")
	flags.IntVar(&o.Clusters, "clusters", 1, "control planes")
	flags.IntVar(&o.Nodes, "nodes", 9, "simulated nodes of each cluster, over three zones")
	flags.DurationVar(&o.OpLatency, "op-latency", 0, "how long an operation of the Compute emulator takes")
	flags.StringVar(&o.PubSub, "pubsub", "", "address of a Pub/Sub emulator, such as Google's, to use instead of the own one")
	o.Ports = map[string]int{}
	flags.Func("port", "NAME=PORT fixes the port of compute, container, pubsub, api (of the first cluster), reconcile, readiness, events or audit; may be repeated", func(s string) error {
		name, number, _ := strings.Cut(s, "=")
		port, err := strconv.Atoi(number)
		if !slices.Contains([]string{"compute", "container", "pubsub", "api", "reconcile", "events", "audit", "readiness"}, name) || err != nil || port < 1 || port > 65535 {
			return fmt.Errorf("want NAME=PORT")
		}
		o.Ports[name] = port
		return nil
	})
	flags.DurationVar(&o.Grace, "grace", time.Second, "deletion grace")
	flags.StringVar(&only, "only", "", "bench: measure the parts whose name holds this")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return commands[args[0]](ctx, o, out)
}

// measure prints a table, and JSON into a file beside the logs.
func measure(ctx context.Context, o sandbox.Options, only string, out io.Writer) error {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	machine, err := os.Create(filepath.Join(o.Dir, "results.json"))
	if err != nil {
		return err
	}
	defer machine.Close()
	return bench.Measure(ctx, o, only, out, machine)
}

func demo(ctx context.Context, o sandbox.Options, out io.Writer) (err error) {
	began := time.Now()
	o.Clusters, o.Guest = max(o.Clusters, story.Clusters), true
	fmt.Fprintf(out, "starting %d real control planes, emulators of Compute and GKE, Pub/Sub and the functions\n", o.Clusters)
	w, err := sandbox.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(out, "stopping everything")
		if closed := w.Close(); err == nil {
			err = closed
		}
	}()
	fmt.Fprintf(out, "ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return story.Tell(ctx, w, out)
}

func up(ctx context.Context, o sandbox.Options, out io.Writer) error {
	w, err := sandbox.Start(ctx, o)
	if err != nil {
		return err
	}
	env := w.Env()
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(table, "%s\t%s\n", name, env[name])
	}
	table.Flush()
	fmt.Fprintf(out, "\nready. In another terminal: . %s\nlogs are in %s; Ctrl-C stops everything\n", w.Dir.Path("env"), w.Dir.Path("log"))
	<-ctx.Done()
	fmt.Fprintln(out, "stopping everything")
	return w.Close()
}
