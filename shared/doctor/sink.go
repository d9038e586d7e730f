package doctor

import (
	"strings"
	"time"
)

// A Sink is the log sink of one project with clusters.
type Sink struct {
	Project     string
	WantTopic   string // full name
	WantFilter  string
	Destination Read[string] // empty: there is no sink
	Filter      string
	Disabled    bool
	// Written is when GKE last logged a write that the sink should have sent on; zero: not
	// within a day.
	Written Read[time.Time]
}

func (s Sink) check() Finding {
	c := check{"sink", s.Project}
	switch {
	case s.Destination.Gap != nil:
		return c.gap(s.Destination.Gap)
	case s.Destination.Value == "":
		return c.finding(Problem, "scripts/deploy --from logs", "no sink negfleet-audit: GKE's clusters of the project send no events")
	}
	var wrong []remark
	if want := "pubsub.googleapis.com/" + s.WantTopic; s.Destination.Value != want {
		wrong = append(wrong, remark{Problem, "leads to " + s.Destination.Value + ", not to " + want, "scripts/deploy --from logs"})
	}
	if s.Disabled {
		wrong = append(wrong, remark{Problem, "it is switched off", "gcloud logging sinks update negfleet-audit --no-disabled --project=" + s.Project})
	}
	if plain(s.Filter) != plain(s.WantFilter) {
		wrong = append(wrong, remark{Warning, "its filter is not that of infra/log-sink.filter", "scripts/deploy --from logs"})
	}
	return c.sum(wrong, "leads to %s, by infra/log-sink.filter", s.WantTopic)
}

// plain is a filter without its layout.
func plain(filter string) string { return strings.Join(strings.Fields(filter), " ") }

// late is how long an entry may be on its way through the sink and Pub/Sub.
const late = 5 * time.Minute

// delivery sets the last write that GKE logged beside the last delivery that the events
// function took: the age of a delivery alone says nothing where nobody writes.
func (f *Facts) delivery(s Sink) Finding {
	c := check{"delivery", s.Project}
	switch {
	case s.Written.Gap != nil:
		return c.gap(s.Written.Gap)
	case f.Delivered.Gap != nil:
		return c.gap(f.Delivered.Gap)
	case s.Written.Value.IsZero():
		return c.finding(Unknown, "write something: kubectl annotate service NAME checked=now --overwrite; then ask again", "no write is in the log of the last day, so nothing can be said of its delivery")
	}
	written, took := f.now().Sub(s.Written.Value), f.now().Sub(f.Delivered.Value)
	switch {
	case !f.Delivered.Value.Before(s.Written.Value):
		return c.ok("the last write was logged %s ago, the events function took its last delivery %s ago", age(written), age(took))
	case written < late:
		return c.finding(Warning, "ask again in some minutes", "the last write was logged %s ago and is not delivered yet", age(written))
	}
	last := "none within a day"
	if !f.Delivered.Value.IsZero() {
		last = age(took) + " ago"
	}
	return c.finding(Problem, "look at the sink, the topic's publishers and the subscription negfleet-audit-events above; then negfleet resync",
		"the last write was logged %s ago, the events function's last delivery was %s", age(written), last)
}

// posted says when control planes of one's own were last heard. Nobody else writes down what
// they write, so silence proves nothing.
func (f *Facts) posted() []Finding {
	c := check{"delivery", "audit webhooks"}
	switch {
	case !f.OwnPlanes:
		return nil
	case f.Posted.Gap != nil:
		return []Finding{c.gap(f.Posted.Gap)}
	case f.Posted.Value.IsZero():
		return []Finding{c.finding(Unknown, "write something: kubectl annotate service NAME checked=now --overwrite; then ask again; docs/operators/cluster-events.md, Is it working?",
			"the audit function published no key within a day: no control plane reaches it, or nobody wrote")}
	}
	return []Finding{c.ok("the audit function last published keys %s ago", age(f.now().Sub(f.Posted.Value)))}
}
