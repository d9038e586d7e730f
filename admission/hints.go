package admission

import (
	"context"
	"strings"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
)

const (
	// hintTime is the most that hints may add to an answer.
	hintTime = 200 * time.Millisecond
	// hintEvery is how often Pods may hint at one Service: looks at a key are no more
	// frequent than that.
	hintEvery = time.Second
	// maxHints bounds publishing that is under way: where Pub/Sub does not answer, hints
	// are left out instead of piling up.
	maxHints = 16
	maxKnown = 4096
)

// hints publishes keys for a look that comes sooner than the audit log's. They may be
// wrong, early and lost, and nothing depends on them.
type hints struct {
	publish func(ctx context.Context, topic string, messages ...event.Message) error
	now     func() time.Time

	mu      sync.Mutex
	running int
	last    map[neg.Key]time.Time
}

// send publishes the keys of services and waits for that, within ctx and hintTime. It tells
// whether all were taken.
func (h *hints) send(ctx context.Context, cluster string, request *admissionv1.AdmissionRequest, services []string) bool {
	messages := h.messages(cluster, request, services)
	if len(messages) == 0 || !h.begin() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, hintTime)
	done := make(chan error, 1)
	// The client may still be connecting when the time is up; it goes on for the next one.
	go func() {
		defer h.end()
		defer cancel()
		done <- h.publish(ctx, event.TopicKeys, messages...)
	}()
	select {
	case err := <-done:
		return err == nil
	case <-ctx.Done():
		return false
	}
}

// messages are those of the keys that were not hinted at a moment ago.
func (h *hints) messages(cluster string, request *admissionv1.AdmissionRequest, services []string) []event.Message {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil || len(h.last) > maxKnown {
		h.last = map[neg.Key]time.Time{}
	}
	var messages []event.Message
	for _, service := range services {
		k := neg.Key{Cluster: cluster, Namespace: request.Namespace, Service: service}
		if last, ok := h.last[k]; ok && request.Resource.Resource == "pods" && now.Sub(last) < hintEvery {
			continue
		}
		h.last[k] = now
		messages = append(messages, event.Message{
			Key: k, Source: "admission", Observed: now,
			Reason: request.Resource.Resource + " " + strings.ToLower(string(request.Operation)) + " " + request.Name,
		})
	}
	return messages
}

func (h *hints) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running >= maxHints {
		return false
	}
	h.running++
	return true
}

func (h *hints) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
}
