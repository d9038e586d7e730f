package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
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
	steps, problems, err := r.Plan(ctx, key)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, key, steps, problems)
	}
	return printText(out, key, steps, problems)
}

func parseFlags(name string, args []string) (asJSON bool, rest []string, err error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&asJSON, "json", false, "")
	if err := flags.Parse(args); err != nil {
		return false, nil, usageError{name + ": " + err.Error()}
	}
	return asJSON, flags.Args(), nil
}

func printText(out io.Writer, key neg.Key, steps []plan.Step, problems []plan.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintf(out, "# %s: %s\n", p.Reason, p.Message); err != nil {
			return err
		}
	}
	if len(steps) == 0 {
		_, err := fmt.Fprintf(out, "# %s: nothing to do\n", key)
		return err
	}
	_, err := io.WriteString(out, plan.Text(steps))
	return err
}

// jsonPlan is what plan --json prints.
type jsonPlan struct {
	Key      string        `json:"key"`
	Steps    []jsonStep    `json:"steps"`
	Problems []jsonProblem `json:"problems"`
}

type jsonStep struct {
	Op        string         `json:"op"`
	Zone      neg.Zone       `json:"zone"`
	Group     string         `json:"group"`
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

func printJSON(out io.Writer, key neg.Key, steps []plan.Step, problems []plan.Problem) error {
	p := jsonPlan{Key: key.String(), Steps: []jsonStep{}, Problems: []jsonProblem{}}
	for _, s := range steps {
		step := jsonStep{Op: s.Op.String(), Zone: s.Group.Zone, Group: s.Group.Name, Port: s.Port, Why: s.Why}
		for _, e := range s.Endpoints {
			step.Endpoints = append(step.Endpoints, jsonEndpoint{e.Addr.String(), e.Instance})
		}
		p.Steps = append(p.Steps, step)
	}
	for _, problem := range problems {
		p.Problems = append(p.Problems, jsonProblem{problem.Reason, problem.Message})
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}
