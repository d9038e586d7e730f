package events

import (
	"cmp"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

// source is what messages published here are from.
const source = "audit"

// A batch is what one request's entries touched, each key once.
type batch struct {
	keys      map[neg.Key]event.Message
	questions map[question]event.Message // the message to send for each key of the answer
	oldest    time.Time
}

// A question is one that only the live cluster can answer.
type question struct {
	what      audit.What
	cluster   string
	namespace string
	name      string
}

func newBatch() *batch {
	return &batch{keys: map[neg.Key]event.Message{}, questions: map[question]event.Message{}}
}

func (b *batch) add(cluster string, touched []audit.Touched) {
	for _, t := range touched {
		m := event.Message{
			Key:    neg.Key{Cluster: cluster, Namespace: t.Namespace},
			Reason: t.Reason, Source: source, Observed: t.At,
		}
		if t.At.IsZero() {
			m.Observed = time.Now()
		}
		if b.oldest.IsZero() || m.Observed.Before(b.oldest) {
			b.oldest = m.Observed
		}
		if t.Live() {
			keepOldest(b.questions, question{what: t.What, cluster: cluster, namespace: t.Namespace, name: t.Name}, m)
			continue
		}
		m.Key.Service = t.Name
		keepOldest(b.keys, m.Key, m)
	}
}

// keepOldest lets a message speak for all of its key: latency is that of the write which
// has waited longest.
func keepOldest[K comparable](all map[K]event.Message, k K, m event.Message) {
	if old, found := all[k]; !found || m.Observed.Before(old.Observed) {
		all[k] = m
	}
}

// messages are those of the keys that the entries name.
func (b *batch) messages() []event.Message { return sorted(b.keys) }

// open are the questions, in a stable order.
func (b *batch) open() []question {
	all := make([]question, 0, len(b.questions))
	for q := range b.questions {
		all = append(all, q)
	}
	slices.SortFunc(all, func(x, y question) int {
		return cmp.Or(cmp.Compare(x.cluster, y.cluster), cmp.Compare(x.namespace, y.namespace),
			cmp.Compare(x.what, y.what), cmp.Compare(x.name, y.name))
	})
	return all
}

// missing are the messages of found Services that messages did not have.
func (b *batch) missing(found map[question][]string) []event.Message {
	rest := map[neg.Key]event.Message{}
	for q, services := range found {
		for _, service := range services {
			m := b.questions[q]
			m.Key.Service = service
			// Without a Service a key means the namespace's gates, which is another topic's.
			if _, published := b.keys[m.Key]; !published && service != "" {
				keepOldest(rest, m.Key, m)
			}
		}
	}
	return sorted(rest)
}

func sorted(all map[neg.Key]event.Message) []event.Message {
	list := make([]event.Message, 0, len(all))
	for _, m := range all {
		list = append(list, m)
	}
	slices.SortFunc(list, func(x, y event.Message) int { return x.Key.Compare(y.Key) })
	return list
}
