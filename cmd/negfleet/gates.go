package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/readiness"
)

// gatesTimeout bounds the command: a person waits for it.
const gatesTimeout = 5 * time.Minute

// gatesRun is the gates of one cluster that wait.
type gatesRun struct {
	cluster *kube.Cluster
	waiting []neg.GatedPod
	out     io.Writer
	asJSON  bool
}

func gatesCommand(ctx context.Context, args []string, getenv func(string) string, in *os.File, out io.Writer) error {
	if len(args) == 0 || args[0] != "list" && args[0] != "open" {
		return usageError{"gates: want list or open"}
	}
	flags := newFlags("gates " + args[0])
	namespace, asJSON, yes := flags.String("namespace", "", ""), flags.Bool("json", false, ""), false
	if args[0] == "open" {
		flags.BoolVar(&yes, "yes", false, "")
	}
	name, err := oneArgument(flags, args[1:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, gatesTimeout)
	defer cancel()
	g := &gatesRun{out: out, asJSON: *asJSON}
	if g.cluster, err = gatesCluster(ctx, name, getenv); err != nil {
		return err
	}
	if err := g.read(ctx, *namespace); err != nil {
		return err
	}
	if args[0] == "list" {
		return g.print(nil)
	}
	return g.openAll(ctx, in, yes)
}

// oneArgument takes flags on both sides of CLUSTER.
func oneArgument(f flags, args []string) (string, error) {
	rest, err := f.parse(args)
	if err == nil && len(rest) > 1 {
		var more []string
		more, err = f.parse(rest[1:])
		rest = append(rest[:1], more...)
	}
	if err == nil && len(rest) != 1 {
		err = usageError{f.Name() + ": want one CLUSTER"}
	}
	if err != nil {
		return "", err
	}
	return rest[0], nil
}

// gatesCluster opens a cluster of the fleet file or, when there is none, a context of the
// caller's kubeconfig: when all else is down, that has to do.
func gatesCluster(ctx context.Context, name string, getenv func(string) string) (*kube.Cluster, error) {
	if getenv("NEGFLEET_FLEET") == "" {
		return kube.FromContext(name, time.Now)
	}
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return nil, err
	}
	google := fleet.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}
	f, err := fleet.New(env.FleetFile, slog.New(slog.DiscardHandler), time.Now, fleet.WithGoogle(google))
	if err != nil {
		return nil, err
	}
	_, cluster, err := f.Cluster(ctx, name)
	return cluster, err
}

func (g *gatesRun) read(ctx context.Context, namespace string) error {
	pods, err := g.cluster.GatedPods(ctx, namespace, nil, []string{neg.GateNEG, neg.GateLoadBalancer})
	g.waiting = slices.DeleteFunc(pods, func(p neg.GatedPod) bool { return p.Gate.Open })
	return err
}

// openAll opens what waits, after asking. One that fails keeps no other from being opened.
func (g *gatesRun) openAll(ctx context.Context, in *os.File, yes bool) error {
	if len(g.waiting) == 0 {
		return g.print(nil)
	}
	if !yes {
		if !terminal(in) {
			return usageError{"gates open: nobody to ask; say --yes"}
		}
		if err := g.table(nil); err != nil {
			return err
		}
		fmt.Fprintf(g.out, "open %d gates? Pods count as ready that may not be. [y/N] ", len(g.waiting))
		if !agreed(in) {
			return errors.New("nothing was opened")
		}
	}
	gate := neg.Gate{Open: true, Reason: readiness.ReasonByHand, Message: "opened by negfleet gates open"}
	failed := map[string]error{}
	var errs []error
	for _, p := range g.waiting {
		if err := g.cluster.SetGate(ctx, p, gate); err != nil {
			failed[p.UID+p.Type] = err
			errs = append(errs, err)
		}
	}
	return errors.Join(g.print(failed), errors.Join(errs...))
}

func agreed(in io.Reader) bool {
	line, _ := bufio.NewReader(in).ReadString('\n') // no answer is no
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}

// print writes what waits or, after opening, what was opened and what was not. failed is
// nil when nothing was to be opened.
func (g *gatesRun) print(failed map[string]error) error {
	if g.asJSON {
		return g.json(failed)
	}
	if len(g.waiting) == 0 {
		_, err := fmt.Fprintln(g.out, "no gate waits")
		return err
	}
	return g.table(failed)
}

func (g *gatesRun) table(failed map[string]error) error {
	table := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "POD\tGATE\tWAITS SINCE\tREASON\tMESSAGE")
	for _, p := range g.waiting {
		reason, message := cmp.Or(p.Gate.Reason, "-"), cmp.Or(p.Gate.Message, "nobody has written the condition yet")
		if failed != nil {
			reason, message = "opened", "was: "+message
			if err := failed[p.UID+p.Type]; err != nil {
				reason, message = "failed", err.Error()
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", p, p.Type, since(p), reason, message)
	}
	return table.Flush()
}

// since is when the Pod could have been ready.
func since(p neg.GatedPod) string {
	if p.Ready.IsZero() {
		return "containers not ready"
	}
	return p.Ready.UTC().Format(time.RFC3339)
}

// jsonGate is one element of what gates --json prints.
type jsonGate struct {
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	Gate      string    `json:"gate"`
	Ready     time.Time `json:"containersReadySince,omitzero"` // left out: they are not
	Reason    string    `json:"reason"`                        // before it was opened; empty: nobody has written the condition
	Message   string    `json:"message"`
	Opened    bool      `json:"opened"` // by this command
	Error     string    `json:"error,omitempty"`
}

func (g *gatesRun) json(failed map[string]error) error {
	list := []jsonGate{}
	for _, p := range g.waiting {
		line := jsonGate{Namespace: p.Namespace, Pod: p.Name, Gate: p.Type, Ready: p.Ready, Reason: p.Gate.Reason, Message: p.Gate.Message}
		err := failed[p.UID+p.Type]
		if line.Opened = failed != nil && err == nil; err != nil {
			line.Error = err.Error()
		}
		list = append(list, line)
	}
	enc := json.NewEncoder(g.out)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}
