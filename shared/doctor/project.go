package doctor

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Function is a deployment that there should be: a line of infra/functions.list.
type Function struct {
	Name      string
	Receives  []Source
	Publishes []string // topics
	Public    bool
}

// A Source is what calls a function: a topic, to a path; or the Scheduler, without a topic.
type Source struct{ Topic, Path string }

// ParseFunctions reads the text of infra/functions.list.
func ParseFunctions(text string) []Function {
	var all []Function
	for line := range strings.Lines(text) {
		columns := strings.Fields(line)
		if len(columns) < 6 || strings.HasPrefix(columns[0], "#") {
			continue
		}
		f := Function{Name: columns[0], Publishes: strings.Split(columns[4], ","), Public: columns[5] == "public"}
		for each := range strings.SplitSeq(columns[3], ",") {
			topic, path, found := strings.Cut(each, "/")
			switch {
			case each == "schedule":
				f.Receives = append(f.Receives, Source{})
			case each != "http" && found:
				f.Receives = append(f.Receives, Source{topic, "/" + path})
			case each != "http":
				f.Receives = append(f.Receives, Source{topic, ""})
			}
		}
		all = append(all, f)
	}
	return all
}

// APIs are those of one project that have to be on.
type APIs struct {
	Project string
	Want    []string
	On      Read[map[string]bool]
}

func (a APIs) check() Finding {
	c := check{"apis", a.Project}
	if a.On.Gap != nil {
		return c.gap(a.On.Gap)
	}
	off := slices.DeleteFunc(slices.Clone(a.Want), func(api string) bool { return a.On.Value[api] })
	if len(off) > 0 {
		return c.finding(Problem, "gcloud services enable "+strings.Join(off, " ")+" --project="+a.Project, "off: %s", strings.Join(off, ", "))
	}
	return c.ok("%d are on", len(a.Want))
}

// A Deployed is a function as it is.
type Deployed struct {
	State   string // ACTIVE, DEPLOYING, FAILED, …
	URL     string
	Account string // e-mail that it runs as
	Service string // of Cloud Run that answers for it, by full name
	Region  string
}

func (f *Facts) functions() []Finding {
	if f.Functions.Gap != nil {
		return []Finding{check{"functions", cmp.Or(f.Project, "-")}.gap(f.Functions.Gap)}
	}
	var all []Finding
	for _, want := range f.Expected {
		c := check{"functions", "negfleet-" + want.Name}
		switch got, there := f.Functions.Value[want.Name]; {
		case !there:
			all = append(all, c.finding(Problem, "scripts/deploy; or name a list without it in NEGFLEET_FUNCTIONS", "not in project %s, in no region", f.Project))
		case got.State != "ACTIVE":
			all = append(all, c.finding(Problem, "gcloud functions describe negfleet-"+want.Name+" --gen2 --region="+got.Region+" says why; then scripts/deploy --from functions", "state %s", got.State))
		default:
			all = append(all, c.ok("active in %s, runs as %s", got.Region, got.Account))
		}
	}
	return all
}

// Rights are what one function's account must be able to do in one project.
type Rights struct {
	Function string
	Project  string
	Account  string
	Want     []string // permissions
	Held     Read[map[string]bool]
	Asked    bool // IAM itself was asked, by the account; else the project's policy was read
}

func (r Rights) check() Finding {
	c := check{"roles", r.Function + " in " + r.Project}
	if r.Held.Gap != nil {
		return c.gap(r.Held.Gap)
	}
	how, do := "by testIamPermissions as the account", "scripts/deploy --from roles"
	if !r.Asked {
		how, do = "by the project's own policy", do+"; if a folder or a group grants it, --impersonate asks IAM itself"
	}
	lacking := slices.DeleteFunc(slices.Clone(r.Want), func(p string) bool { return r.Held.Value[p] })
	if len(lacking) > 0 {
		return c.finding(Problem, do, "%s lacks %s, %s", r.Account, some(lacking), how)
	}
	return c.ok("%d permissions, %s", len(r.Want), how)
}

// some names the first of many.
func some(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return strings.Join(all[:most], ", ") + " and " + neg.Count(len(all)-most, "more", "more")
}

// A Topic is a topic with those who must be able to publish to it.
type Topic struct {
	Name    string
	Want    []string // members, as IAM writes them
	Members Read[map[string]bool]
	Missing bool // there is no such topic
}

func (t Topic) check() Finding {
	c := check{"topics", t.Name}
	if t.Missing {
		return c.finding(Problem, "scripts/deploy --from topics", "there is no such topic")
	}
	if t.Members.Gap != nil {
		return c.gap(t.Members.Gap)
	}
	lacking := slices.DeleteFunc(slices.Clone(t.Want), func(m string) bool { return t.Members.Value[m] })
	if len(lacking) > 0 {
		return c.finding(Problem, "scripts/deploy --from topics, and --from logs for a sink's writer", "not allowed to publish: %s", strings.Join(lacking, ", "))
	}
	return c.ok("%s may publish", neg.Count(len(t.Want), "member", "members"))
}

// Quotas are those of one project and region that negfleet's resources count in.
type Quotas struct {
	Project string
	Region  string // empty: the project's own
	Limits  Read[map[string]Quota]
}

// A Quota is a number of resources, by the API's name of it.
type Quota struct{ Used, Limit float64 }

// A full quota keeps new Services out; beyond this share, growth should be asked for.
const roomy = 0.8

func (q Quotas) check() Finding {
	c := check{"quota", strings.TrimSuffix(q.Project+" "+q.Region, " ")}
	if q.Limits.Gap != nil {
		return c.gap(q.Limits.Gap)
	}
	if len(q.Limits.Value) == 0 {
		return c.finding(Unknown, "gcloud compute project-info describe, gcloud compute regions describe", "the API names no quota that matters here")
	}
	var wrong []remark
	var fine []string
	for _, metric := range slices.Sorted(maps.Keys(q.Limits.Value)) {
		m := q.Limits.Value[metric]
		text := metric + " " + number(m.Used) + " of " + number(m.Limit)
		ask := "ask for more " + metric + ": https://cloud.google.com/docs/quotas/view-manage"
		switch {
		case m.Limit > 0 && m.Used >= m.Limit:
			wrong = append(wrong, remark{Problem, text + ": nothing new can be made", ask})
		case m.Limit > 0 && m.Used >= roomy*m.Limit:
			wrong = append(wrong, remark{Warning, text, ask})
		default:
			fine = append(fine, text)
		}
	}
	return c.sum(wrong, "%s", strings.Join(fine, ", "))
}
