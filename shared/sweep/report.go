package sweep

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// reported is how many findings a report names.
const reported = 1000

// A Report is what a run found and published, for people and programs.
type Report struct {
	At       time.Time       `json:"at"`
	Clusters []ClusterReport `json:"clusters"`
	Unread   []string        `json:"unread"`   // scopes about which nothing is known, and why
	Verdicts map[string]int  `json:"verdicts"` // how many resources have each
	Findings []FindingReport `json:"findings"` // all but what is owned and wanted
	Omitted  int             `json:"omitted"`  // findings for which there was no room

	Published map[string]int `json:"published"` // keys: orphans, gates, others
	Deferred  int            `json:"deferred"`  // orphaned keys that the budget left for later runs
}

// A ClusterReport is one cluster in a report.
type ClusterReport struct {
	Name     string         `json:"name"`
	Presence string         `json:"presence"` // alive, draining, gone or unknown
	Evidence []string       `json:"evidence"`
	Services int            `json:"services"`          // that ask for groups
	Waiting  map[string]int `json:"waiting,omitempty"` // Pods that wait for gates, by namespace
	Lease    string         `json:"lease,omitempty"`   // why it could not be renewed
}

// A FindingReport is one finding in a report.
type FindingReport struct {
	Verdict  string   `json:"verdict"`
	Project  string   `json:"project"`
	Kind     string   `json:"kind,omitempty"`
	Resource string   `json:"resource,omitempty"`
	Key      string   `json:"key,omitempty"`
	Evidence []string `json:"evidence"`
	Held     string   `json:"held,omitempty"` // why nothing is done about an orphan
}

// NewReport tells of a run.
func NewReport(in Inventory, found []Finding, s Selection) Report {
	r := Report{At: in.At, Clusters: []ClusterReport{}, Unread: unread(in), Verdicts: map[string]int{}, Findings: []FindingReport{}, Published: map[string]int{}, Deferred: s.Deferred}
	for i := range in.Clusters {
		c := &in.Clusters[i]
		r.Clusters = append(r.Clusters, ClusterReport{
			Name: c.Name, Presence: c.Presence.Presence.String(), Evidence: c.Presence.Evidence, Services: len(c.wanted()), Waiting: c.Waiting, Lease: c.LeaseFailed,
		})
	}
	for _, f := range found {
		r.add(f)
	}
	for _, p := range s.Publications {
		r.Published[p.group()]++
	}
	return r
}

func (p Publication) group() string {
	switch {
	case p.Orphan:
		return "orphans"
	case p.Gates:
		return "gates"
	}
	return "others"
}

func (r *Report) add(f Finding) {
	r.Verdicts[f.Verdict.String()]++
	switch {
	case f.Verdict == Wanted:
		return
	case len(r.Findings) == reported:
		r.Omitted++
		return
	}
	out := FindingReport{Verdict: f.Verdict.String(), Project: f.Project, Kind: string(f.Kind), Resource: f.Resource, Evidence: f.Evidence, Held: f.Held}
	if f.Key.Cluster != "" {
		out.Key = f.Key.String()
	}
	r.Findings = append(r.Findings, out)
}

// unread are the scopes that did not answer, or not whole.
func unread(in Inventory) []string {
	all := []string{}
	for _, p := range in.Projects {
		for what, why := range map[string]string{"groups": p.Failed, "backend services": p.UsesFailed, "health checks": p.ChecksFailed} {
			if why != "" {
				all = append(all, fmt.Sprintf("project %s: %s: %s", p.Name, what, why))
			}
		}
		if len(p.Missing) > 0 {
			all = append(all, fmt.Sprintf("project %s: groups: no answer from %s", p.Name, strings.Join(p.Missing, ", ")))
		}
	}
	for i := range in.Clusters {
		if c := &in.Clusters[i]; c.Unlisted != "" {
			all = append(all, fmt.Sprintf("cluster %s: %s", c.Name, c.Unlisted))
		}
	}
	slices.Sort(all)
	return all
}

// Of keeps the findings on one cluster.
func Of(cluster string, found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Key.Cluster != cluster })
}

// Markdown writes the report for people.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Sweep of %s\n\n", r.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "Published: %s. Deferred: %d orphaned keys.\n\n", counts(r.Published), r.Deferred)
	fmt.Fprintf(&b, "| cluster | presence | Services | Pods that wait | evidence |\n|---|---|---|---|---|\n")
	for _, c := range r.Clusters {
		evidence := c.Evidence
		if c.Lease != "" {
			evidence = append(slices.Clone(evidence), "Lease not renewed: "+c.Lease)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s |\n", c.Name, c.Presence, c.Services, counts(c.Waiting), cell(strings.Join(evidence, "; ")))
	}
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "\nNot known: %s\n", cell(u))
	}
	fmt.Fprintf(&b, "\n%s\n", counts(r.Verdicts))
	if len(r.Findings) > 0 {
		fmt.Fprintf(&b, "\n| verdict | resource | key | evidence |\n|---|---|---|---|\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Verdict, cell(f.Name()), f.Key, cell(f.Words()))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", r.Omitted)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Name is kind, project and name of the resource; a dash for a key that has none.
func (f FindingReport) Name() string {
	if f.Kind == "" {
		return "-"
	}
	return f.Kind + " " + f.Project + "/" + f.Resource
}

// Words are the evidence, and why nothing is done.
func (f FindingReport) Words() string {
	words := strings.Join(f.Evidence, "; ")
	if f.Held != "" {
		words += "; " + f.Held
	}
	return words
}

// cell keeps what others wrote from ending a table's cell.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}

// counts is "2 a, 3 b"; none when there is nothing.
func counts(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
