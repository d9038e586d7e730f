package event

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
)

// batchDelay gathers the messages of one Publish call into one request. A message alone
// does not wait for company: even the shortest timer costs a millisecond.
const batchDelay = 200 * time.Microsecond

// publishTimeout ends the client's own retries, so that a delivery whose publish fails
// is answered well within any caller's deadline.
const publishTimeout = 10 * time.Second

// PublisherOptions say where and how a Publisher publishes.
type PublisherOptions struct {
	Project string
	// Ordered sends messages with their key as ordering key. The subscriptions must
	// have message ordering on, and publishers of a key should share a region.
	Ordered bool
	Client  []option.ClientOption // for tests and private endpoints
}

// A Publisher publishes messages. It connects at its first use and is safe for
// concurrent use.
type Publisher struct {
	options PublisherOptions

	mu     sync.Mutex
	client *pubsub.Client
	topics map[route]*pubsub.Publisher
}

// A route is a topic, and whether messages are gathered on their way to it.
type route struct {
	topic string
	batch bool
}

// NewPublisher returns a publisher that has not connected yet.
func NewPublisher(o PublisherOptions) *Publisher {
	return &Publisher{options: o, topics: map[route]*pubsub.Publisher{}}
}

// Publish sends messages to topic and returns when the service has taken or refused each
// of them. One that cannot be encoded does not keep the others from being sent.
func (p *Publisher) Publish(ctx context.Context, topic string, messages ...Message) error {
	all := make([]outgoing, len(messages))
	for i, m := range messages {
		all[i] = outgoing{name: m.Key.String()}
		all[i].data, all[i].attributes, all[i].err = Encode(m)
	}
	return p.send(ctx, topic, all)
}

// PublishClusters sends messages to TopicClusters as Publish does.
func (p *Publisher) PublishClusters(ctx context.Context, messages ...ClusterMessage) error {
	all := make([]outgoing, len(messages))
	for i, m := range messages {
		all[i] = outgoing{name: m.Cluster}
		all[i].data, all[i].attributes, all[i].err = EncodeCluster(m)
	}
	return p.send(ctx, TopicClusters, all)
}

// An outgoing message is encoded, or has the error that kept it from being.
type outgoing struct {
	name       string // whose messages keep their order
	data       []byte
	attributes map[string]string
	err        error
}

func (p *Publisher) send(ctx context.Context, topic string, all []outgoing) error {
	if len(all) == 0 {
		return nil
	}
	t, err := p.publisher(route{topic: topic, batch: len(all) > 1})
	if err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	results := make([]*pubsub.PublishResult, len(all))
	errs := make([]error, len(all))
	for i, o := range all {
		if errs[i] = o.err; o.err == nil {
			results[i] = t.Publish(ctx, p.wire(ctx, o))
		}
	}
	for i, result := range results {
		if result == nil {
			continue
		}
		if _, err := result.Get(ctx); err != nil {
			errs[i] = fmt.Errorf("publish %s to %s: %w", all[i].name, topic, err)
			// A failed publish pauses its ordering key until told otherwise; the delivery
			// that comes again must find it open.
			t.ResumePublish(p.orderingKey(all[i]))
		}
	}
	return errors.Join(errs...)
}

func (p *Publisher) wire(ctx context.Context, o outgoing) *pubsub.Message {
	if trace := traceparent(ctx); trace != "" {
		o.attributes["traceparent"] = trace
	}
	return &pubsub.Message{Data: o.data, Attributes: o.attributes, OrderingKey: p.orderingKey(o)}
}

func (p *Publisher) orderingKey(o outgoing) string {
	if p.options.Ordered {
		return o.name
	}
	return ""
}

// publisher returns the publisher of a route. A connection that could not be set up is
// tried again at the next call: the instance outlives the trouble.
func (p *Publisher) publisher(r route) (*pubsub.Publisher, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.topics[r]; t != nil {
		return t, nil
	}
	if p.client == nil {
		// The client outlives the request that happens to come first.
		client, err := pubsub.NewClient(context.Background(), p.options.Project, p.options.Client...)
		if err != nil {
			return nil, fmt.Errorf("connect to Pub/Sub: %w", err)
		}
		p.client = client
	}
	t := p.client.Publisher(r.topic)
	t.EnableMessageOrdering = p.options.Ordered
	t.PublishSettings.Timeout = publishTimeout
	t.PublishSettings.DelayThreshold = batchDelay
	if !r.batch {
		t.PublishSettings.CountThreshold = 1
	}
	p.topics[r] = t
	return t, nil
}

// Close ends the connection. Functions never call it; their instances just end.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.topics {
		t.Stop()
	}
	p.topics = map[route]*pubsub.Publisher{}
	if p.client == nil {
		return nil
	}
	client := p.client
	p.client = nil
	return client.Close()
}
