package storm

import (
	"sync"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

// A wire carries what happened in the clusters, badly.
type wire struct {
	mu   sync.Mutex
	keys []neg.Key
}

// heard takes the writes that become keys: those of Services and EndpointSlices, but for
// negfleet's own.
func (w *wire) heard(wr fakekube.Write) {
	if wr.User == rig.User || !wr.Changed {
		return
	}
	k := neg.Key{Cluster: wr.Cluster, Namespace: wr.Namespace, Service: wr.Name}
	switch wr.Resource {
	case "services":
	case "endpointslices":
		k.Service = serviceOf(wr.Object)
	default:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(w.keys, k)
}

func (w *wire) take() []neg.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := w.keys
	w.keys = nil
	return keys
}

func (w *wire) putBack(keys []neg.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys = append(keys, w.keys...)
}

// events publishes some of what was heard, in any order: a tenth is lost, some comes
// twice or three times, some later.
func (s *storm) events() {
	keys := s.wire.take()
	s.rand.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	var late []neg.Key
	for _, k := range keys {
		switch n := s.rand.IntN(20); {
		case n < 2:
			s.counts["events lost"]++
		case n < 9:
			late = append(late, k)
		case n < 12:
			s.publish(k, 2+s.rand.IntN(2))
		default:
			s.publish(k, 1)
		}
	}
	s.wire.putBack(late)
}

func (s *storm) publish(k neg.Key, times int) {
	for range times {
		s.counts["events"]++
		s.must(s.Publish(s.t.Context(), k, "audit"))
	}
}
