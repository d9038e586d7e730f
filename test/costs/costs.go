// Package costs works out what a fleet costs the platform in a month: pure functions of a
// fleet, of what it does, and of list prices. docs/operators/costs.md is held to it.
//
// What it counts is the most that it can cost, each request alone in its instance; where
// requests meet, they share an instance's time and cost less.
package costs

import (
	"fmt"
	"math"
	"strings"
)

// A Fleet is what is there and what happens.
type Fleet struct {
	Clusters, Services, Pods float64
	Rollouts                 float64 // of one Service, a day, over the whole fleet
	Moves                    float64 // how often a node upgrade moves every Pod, a month
}

// Reference is the fleet that the page is about.
var Reference = Fleet{Clusters: 10, Services: 200, Pods: 2000, Rollouts: 20, Moves: 1}

// Work is what one thing takes. Seconds are of an instance with one vCPU.
type Work struct {
	Entries  float64 // audit entries that the sink sends on for each Pod that is replaced
	Hints    float64 // of the webhook, for such a Pod
	Entry    float64 // bytes of an entry with its EndpointSlice
	Message  float64 // bytes of a key, as Pub/Sub counts
	Short    float64 // seconds of a request that waits for nothing: the least that is billed
	Long     float64 // seconds of a look that waits for an operation of Compute
	Longs    float64 // such looks for each Pod that is replaced
	Rollout  float64 // seconds that a rollout takes: an instance of readiness stays with it
	Healthy  float64 // seconds until a Pod that was moved alone is healthy
	Sweep    float64 // seconds of a sweep
	Request  float64 // bytes that the platform logs of a request
	Line     float64 // bytes of a line that a function logs
	Lines    float64 // for each request
	Image    float64 // GiB of a function's image
	Accesses float64 // to secrets, a month: instances that start
}

// Usual is what is measured, or stated where nothing was: docs/operators/costs.md says which.
var Usual = Work{
	Entries: 6, Hints: 1, Entry: 2600, Message: 1000, Short: 0.1, Long: 3, Longs: 2, Rollout: 300, Healthy: 90, Sweep: 20,
	Request: 1000, Line: 500, Lines: 2, Image: 0.1, Accesses: 5000,
}

// Prices are list prices in dollars, before what is free.
type Prices struct {
	Request, VCPU, GiB      float64 // Cloud Run by request: each, a second, a second
	IdleVCPU, IdleGiB       float64 // of an instance that is kept and has nothing to do
	TiB                     float64 // Pub/Sub, each way
	Job                     float64 // Cloud Scheduler, a month
	Secret, Access          float64 // Secret Manager: a version a month, an access
	LogGiB                  float64 // Cloud Logging
	ImageGiB                float64 // Artifact Registry, a month
	FreeRequests, FreeVCPU  float64 // a month and billing account
	FreeGiB, FreeJobs       float64
	FreePubSub, FreeLog     float64 // bytes
	FreeSecrets, FreeAccess float64
	FreeImage               float64 // GiB
}

// List is what stood on Google's pages: docs/operators/costs.md says which and when.
var List = Prices{
	Request: 0.40e-6, VCPU: 2.4e-5, GiB: 2.5e-6, IdleVCPU: 2.5e-6, IdleGiB: 2.5e-6, TiB: 40, Job: 0.10, Secret: 0.06, Access: 0.03 / 1e4, LogGiB: 0.50, ImageGiB: 0.10,
	FreeRequests: 2e6, FreeVCPU: 180e3, FreeGiB: 360e3, FreeJobs: 3, FreePubSub: 10 << 30, FreeLog: 50 << 30, FreeSecrets: 6, FreeAccess: 1e4, FreeImage: 0.5,
}

const (
	days    = 365.0 / 12
	seconds = days * 86400
	hours   = days * 24
)

// A Usage is what a function takes in a month.
type Usage struct {
	Name     string
	Requests float64
	Seconds  float64 // of an instance
	GiB      float64 // of memory
	Idle     float64 // seconds that an instance is kept without work
	How      string
}

func (u Usage) dollars(p Prices) float64 {
	return u.Requests*p.Request + u.Seconds*(p.VCPU+u.GiB*p.GiB) + u.Idle*(p.IdleVCPU+u.GiB*p.IdleGiB)
}

// A Month is what a fleet does in one.
type Month struct {
	Rollouts, Replaced, Entries, Keys, Gates float64
	Functions                                []Usage
}

// Of is a month of a fleet.
func Of(f Fleet, w Work) Month {
	m := Month{Rollouts: f.Rollouts * days}
	moved := f.Moves * f.Pods
	m.Replaced = m.Rollouts*f.Pods/f.Services + moved
	m.Entries = m.Replaced * w.Entries
	hourly := f.Services * hours
	m.Keys = m.Entries + m.Replaced*w.Hints + hourly
	m.Gates = m.Entries
	sweeps := days * 24 * 6
	reviews := m.Replaced * w.Short
	m.Functions = []Usage{
		{"events", m.Entries, m.Entries * w.Short, 0.5, 0, "entries · 0.1 s"},
		{"reconcile", m.Keys, m.Replaced*w.Longs*w.Long + (m.Keys-m.Replaced*w.Longs)*w.Short, 1, 0, "2 of each Pod's looks wait 3 s for an operation, all others 0.1 s"},
		{"readiness", m.Gates, m.Rollouts*w.Rollout + moved*w.Healthy, 0.5, 0, "rollouts · 300 s + Pods moved by upgrades · 90 s"},
		{"sweep", sweeps, sweeps * w.Sweep, 0.5, 0, "144 a day · 20 s"},
		{"admission", m.Replaced, reviews, 0.5, seconds - reviews, "Pods made · 0.1 s; one instance is always there"},
		{"audit", 0, 0, 0.5, 0, "a fleet on GKE has none of its requests"},
	}
	return m
}

// A Line is one resource of the bill.
type Line struct {
	Resource, Formula string
	List, Free        float64 // dollars before, and what of them is free
}

// Bill is what a month costs.
func Bill(f Fleet, w Work, p Prices) (Month, []Line) {
	m := Of(f, w)
	var lines []Line
	var requests, vcpu, gib float64
	for _, u := range m.Functions {
		lines = append(lines, Line{"function `" + u.Name + "`", u.How, u.dollars(p), 0})
		requests, vcpu, gib = requests+u.Requests, vcpu+u.Seconds, gib+u.Seconds*u.GiB
	}
	lines = append(lines, Line{"of all functions, free", "2 M requests, 180,000 vCPU-s, 360,000 GiB-s of work", 0,
		math.Min(requests, p.FreeRequests)*p.Request + math.Min(vcpu, p.FreeVCPU)*p.VCPU + math.Min(gib, p.FreeGiB)*p.GiB})

	bytes := 2*m.Entries*w.Entry + 2*(m.Keys+m.Gates)*w.Message
	lines = append(lines, paid("Pub/Sub", "2 · (entries · 2.6 kB + (keys + gates) · 1 kB), published and delivered", bytes, p.TiB/(1<<40), p.FreePubSub))
	logged := requests * (w.Request + w.Lines*w.Line)
	lines = append(lines,
		paid("Cloud Logging", "requests · (1 kB by the platform + 2 lines of 0.5 kB)", logged/(1<<30), p.LogGiB, p.FreeLog/(1<<30)),
		paid("Cloud Scheduler", "1 job", 1, p.Job, p.FreeJobs),
		paid("Secret Manager, versions", "2: fleet file, caller keys", 2, p.Secret, p.FreeSecrets),
		paid("Secret Manager, accesses", "5,000 starts of instances", w.Accesses, p.Access, p.FreeAccess),
		paid("Artifact Registry", "6 images of 0.1 GiB", 6*w.Image, p.ImageGiB, p.FreeImage),
		Line{"groups, backend services, health checks, firewall rules, Compute API calls", "have no price", 0, 0},
		Line{"audit log: Admin Activity, and its routing", "has no price", 0, 0})
	return m, lines
}

// paid is a line of so many units, of which some are free.
func paid(resource, formula string, units, price, free float64) Line {
	return Line{resource, formula, units * price, math.Min(units, free) * price}
}

// Table writes the part of docs/operators/costs.md that is worked out.
func Table(f Fleet, w Work, p Prices) string {
	m, lines := Bill(f, w, p)
	var b strings.Builder
	fmt.Fprintf(&b, "| a month has | |\n|---|---|\n")
	for _, row := range []struct {
		what string
		n    float64
		how  string
	}{
		{"rollouts", m.Rollouts, fmt.Sprintf("%.0f a day", f.Rollouts)},
		{"Pods replaced", m.Replaced, fmt.Sprintf("rollouts · %.0f Pods of a Service + %.0f Pods moved by a node upgrade", f.Pods/f.Services, f.Moves*f.Pods)},
		{"audit entries", m.Entries, fmt.Sprintf("%.0f for each of them", w.Entries)},
		{"keys", m.Keys, "entries + a hint of the webhook for each Pod + each Service once an hour, by the sweep"},
		{"gates", m.Gates, "one for each look that an entry caused"},
	} {
		fmt.Fprintf(&b, "| %s | %s: %s |\n", row.what, thousands(row.n), row.how)
	}
	fmt.Fprintf(&b, "\n| resource | formula | list price, $ | after what is free, $ |\n|---|---|---|---|\n")
	var list, due float64
	for _, l := range lines {
		after := fmt.Sprintf("%.2f", l.List-l.Free)
		if l.List == 0 && l.Free > 0 {
			after = fmt.Sprintf("-%.2f", l.Free)
		}
		fmt.Fprintf(&b, "| %s | %s | %.2f | %s |\n", l.Resource, l.Formula, l.List, after)
		list, due = list+l.List, due+l.List-l.Free
	}
	fmt.Fprintf(&b, "| **a month** | | **%.2f** | **%.2f** |\n", list, due)
	return b.String()
}

func thousands(n float64) string {
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
