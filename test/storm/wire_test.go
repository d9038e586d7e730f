package storm

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

// A wire carries what happened in the clusters, badly.
type wire struct {
	podsOnly bool // no entry of an EndpointSlice is ever seen

	mu       sync.Mutex
	messages []event.Message
}

// heard takes the writes that become keys: those of Services and EndpointSlices, or of
// Pods where those are not logged, but for negfleet's own.
func (w *wire) heard(wr fakekube.Write) {
	if wr.User == rig.User || !wr.Changed {
		return
	}
	m := event.Message{Key: neg.Key{Cluster: wr.Cluster, Namespace: wr.Namespace, Service: wr.Name}, Reason: wr.Resource + " " + wr.Verb, Source: "audit"}
	switch {
	case wr.Resource == "services":
	case wr.Resource == "endpointslices" && !w.podsOnly:
		m.Key.Service = serviceOf(wr.Object)
	case wr.Resource == "pods" && w.podsOnly && wr.Subresource == "" && (wr.Verb == "create" || wr.Verb == "delete"):
		m.Key.Service = wr.Object.(*corev1.Pod).Labels["app"] // the selector of every Service here
		if wr.Verb == "create" {
			m.PodsCreated = []string{wr.Name}
		} else {
			m.PodsDeleted = []string{wr.Name}
		}
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages = append(w.messages, m)
}

func (w *wire) take() []event.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	messages := w.messages
	w.messages = nil
	return messages
}

func (w *wire) putBack(messages []event.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages = append(messages, w.messages...)
}

// events publishes what was heard, in any order: three of ten are lost, three come twice
// or three times, two later.
func (s *storm) events() {
	messages := s.wire.take()
	s.rand.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
	var late []event.Message
	for _, m := range messages {
		switch n := s.rand.IntN(10); {
		case n < 3:
			s.counts["events lost"]++
		case n < 5:
			late = append(late, m)
		case n < 8:
			s.publish(m, 2+s.rand.IntN(2))
		default:
			s.publish(m, 1)
		}
	}
	s.wire.putBack(late)
}

func (s *storm) publish(m event.Message, times int) {
	m.Observed = time.Now()
	for range times {
		s.counts["events"]++
		s.must(s.PublishMessage(s.t.Context(), m))
	}
}

// hint is what the webhook says of a write that is about to come, or never will.
func (s *storm) hint(a *app) {
	s.publish(event.Message{Key: a.key, Reason: "hint", Source: "admission"}, 1)
}
