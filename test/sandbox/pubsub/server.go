package pubsub

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

// Options declare a server.
type Options struct {
	Project       string
	Topics        []string // ids of topics without a subscription here
	Subscriptions []Subscription
	Listen        string // address of the gRPC server; a free loopback port when empty
	Emulator      string // address of a running emulator to use instead of the own server
	Log           *slog.Logger
}

// backend is where messages are published.
type backend interface {
	addr() string
	publish(ctx context.Context, topic string, m *pubsubpb.PubsubMessage) error
	createTopic(ctx context.Context, topic string) error
	// subscribe creates a subscription and lets q, if there is one, have its messages.
	subscribe(ctx context.Context, s *pubsubpb.Subscription, q *queue) error
	close() error
}

// Server is a running stand-in.
type Server struct {
	options Options
	backend backend
	client  *http.Client
	queues  map[string]*queue
	all     *count
	cancel  context.CancelFunc
}

// Start starts a server with everything that is declared. It runs until Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Project == "" {
		return nil, fmt.Errorf("start Pub/Sub: it needs a project")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{options: o, client: newClient(), queues: map[string]*queue{}, all: newCount(), cancel: cancel}
	var err error
	if s.backend, err = newBackend(running, o); err != nil {
		cancel()
		return nil, err
	}
	if err := s.declare(ctx, running); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func newBackend(ctx context.Context, o Options) (backend, error) {
	if o.Emulator != "" {
		return newEmulator(ctx, o.Project, o.Emulator)
	}
	return newMemory(o.Listen)
}

func (s *Server) declare(ctx, running context.Context) error {
	topics := append([]string{}, s.options.Topics...)
	for _, sub := range s.options.Subscriptions {
		topics = append(topics, sub.Topic, sub.DeadLetterTopic)
	}
	for _, id := range topics {
		if id == "" {
			continue
		}
		if err := s.backend.createTopic(ctx, s.topic(id)); err != nil {
			return fmt.Errorf("create topic %s: %w", id, err)
		}
	}
	for _, sub := range s.options.Subscriptions {
		if err := s.subscribe(ctx, running, sub.withDefaults()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) subscribe(ctx, running context.Context, sub Subscription) error {
	if err := sub.validate(); err != nil {
		return err
	}
	if s.queues[sub.Name] != nil {
		return fmt.Errorf("declare subscription %s: there are two of them", sub.Name)
	}
	var q *queue
	if sub.Endpoint != "" {
		q = s.queue(running, sub)
		s.queues[sub.Name] = q
	}
	declared := &pubsubpb.Subscription{Name: s.subscription(sub.Name), Topic: s.topic(sub.Topic), EnableMessageOrdering: sub.Ordering}
	if err := s.backend.subscribe(ctx, declared, q); err != nil {
		return fmt.Errorf("create subscription %s: %w", sub.Name, err)
	}
	return nil
}

func (s *Server) queue(running context.Context, sub Subscription) *queue {
	q := newQueue(running, sub, s.all)
	name := s.subscription(sub.Name)
	q.post = func(ctx context.Context, m *message, attempt int) error {
		body, err := m.wrap(name, attempt)
		if err != nil {
			return err
		}
		if err = post(ctx, s.client, sub.Endpoint, body); err != nil {
			s.options.Log.Debug("nacked", "subscription", sub.Name, "messageId", m.id, "error", err.Error())
		}
		return err
	}
	q.bury = func(ctx context.Context, m *message, attempts int) error {
		dead := m.deadLetter(s.options.Project, sub.Name, attempts)
		s.options.Log.Warn("dead letter", "subscription", sub.Name, "messageId", m.id, "attempts", attempts)
		return s.backend.publish(ctx, s.topic(sub.DeadLetterTopic), &pubsubpb.PubsubMessage{
			Data: dead.data, Attributes: dead.attributes, OrderingKey: dead.orderingKey,
		})
	}
	return q
}

func (s *Server) topic(id string) string { return "projects/" + s.options.Project + "/topics/" + id }
func (s *Server) subscription(id string) string {
	return "projects/" + s.options.Project + "/subscriptions/" + id
}

// Addr is the value of PUBSUB_EMULATOR_HOST for clients.
func (s *Server) Addr() string { return s.backend.addr() }

// Publish publishes to a topic by its id, as a log sink would.
func (s *Server) Publish(ctx context.Context, topic string, data []byte, attributes map[string]string) error {
	return s.PublishOrdered(ctx, topic, data, attributes, "")
}

// PublishOrdered publishes with an ordering key.
func (s *Server) PublishOrdered(ctx context.Context, topic string, data []byte, attributes map[string]string, key string) error {
	m := &pubsubpb.PubsubMessage{Data: data, Attributes: attributes, OrderingKey: key}
	if err := s.backend.publish(ctx, s.topic(topic), m); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// Stats returns the counters of every push subscription by its name.
func (s *Server) Stats() map[string]Stats {
	all := map[string]Stats{}
	for name, q := range s.queues {
		all[name] = q.snapshot()
	}
	return all
}

// Drained waits until no push subscription has an undelivered message. Since handlers
// publish before they answer, that means that the whole system is at rest, as long as
// nobody publishes from outside. With an emulator, messages that it has not handed over
// yet are not counted.
func (s *Server) Drained(ctx context.Context) error { return s.all.wait(ctx) }

// Close stops deliveries and the server. Undelivered messages are lost.
func (s *Server) Close() error {
	s.cancel()
	for _, q := range s.queues {
		q.stop()
	}
	s.client.CloseIdleConnections()
	return s.backend.close()
}

// lastSegment is the id in a full name.
func lastSegment(name string) string { return name[strings.LastIndex(name, "/")+1:] }
