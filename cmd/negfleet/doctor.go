package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/infra"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/deployment"
	"github.com/negfleet/negfleet/shared/doctor"
	"github.com/negfleet/negfleet/shared/fleet"
)

// doctorTimeout bounds an examination: a person waits for it.
const doctorTimeout = 3 * time.Minute

// A consultation is one examination, as far as it was asked for.
type consultation struct {
	env      config.Env
	file     *config.Fleet
	fleet    *fleet.Fleet
	clusters []config.Cluster // to be examined
	expected []doctor.Function
	google   *deployment.Client // nil: there is nothing to ask, as gap says
	gap      doctor.Gap
	now      func() time.Time
	progress progress
}

// doctorCommand examines a deployment and says what to do. It writes nothing.
func doctorCommand(ctx context.Context, args []string, getenv func(string) string, out, errs io.Writer) error {
	flags := newFlags("doctor")
	asJSON, impersonate, only := flags.Bool("json", false, ""), flags.Bool("impersonate", false, ""), flags.String("checks", "", "")
	names, err := onBothSides(flags, args)
	if err != nil {
		return err
	}
	checks, err := checksOf(*only)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	c, err := consult(ctx, names, getenv, *impersonate)
	if err != nil {
		return err
	}
	c.progress = newProgress(errs)
	facts, err := c.facts(ctx)
	c.progress.end()
	if err != nil {
		return err
	}
	findings := slices.DeleteFunc(doctor.Examine(facts), func(f doctor.Finding) bool { return !slices.Contains(checks, f.Check) })
	write := writeFindings
	if *asJSON {
		write = writeFindingsJSON
	}
	if err := write(out, findings); err != nil {
		return err
	}
	if n := doctor.Count(findings, doctor.Problem); n > 0 {
		return fmt.Errorf("%d of %d checks found a problem", n, len(findings))
	}
	return nil
}

// checksOf are the checks of a list with commas; of an empty one, all.
func checksOf(list string) ([]string, error) {
	if list == "" {
		return doctor.Checks, nil
	}
	checks := strings.Split(list, ",")
	for _, c := range checks {
		if !slices.Contains(doctor.Checks, c) {
			return nil, usageError{fmt.Sprintf("doctor: --checks: no check %q; there are %s", c, strings.Join(doctor.Checks, ", "))}
		}
	}
	return checks, nil
}

// onBothSides takes flags before, between and after the arguments, and returns these.
func onBothSides(f flags, args []string) (all []string, err error) {
	for {
		rest, err := f.parse(args)
		if err != nil || len(rest) == 0 {
			return all, err
		}
		all, args = append(all, rest[0]), rest[1:]
	}
}

func consult(ctx context.Context, names []string, getenv func(string) string, impersonate bool) (*consultation, error) {
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return nil, err
	}
	c := &consultation{env: env, now: time.Now}
	google := fleet.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}
	if c.fleet, err = fleet.New(env.FleetFile, slog.New(slog.DiscardHandler), time.Now, fleet.WithGoogle(google)); err != nil {
		return nil, err
	}
	if c.file, err = c.fleet.File(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := c.file.Cluster(name); !ok {
			return nil, fmt.Errorf("cluster %q is not in the fleet file", name)
		}
	}
	for _, each := range c.file.Clusters {
		if len(names) == 0 || slices.Contains(names, each.Name) {
			c.clusters = append(c.clusters, each)
		}
	}
	if c.expected, err = expected(getenv("NEGFLEET_FUNCTIONS")); err != nil {
		return nil, err
	}
	c.connect(ctx, getenv("PUBSUB_EMULATOR_HOST"), impersonate)
	return c, nil
}

// expected are the functions that should be deployed: those of the list at path, else of the
// one that this command was built with.
func expected(path string) ([]doctor.Function, error) {
	data, err := infra.Files.ReadFile("functions.list")
	if path != "" {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("NEGFLEET_FUNCTIONS: %w", err)
	}
	return doctor.ParseFunctions(string(data)), nil
}

// connect finds the APIs of Google's that a deployment is asked of, or says why there are none.
func (c *consultation) connect(ctx context.Context, pubsubEmulator string, impersonate bool) {
	emulated := c.env.ComputeEndpoint != "" || pubsubEmulator != ""
	if emulated && c.env.APIsEndpoint == "" {
		c.gap = doctor.Gap{Skip: true, Why: "an emulator stands for Google Cloud here: there is no project to ask"}
		return
	}
	if c.env.PubSubProject == "" {
		c.gap = doctor.Gap{Why: "nothing names the project of the functions", Need: "set PUBSUB_PROJECT_ID"}
		return
	}
	google, err := deployment.New(ctx, deployment.Options{Endpoint: c.env.APIsEndpoint, Impersonate: impersonate, Now: c.now})
	if err != nil {
		c.gap = doctor.Gap{Why: err.Error(), Need: "gcloud auth application-default login"}
		return
	}
	c.google = google
}

// writeFindings writes a table, and below it what to do about what is not fine.
func writeFindings(out io.Writer, all []doctor.Finding) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STATUS\tCHECK\tSUBJECT\tEVIDENCE")
	for _, f := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.Status, f.Check, dash(f.Subject), oneLine(f.Evidence))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, status := range []doctor.Status{doctor.Problem, doctor.Warning, doctor.Unknown} {
		for _, f := range all {
			if f.Status != status || f.Do == "" {
				continue
			}
			verb := "do"
			if status == doctor.Unknown {
				verb = "needs"
			}
			fmt.Fprintf(out, "\n%s: %s, %s\n  %s: %s\n", status, f.Check, f.Subject, verb, oneLine(f.Do))
		}
	}
	var counts []string
	for _, status := range []doctor.Status{doctor.OK, doctor.Warning, doctor.Problem, doctor.Unknown, doctor.Skipped} {
		counts = append(counts, fmt.Sprintf("%d %s", doctor.Count(all, status), status))
	}
	_, err := fmt.Fprintf(out, "\n%s\n", strings.Join(counts, ", "))
	return err
}

func writeFindingsJSON(out io.Writer, all []doctor.Finding) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}
