package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
	"github.com/negfleet/negfleet/shared/reconcile"
	"github.com/negfleet/negfleet/shared/scope"
)

// planTimeout bounds a plan: a person waits for it.
const planTimeout = time.Minute

func planCommand(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	asJSON, rest, err := parseFlags("plan", args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usageError{"plan: want one CLUSTER/NAMESPACE/SERVICE"}
	}
	key, err := neg.ParseKey(rest[0])
	if err != nil {
		return usageError{"plan: " + err.Error()}
	}
	if key.Service == "" {
		return usageError{fmt.Sprintf("plan: key %q names no Service", rest[0])}
	}
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return err
	}
	scopes, err := scope.New(env, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return err
	}
	r := &reconcile.Reconciler{Open: scopes.Open, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	forecast, blocked := r.Plan(ctx, key)
	if neg.OutcomeOf(blocked) == neg.Again || blocked != nil && len(forecast.Steps) == 0 {
		return blocked
	}
	if asJSON {
		return printJSON(out, key, forecast, blocked)
	}
	return printText(out, key, forecast, blocked)
}

// flags are those of one command. Its usage stands in one place, for all commands.
type flags struct{ *flag.FlagSet }

func newFlags(command string) flags {
	f := flags{flag.NewFlagSet(command, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	return f
}

// parse returns the arguments that are no flags. Flags may stand before and after them.
func (f flags) parse(args []string) (rest []string, err error) {
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, usageError{f.Name() + ": " + err.Error()}
		}
		if f.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
}

func parseFlags(command string, args []string) (asJSON bool, rest []string, err error) {
	f := newFlags(command)
	f.BoolVar(&asJSON, "json", false, "")
	rest, err = f.parse(args)
	return asJSON, rest, err
}

func printText(out io.Writer, key neg.Key, f reconcile.Forecast, blocked error) error {
	var b strings.Builder
	for _, p := range f.Problems {
		fmt.Fprintf(&b, "# %s: %s\n", p.Reason, p.Message)
	}
	for _, line := range withheld(f, blocked) {
		fmt.Fprintf(&b, "# %s\n", line)
	}
	if len(f.Steps) == 0 {
		fmt.Fprintf(&b, "# %s: nothing to do\n", key)
	}
	b.WriteString(plan.Text(f.Steps))
	_, err := io.WriteString(out, b.String())
	return err
}

// withheld says which of the steps a look would not take, and why.
func withheld(f reconcile.Forecast, blocked error) []string {
	var lines []string
	if blocked != nil {
		lines = append(lines, "no step would be taken: "+blocked.Error())
	}
	if f.Skip != "" {
		lines = append(lines, "no step would be taken: "+f.Skip)
	}
	if n := len(f.Steps) - len(f.Policy.Filter(f.Steps)); n > 0 {
		lines = append(lines, fmt.Sprintf("%d of the steps would not be taken: policy: %s", n, f.Policy))
	}
	return lines
}

// jsonPlan is what plan --json prints.
type jsonPlan struct {
	Key      string        `json:"key"`
	Policy   string        `json:"policy"`
	Withheld []string      `json:"withheld"` // why some or all steps would not be taken
	Steps    []jsonStep    `json:"steps"`
	Problems []jsonProblem `json:"problems"`
}

type jsonStep struct {
	Op        string         `json:"op"`
	Target    string         `json:"target"`          // ZONE/NAME, or global/NAME or REGION/NAME
	Zone      neg.Zone       `json:"zone,omitempty"`  // of a group
	Group     string         `json:"group,omitempty"` // its name
	Port      int32          `json:"port"`
	Endpoints []jsonEndpoint `json:"endpoints,omitempty"`
	Why       string         `json:"why"`
}

type jsonEndpoint struct {
	Address  string `json:"address"`
	Instance string `json:"instance"`
}

type jsonProblem struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func printJSON(out io.Writer, key neg.Key, f reconcile.Forecast, blocked error) error {
	p := jsonPlan{Key: key.String(), Policy: f.Policy.String(), Withheld: append([]string{}, withheld(f, blocked)...), Steps: []jsonStep{}, Problems: []jsonProblem{}}
	for _, s := range f.Steps {
		step := jsonStep{Op: s.Op.String(), Target: s.Target(), Zone: s.Group.Zone, Group: s.Group.Name, Port: s.Port, Why: s.Why}
		for _, e := range s.Endpoints {
			step.Endpoints = append(step.Endpoints, jsonEndpoint{e.Addr.String(), e.Instance})
		}
		p.Steps = append(p.Steps, step)
	}
	for _, problem := range f.Problems {
		p.Problems = append(p.Problems, jsonProblem{problem.Reason, problem.Message})
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}
