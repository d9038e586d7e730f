//go:build linux

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
)

// patience bounds every wait.
const patience = 3 * time.Minute

// A line is what is read of a line of the reconcile function's log.
type line struct {
	Key      string    `json:"key"`
	Message  string    `json:"message"`
	Observed time.Time `json:"observed"`
	TookMS   int64     `json:"took_ms"`
	Time     time.Time `json:"time"`
}

// lines reads the function's log: one line for each delivery that was answered.
func (r *run) lines() ([]line, error) {
	data, err := os.ReadFile(r.world.Dir.Path("log", "reconcile.log"))
	if err != nil {
		return nil, err
	}
	var all []line
	for text := range strings.Lines(string(data)) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && !l.Observed.IsZero() {
			all = append(all, l)
		}
	}
	return all, nil
}

// A tally follows the timeline and counts what is attached, by group name.
type tally struct {
	r     *run
	since uint64
	held  map[string]int
	last  map[string]time.Time // of the newest attach, by group name
}

func (r *run) tally() *tally {
	return &tally{r: r, held: map[string]int{}, last: map[string]time.Time{}}
}

// until follows the timeline until done says so.
func (t *tally) until(ctx context.Context, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !done() {
		list, err := t.r.world.GCE.Timeline(ctx, t.since, 2*time.Second)
		if err != nil {
			return fmt.Errorf("wait for the timeline: %w", err)
		}
		for _, tr := range list {
			t.take(tr)
		}
	}
	return nil
}

func (t *tally) take(tr fakegce.Transition) {
	t.since = tr.Seq
	switch tr.Event {
	case "attached":
		t.held[tr.Group]++
		t.last[tr.Group] = tr.Time
	case "detached":
		t.held[tr.Group]--
	}
}

// oneAtATime: 20 Services, 200 changes, each settled before the next.
func (r *run) oneAtATime(ctx context.Context) error {
	const services, rounds = 20, 10
	if err := r.makeNamespace(ctx); err != nil {
		return err
	}
	t := r.tally()
	for i := range services {
		name := fmt.Sprintf("web-%d", i)
		if err := r.deploy(ctx, name, 1); err != nil {
			return err
		}
		if err := r.expose(ctx, name, name); err != nil {
			return err
		}
		if err := t.until(ctx, func() bool { return t.held[r.group(name)] == 1 }); err != nil {
			return err
		}
	}
	type change struct {
		service  string
		at       time.Time // of the request
		attached time.Time
	}
	var changes []change
	for round := range rounds {
		for i := range services {
			if err := r.settle(ctx); err != nil {
				return err
			}
			name := fmt.Sprintf("web-%d", i)
			at := time.Now()
			if err := r.scale(ctx, name, round+2); err != nil {
				return err
			}
			if err := t.until(ctx, func() bool { return t.held[r.group(name)] == round+2 }); err != nil {
				return err
			}
			changes = append(changes, change{name, at, t.last[r.group(name)]})
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	var latencies []time.Duration
	for _, c := range changes {
		written, err := r.written(c.service, c.at)
		if err != nil || written.After(c.attached) {
			return fmt.Errorf("%s: no look for the change at %s (%v)", c.service, c.at, err)
		}
		latencies = append(latencies, c.attached.Sub(written))
	}
	r.say("%d changes to %d Services", len(latencies), services)
	r.add("audit stageTimestamp to attach, p50", percentile(latencies, 0.5), 250, "ms")
	r.add("audit stageTimestamp to attach, p99", percentile(latencies, 0.99), 0, "ms")
	r.add("audit stageTimestamp to attach, max", percentile(latencies, 1), 2000, "ms")
	return nil
}

// written is the stageTimestamp of the first audit entry about a Service after a time: of
// the write to its slices that brought what was asked for then.
func (r *run) written(service string, after time.Time) (time.Time, error) {
	lines, err := r.lines()
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	for _, l := range lines {
		if l.Key == r.key(service) && l.Observed.After(after) && (first.IsZero() || l.Observed.Before(first)) {
			first = l.Observed
		}
	}
	if first.IsZero() {
		return first, fmt.Errorf("%s was not looked at after %s", service, after)
	}
	return first, nil
}

func (r *run) key(service string) string {
	return neg.Key{Cluster: r.cluster.Name, Namespace: namespace, Service: service}.String()
}

// settle waits until every message is worked off. What is written keeps the interval of a
// second between two looks at a key; 20 Services in turn are past it.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-time.After(60 * time.Millisecond): // the audit webhook's batch
	case <-ctx.Done():
	}
	return r.world.PubSub.Drained(ctx)
}

// oneLarge: 5,000 endpoints in one Service, attached by one look in a fresh process.
func (r *run) oneLarge(ctx context.Context) error {
	const endpoints = 5000
	if err := r.makeNamespace(ctx); err != nil {
		return err
	}
	// Without a Service nobody looks at the slices; the Service then brings one look.
	if err := r.writeSlices(ctx, "wide", endpoints); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	before := time.Now()
	if err := r.expose(ctx, "wide", ""); err != nil {
		return err
	}
	t := r.tally()
	if err := t.until(ctx, func() bool { return t.held[r.group("wide")] == endpoints }); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	first, err := r.firstLook("wide", before)
	if err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	asked := time.Now()
	if err := r.hint(ctx, "wide"); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	second, err := r.firstLook("wide", asked)
	if err != nil {
		return err
	}
	rss, err := r.world.PeakRSS("reconcile")
	if err != nil {
		return err
	}
	r.add("5,000 endpoints, the look that attaches them", first.Seconds(), 3, "s")
	r.add("5,000 endpoints, a look that changes nothing", second.Seconds(), 3, "s")
	r.add("5,000 endpoints, peak RSS of the function", float64(rss)/(1<<20), 200, "MiB")
	return nil
}

// rest lets the interval between two looks at a key pass, so that what is measured next is
// a look and not the wait for it.
func (r *run) rest(ctx context.Context) error {
	select {
	case <-time.After(1100 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstLook is how long the first look at a Service took that was asked for after a time.
func (r *run) firstLook(service string, after time.Time) (time.Duration, error) {
	lines, err := r.lines()
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if l.Key == r.key(service) && l.Observed.After(after) {
			return time.Duration(l.TookMS) * time.Millisecond, nil
		}
	}
	return 0, fmt.Errorf("%s was not looked at", service)
}

func (r *run) hint(ctx context.Context, service string) error {
	k, err := neg.ParseKey(r.key(service))
	if err != nil {
		return err
	}
	data, attributes, err := event.Encode(event.Message{Key: k, Reason: "asked for", Source: "operator", Observed: time.Now()})
	if err != nil {
		return err
	}
	return r.world.PubSub.Publish(ctx, event.TopicKeys, data, attributes)
}

// manyAtOnce: 1,000 new Services in 3 zones, and one change to another Service meanwhile.
func (r *run) manyAtOnce(ctx context.Context) error {
	const services = 1000
	t := r.tally()
	if err := r.prepareBurst(ctx, t); err != nil {
		return err
	}
	before, err := r.world.GCE.Stats(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var g errgroup.Group
	g.SetLimit(16)
	for i := range services {
		g.Go(func() error { return r.expose(ctx, fmt.Sprintf("web-%d", i), "shared") })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	r.say("1,000 Services were created within %s", time.Since(began).Round(10*time.Millisecond))
	meanwhile, err := r.bystander(ctx, t)
	if err != nil {
		return err
	}
	if err := t.until(ctx, func() bool { return full(t, r, services) }); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.add("1,000 new Services, last attach after the first create", newest(t, began).Seconds(), 30, "s")
	r.add("1,000 new Services, one change to another meanwhile", meanwhile().Seconds(), 0, "s")
	return r.costs(ctx, before, services)
}

// prepareBurst makes the Pods that the new Services share, and the other Service.
func (r *run) prepareBurst(ctx context.Context, t *tally) error {
	if err := r.makeNamespace(ctx); err != nil {
		return err
	}
	for _, name := range []string{"shared", "other"} {
		if err := r.deploy(ctx, name, 3); err != nil {
			return err
		}
	}
	if err := r.expose(ctx, "other", "other"); err != nil {
		return err
	}
	if err := t.until(ctx, func() bool { return t.held[r.group("other")] == 3 }); err != nil {
		return err
	}
	return r.settle(ctx)
}

// bystander scales the other Service by one. How long its attach took is known once the
// log is whole.
func (r *run) bystander(ctx context.Context, t *tally) (latency func() time.Duration, err error) {
	asked := time.Now()
	if err := r.scale(ctx, "other", 4); err != nil {
		return nil, err
	}
	if err := t.until(ctx, func() bool { return t.held[r.group("other")] == 4 }); err != nil {
		return nil, err
	}
	attached := t.last[r.group("other")]
	return func() time.Duration {
		written, err := r.written("other", asked)
		if err != nil {
			written = asked
		}
		return attached.Sub(written)
	}, nil
}

// costs counts the Compute calls since before, and the memory.
func (r *run) costs(ctx context.Context, before fakegce.Stats, services int) error {
	after, err := r.world.GCE.Stats(ctx)
	if err != nil {
		return err
	}
	// A new Service has no group to list: lists are of looks that a late event brought.
	const list = "networkEndpointGroups.listNetworkEndpoints"
	late := after.Verbs[list] - before.Verbs[list]
	const other = 2 // the attach and the wait of the change to the other Service
	r.add("Compute calls per new Service", float64(after.Calls-before.Calls-late-other)/float64(services), 13, "")
	r.add("Compute calls per new Service, for events that came late", float64(late)/float64(services), 0, "")
	rss, err := r.world.PeakRSS("reconcile")
	if err != nil {
		return err
	}
	r.add("1,000 new Services, peak RSS of the function", float64(rss)/(1<<20), 0, "MiB")
	return nil
}

func full(t *tally, r *run, services int) bool {
	for i := range services {
		if t.held[r.group(fmt.Sprintf("web-%d", i))] != 3 {
			return false
		}
	}
	return true
}

func newest(t *tally, began time.Time) time.Duration {
	var last time.Duration
	for _, at := range t.last {
		last = max(last, at.Sub(began))
	}
	return last
}
