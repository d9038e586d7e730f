package events

import (
	"slices"

	"github.com/negfleet/negfleet/shared/audit"
	"github.com/negfleet/negfleet/shared/event"
)

// A podWrite is a Pod that came or is going, and the message that this is worth to each
// Service that selects it.
type podWrite struct {
	name    string            // empty: not logged
	labels  map[string]string // nil: not logged
	deleted bool
	message event.Message // without Service and Pods
}

func newPodWrite(t audit.Touched, m event.Message) podWrite {
	return podWrite{name: t.Name, labels: t.Labels, deleted: t.Deleted, message: m}
}

// selectedBy reports whether the Pod may be one of a Service's.
func (p podWrite) selectedBy(selector map[string]string) bool {
	if p.labels == nil {
		return true
	}
	for key, value := range selector {
		if have, ok := p.labels[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// about adds the Pod to m.
func (p podWrite) about(m event.Message) event.Message {
	switch {
	case p.name == "":
	case p.deleted:
		m.PodsDeleted = append(m.PodsDeleted, p.name)
	default:
		m.PodsCreated = append(m.PodsCreated, p.name)
	}
	return m
}

// merge makes one message of two of the same key. Latency is that of the write which has
// waited longest, so the older one speaks.
func merge(a, b event.Message) event.Message {
	if b.Observed.Before(a.Observed) {
		a, b = b, a
	}
	a.PodsCreated = slices.Concat(a.PodsCreated, b.PodsCreated)
	a.PodsDeleted = slices.Concat(a.PodsDeleted, b.PodsDeleted)
	return a
}

// split makes messages of one, as many as it takes to name all of its Pods.
func split(m event.Message) []event.Message {
	created, deleted := chunks(m.PodsCreated), chunks(m.PodsDeleted)
	parts := make([]event.Message, max(len(created), len(deleted), 1))
	for i := range parts {
		parts[i] = m
		parts[i].PodsCreated, parts[i].PodsDeleted = part(created, i), part(deleted, i)
	}
	return parts
}

func chunks(names []string) [][]string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Collect(slices.Chunk(slices.Compact(names), event.MaxPods))
}

func part(all [][]string, i int) []string {
	if i < len(all) {
		return all[i]
	}
	return nil
}
