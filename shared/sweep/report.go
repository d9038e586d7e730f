package sweep

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/presence"
)

// reported is how many findings a report names.
const reported = 1000

// A Report is what a run found and published, for people and programs.
type Report struct {
	At       time.Time       `json:"at"`
	Clusters []ClusterReport `json:"clusters"`
	Unread   []string        `json:"unread"`   // scopes about which nothing is known, and why
	Left     []string        `json:"left"`     // clusters that get runs of their own
	Verdicts map[string]int  `json:"verdicts"` // how many resources have each
	Findings []FindingReport `json:"findings"` // all but what is owned, wanted and in use
	Omitted  int             `json:"omitted"`  // findings for which there was no room
	Held     int             `json:"held"`     // orphans about which nothing is done, as the fleet file says
	Unused   int             `json:"unused"`   // backend services and health checks that are wanted, and that nothing uses
	Quotas   []Headroom      `json:"quotas"`   // the tightest first; none in a run about one cluster

	Published map[string]int `json:"published"` // keys: orphans, gates, others
	Deferred  int            `json:"deferred"`  // orphaned keys that the budget left for later runs
}

// A ClusterReport is one cluster in a report.
type ClusterReport struct {
	Name     string             `json:"name"`
	Presence string             `json:"presence"` // alive, draining, gone or unknown
	Evidence []string           `json:"evidence"`
	Services int                `json:"services"`          // that ask for groups
	Waiting  map[string]int     `json:"waiting,omitempty"` // Pods that wait for gates, by namespace
	Ungated  map[string]Ungated `json:"ungated,omitempty"` // Pods that went by the webhook, by namespace
	Lease    string             `json:"lease,omitempty"`   // why it could not be renewed
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

// Conclude judges what was read, and says what is published, of orphans no more than the
// budget.
func Conclude(in Inventory, budget int) (Report, Selection) {
	found := Judge(in)
	if in.Only != "" {
		found = slices.DeleteFunc(found, func(f Finding) bool { return f.Key.Cluster != in.Only })
	}
	s := Publish(in, found, budget)
	return newReport(in, found, s), s
}

func newReport(in Inventory, found []Finding, s Selection) Report {
	r := Report{
		At: in.At, Clusters: []ClusterReport{}, Unread: unread(in), Left: append([]string{}, s.Clusters...), Verdicts: map[string]int{},
		Findings: []FindingReport{}, Quotas: append([]Headroom{}, Headrooms(in)...), Published: map[string]int{}, Deferred: s.Deferred,
	}
	for i := range in.Clusters {
		c := &in.Clusters[i]
		if in.about(c) {
			r.Clusters = append(r.Clusters, ClusterReport{
				Name: c.Name, Presence: c.Presence.Presence.String(), Evidence: c.Presence.Evidence, Services: len(c.wanted()),
				Waiting: c.Waiting, Ungated: c.Ungated, Lease: c.LeaseFailed,
			})
		}
	}
	r.addAll(found)
	for _, p := range s.Publications {
		r.Published[p.group()]++
	}
	return r
}

// about tells whether a run is about a cluster.
func (in Inventory) about(c *Cluster) bool { return in.Only == "" || in.Only == c.Name }

// addAll counts what was found and tells of it, of what is merely unused last.
func (r *Report) addAll(found []Finding) {
	for _, f := range found {
		r.Verdicts[f.Verdict.String()]++
		if f.Held != "" && (f.Verdict == Orphan || f.Verdict == OrphanOfGone) {
			r.Held++
		}
		if f.Unused {
			r.Unused++
		}
		if f.Verdict != Wanted {
			r.add(f)
		}
	}
	for _, f := range found {
		if f.Verdict == Wanted && f.Unused {
			r.add(f)
		}
	}
}

// Missed is how many Pods went by the webhook.
func (r Report) Missed() (n int) {
	for _, c := range r.Clusters {
		for _, u := range c.Ungated {
			n += u.Count
		}
	}
	return n
}

// Waits is how many Pods wait for their gates.
func (r Report) Waits() (n int) {
	for _, c := range r.Clusters {
		for _, waiting := range c.Waiting {
			n += waiting
		}
	}
	return n
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
	if len(r.Findings) == reported {
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
		for what, why := range map[string]string{"groups": p.Failed, "backend services": p.UsesFailed, "health checks": p.ChecksFailed, "quotas": p.QuotasFailed} {
			if why != "" {
				all = append(all, fmt.Sprintf("project %s: %s: %s", p.Name, what, why))
			}
		}
		if len(p.Missing) > 0 {
			all = append(all, fmt.Sprintf("project %s: groups: no answer from %s", p.Name, strings.Join(p.Missing, ", ")))
		}
	}
	for i := range in.Clusters {
		c := &in.Clusters[i]
		switch {
		case !in.about(c), c.Left:
		case c.Unlisted != "":
			all = append(all, fmt.Sprintf("cluster %s: %s", c.Name, c.Unlisted))
		case c.Presence.Presence == presence.Unknown:
			all = append(all, fmt.Sprintf("cluster %s: %s", c.Name, strings.Join(c.Presence.Evidence, "; ")))
		}
	}
	slices.Sort(all)
	return all
}

// Markdown writes the report for people.
func (r Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# Sweep of %s\n\n", r.At.UTC().Format(time.RFC3339))
	fmt.Fprintf(&b, "Published: %s. Deferred: %d orphaned keys.\n\n", listed(r.Published), r.Deferred)
	r.markdownClusters(&b)
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "\nNot known: %s\n", cell(u))
	}
	if len(r.Left) > 0 {
		fmt.Fprintf(&b, "\nLeft to runs of their own: %s\n", strings.Join(r.Left, ", "))
	}
	fmt.Fprintf(&b, "\n%s\n", listed(r.Verdicts))
	if len(r.Findings) > 0 {
		fmt.Fprintf(&b, "\n| verdict | resource | key | evidence |\n|---|---|---|---|\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Verdict, cell(f.Name()), f.Key, cell(f.Words()))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", r.Omitted)
	}
	if len(r.Quotas) > 0 {
		fmt.Fprintf(&b, "\n| project | quota | used | limit | | new in 7 days | days left |\n|---|---|---|---|---|---|---|\n")
	}
	for _, h := range r.Quotas {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d %% | %d | %s |\n", h.Project, h.Name(), h.Used, h.Limit, h.Percent, h.New, h.Left())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Report) markdownClusters(b *strings.Builder) {
	fmt.Fprintf(b, "| cluster | presence | Services | Pods that wait | Pods without a gate | evidence |\n|---|---|---|---|---|---|\n")
	for _, c := range r.Clusters {
		evidence := c.Evidence
		if c.Lease != "" {
			evidence = append(slices.Clone(evidence), "Lease not renewed: "+c.Lease)
		}
		evidence = append(slices.Clone(evidence), c.Missed()...)
		ungated := map[string]int{}
		for ns, u := range c.Ungated {
			ungated[ns] = u.Count
		}
		fmt.Fprintf(b, "| %s | %s | %d | %s | %s | %s |\n", c.Name, c.Presence, c.Services, listed(c.Waiting), listed(ungated), cell(strings.Join(evidence, "; ")))
	}
}

// Missed says which Pods went by the webhook, and what to do.
func (c ClusterReport) Missed() (all []string) {
	for _, ns := range slices.Sorted(maps.Keys(c.Ungated)) {
		u := c.Ungated[ns]
		more := ""
		if n := u.Count - len(u.Names); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		all = append(all, fmt.Sprintf("no readiness gate in namespace %s: %s%s; restart to gate: kubectl -n %s rollout restart deployment NAME", ns, strings.Join(u.Names, ", "), more, ns))
	}
	return all
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

// listed is "2 a, 3 b"; none when there is nothing.
func listed(m map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[name], name))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
