// Package doctor judges a deployment of negfleet: facts go in, findings come out. Each
// finding has its evidence and what to do.
//
// What could not be read is unknown, with what would let it be read, and never ok: Read
// keeps a fact and the lack of one apart. It reads nothing itself, knows no clock, and must
// not import an adapter.
package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Status is what a check came to.
type Status string

// The statuses, from good to bad, and the two that say nothing.
const (
	OK      Status = "ok"
	Warning Status = "warning" // it works, with a risk
	Problem Status = "problem" // something does not work
	Unknown Status = "unknown" // it could not be read
	Skipped Status = "skipped" // the check has no meaning here
)

// A Finding is what one check came to for one subject.
type Finding struct {
	Check    string `json:"check"`
	Subject  string `json:"subject"`
	Status   Status `json:"status"`
	Evidence string `json:"evidence"`
	Do       string `json:"do,omitempty"`
}

// A Read is a fact that somebody went to read: a value, or why there is none.
type Read[T any] struct {
	Value T
	Gap   *Gap
}

// A Gap says why a fact is not known.
type Gap struct {
	Skip bool   // because it has no meaning here
	Why  string // what the attempt came to
	Need string // what would let it be read, such as a permission
}

// Got is a fact.
func Got[T any](value T) Read[T] { return Read[T]{Value: value} }

// Without is the lack of a fact.
func Without[T any](gap Gap) Read[T] { return Read[T]{Gap: &gap} }

// Facts are all that is known of a deployment.
type Facts struct {
	Now      time.Time           // by this machine's clock
	Google   Read[time.Duration] // how far Google's clock is ahead of that
	Project  string              // of the functions
	Expected []Function

	APIs          []APIs
	Functions     Read[map[string]Deployed] // by name, as in infra/functions.list
	Rights        []Rights
	Topics        []Topic
	Subscriptions Read[map[string]Subscription] // by name
	Jobs          Read[map[string]Job]          // by name
	Invokers      []Invokers
	Sinks         []Sink
	Delivered     Read[time.Time] // when the events function last took a delivery; zero: not within a day
	OwnPlanes     bool            // some cluster is not known as a GKE cluster: its audit webhook posts
	Posted        Read[time.Time] // when the audit function last published keys of such; zero: not within a day
	Quotas        []Quotas
	Clusters      []Cluster
}

// now is the time by Google's clock where that is known.
func (f *Facts) now() time.Time { return f.Now.Add(f.Google.Value) }

// Checks are the names of all checks, the deployment's first.
var Checks = strings.Fields(`clock apis functions roles topics subscriptions scheduler invokers sink delivery quota
	reach add-on egress vpc-native webhook rbac lease firewall`)

// Examine judges all facts, the deployment's first and then each cluster's.
func Examine(f Facts) []Finding {
	all := f.deployment()
	for _, c := range f.Clusters {
		all = append(all, f.cluster(c)...)
	}
	return all
}

func (f *Facts) deployment() []Finding {
	all := []Finding{f.clock()}
	for _, a := range f.APIs {
		all = append(all, a.check())
	}
	all = append(all, f.functions()...)
	for _, r := range f.Rights {
		all = append(all, r.check())
	}
	for _, t := range f.Topics {
		all = append(all, t.check())
	}
	all = append(all, f.subscriptions()...)
	all = append(all, f.jobs()...)
	for _, i := range f.Invokers {
		all = append(all, f.invokers(i))
	}
	for _, s := range f.Sinks {
		all = append(all, s.check(), f.delivery(s))
	}
	all = append(all, f.posted()...)
	for _, q := range f.Quotas {
		all = append(all, q.check())
	}
	return all
}

// A topic of judgement.
type check struct{ name, subject string }

func (c check) finding(s Status, do, format string, args ...any) Finding {
	return Finding{Check: c.name, Subject: c.subject, Status: s, Evidence: fmt.Sprintf(format, args...), Do: do}
}

func (c check) ok(format string, args ...any) Finding { return c.finding(OK, "", format, args...) }

// gap is the finding of what could not be read.
func (c check) gap(g *Gap) Finding {
	if g.Skip {
		return c.finding(Skipped, "", "%s", g.Why)
	}
	return c.finding(Unknown, g.Need, "%s", g.Why)
}

// A remark is one thing that a check found wrong.
type remark struct {
	status Status
	what   string
	do     string
}

// sum makes one finding of all remarks, as bad as the worst, and of none that all is fine.
func (c check) sum(remarks []remark, fine string, args ...any) Finding {
	if len(remarks) == 0 {
		return c.ok(fine, args...)
	}
	worst, what, do := Warning, []string{}, []string{}
	for _, r := range remarks {
		if r.status == Problem {
			worst = Problem
		}
		what = append(what, r.what)
		if r.do != "" && !slices.Contains(do, r.do) {
			do = append(do, r.do)
		}
	}
	return c.finding(worst, strings.Join(do, "; "), "%s", strings.Join(what, "; "))
}

// Count says how many findings there are of a status.
func Count(all []Finding, s Status) (n int) {
	for _, f := range all {
		if f.Status == s {
			n++
		}
	}
	return n
}

// age is a time that passed, as people read it.
func age(d time.Duration) string {
	switch d = d.Abs(); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
