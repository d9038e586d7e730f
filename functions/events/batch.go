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
	pods      map[question][]podWrite    // that a question about selectors is about
	oldest    time.Time
}

// A question is one that only the live cluster can answer.
type question struct {
	what      audit.What
	cluster   string
	namespace string
	name      string // of a slice
}

// Answers name Services, or are a namespace's selectors.
type answers struct {
	services  []string
	selectors map[string]map[string]string
}

func newBatch() *batch {
	return &batch{keys: map[neg.Key]event.Message{}, questions: map[question]event.Message{}, pods: map[question][]podWrite{}}
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
		switch t.What {
		case audit.Service:
			m.Key.Service = t.Name
			collect(b.keys, m.Key, m)
		case audit.Selecting:
			q := question{what: t.What, cluster: cluster, namespace: t.Namespace}
			b.pods[q] = append(b.pods[q], newPodWrite(t, m))
		default:
			collect(b.questions, question{what: t.What, cluster: cluster, namespace: t.Namespace, name: t.Name}, m)
		}
	}
}

// collect lets one message speak for all of its key.
func collect[K comparable](all map[K]event.Message, k K, m event.Message) {
	if old, found := all[k]; found {
		m = merge(old, m)
	}
	all[k] = m
}

// messages are those of the keys that the entries name.
func (b *batch) messages() []event.Message { return sorted(b.keys) }

// open are the questions, in a stable order.
func (b *batch) open() []question {
	all := make([]question, 0, len(b.questions)+len(b.pods))
	for q := range b.questions {
		all = append(all, q)
	}
	for q := range b.pods {
		all = append(all, q)
	}
	slices.SortFunc(all, func(x, y question) int {
		return cmp.Or(cmp.Compare(x.cluster, y.cluster), cmp.Compare(x.namespace, y.namespace),
			cmp.Compare(x.what, y.what), cmp.Compare(x.name, y.name))
	})
	return all
}

// missing are the messages of found Services that messages did not have, and those that
// tell of Pods.
func (b *batch) missing(found map[question]answers) []event.Message {
	rest := map[neg.Key]event.Message{}
	for q, a := range found {
		for _, service := range a.services {
			m := b.questions[q]
			m.Key.Service = service
			// Without a Service a key means the namespace's gates, which is another topic's.
			if _, published := b.keys[m.Key]; !published && service != "" {
				collect(rest, m.Key, m)
			}
		}
		for service, selector := range a.selectors {
			for _, p := range b.pods[q] {
				if p.selectedBy(selector) {
					m := p.about(p.message)
					m.Key.Service = service
					collect(rest, m.Key, m)
				}
			}
		}
	}
	return sorted(rest)
}

func sorted(all map[neg.Key]event.Message) []event.Message {
	list := make([]event.Message, 0, len(all))
	for _, m := range all {
		list = append(list, split(m)...)
	}
	slices.SortStableFunc(list, func(x, y event.Message) int { return x.Key.Compare(y.Key) })
	return list
}
