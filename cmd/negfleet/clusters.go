package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/presence"
)

// surveyTimeout bounds the asking: a person waits for it.
const surveyTimeout = 2 * time.Minute

func clustersCommand(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	asJSON, rest, err := parseFlags("clusters", args)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return usageError{"clusters: takes no arguments"}
	}
	env, err := config.ReadEnv(getenv)
	if err != nil {
		return err
	}
	google := fleet.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}
	f, err := fleet.New(env.FleetFile, slog.New(slog.DiscardHandler), time.Now, fleet.WithGoogle(google))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	reports, err := f.Survey(ctx)
	if err != nil {
		return err
	}
	write := writeClusters
	if asJSON {
		write = writeClustersJSON
	}
	if err := write(out, reports); err != nil {
		return err
	}
	return notAlive(reports)
}

// notAlive is nil if every cluster is alive.
func notAlive(reports []fleet.Report) error {
	var names []string
	for _, r := range reports {
		if r.Verdict.Presence != presence.Alive {
			names = append(names, r.Entry.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d clusters are not alive: %s", len(names), len(reports), strings.Join(names, ", "))
}

// writeClusters writes a table of what is known, and below it the evidence for each cluster
// that is not simply alive.
func writeClusters(out io.Writer, reports []fleet.Report) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tREACHED BY\tPRESENCE\tUID\tVERSION\tHTTP LB ADD-ON")
	for _, r := range reports {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Entry.Name, r.Entry.Connect, r.Verdict.Presence, uidWord(r), cmp.Or(r.Version, "-"), addOnWord(r))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		if r.Verdict.Presence == presence.Alive {
			continue
		}
		if _, err := fmt.Fprintf(out, "\n%s is %s:\n  %s\n", r.Entry.Name, r.Verdict.Presence, strings.Join(r.Verdict.Evidence, "\n  ")); err != nil {
			return err
		}
	}
	return nil
}

func uidWord(r fleet.Report) string {
	switch r.UID {
	case "":
		return "-"
	case r.Entry.UID:
		return "ok"
	}
	return "other"
}

// addOnWord says where GKE's own controller and negfleet would keep the same groups.
func addOnWord(r fleet.Report) string {
	if r.AddOn == fleet.AddOnOn && r.Entry.NEGs == "managed" {
		return "on, not with negs: managed"
	}
	return string(r.AddOn)
}

// jsonCluster is one element of what clusters --json prints.
type jsonCluster struct {
	Name      string      `json:"name"`
	ReachedBy string      `json:"reachedBy"` // kubeconfig, gke or gateway
	Resource  string      `json:"resource,omitempty"`
	State     string      `json:"state"`
	Presence  string      `json:"presence"` // alive, draining, gone or unknown
	Evidence  []string    `json:"evidence"`
	UID       string      `json:"uid"`               // the fleet file's
	Answered  string      `json:"answeredUid"`       // the API server's; empty: none
	Version   string      `json:"version"`           // empty: not known
	AddOn     fleet.AddOn `json:"httpLoadBalancing"` // on, off, unknown, or none: not known as a GKE cluster
}

func writeClustersJSON(out io.Writer, reports []fleet.Report) error {
	all := []jsonCluster{}
	for _, r := range reports {
		c := jsonCluster{
			Name: r.Entry.Name, ReachedBy: r.Entry.Connect.String(), State: r.Entry.State, Presence: r.Verdict.Presence.String(), Evidence: r.Verdict.Evidence,
			UID: r.Entry.UID, Answered: r.UID, Version: r.Version, AddOn: r.AddOn,
		}
		if r.Entry.Resource.Name != "" {
			c.Resource = r.Entry.Resource.String()
		}
		all = append(all, c)
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}
