package pubsub

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/protobuf/types/known/durationpb"
)

// memory is pstest, with the publishing to push subscriptions taken out of its hands.
type memory struct {
	server *pstest.Server

	mu     sync.Mutex
	nextID int
	topics map[string]*topic
	pushes map[string]*pubsubpb.Subscription // push subscriptions by full name
}

type topic struct {
	queues []*queue
	pulled bool // pstest has a subscription of its own
}

func newMemory(listen string) (made *memory, err error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	// pstest panics where it cannot listen. To try first would take the port from it: a child
	// that is being started holds a closed listener open until it runs.
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("pub/sub: listen at %s: %v", listen, why)
		}
	}()
	m := &memory{topics: map[string]*topic{}, pushes: map[string]*pubsubpb.Subscription{}}
	m.server = pstest.NewServerWithAddress(listen,
		pstest.ServerReactorOption{FuncName: "Publish", Reactor: reactor(m.onPublish)},
		pstest.ServerReactorOption{FuncName: "CreateSubscription", Reactor: reactor(m.onSubscribe)},
		pstest.ServerReactorOption{FuncName: "GetSubscription", Reactor: reactor(m.onGetSubscription)})
	return m, nil
}

// reactor is called under pstest's lock, before pstest acts, and instead of it when it
// returns handled.
type reactor func(request any) (handled bool, answer any, err error)

func (r reactor) React(request any) (handled bool, answer any, err error) { return r(request) }

// onPublish hands messages to the topic's queues. pstest sees them only where it has a
// pull subscription to serve: it would keep them for ever.
func (m *memory) onPublish(request any) (handled bool, answer any, err error) {
	publish := request.(*pubsubpb.PublishRequest)
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[publish.Topic]
	if t == nil {
		return false, nil, nil // pstest knows whether there is such a topic
	}
	ids := make([]string, len(publish.Messages))
	now := time.Now()
	for i, wire := range publish.Messages {
		m.nextID++
		ids[i] = strconv.Itoa(m.nextID)
		one := &message{id: ids[i], data: wire.Data, attributes: wire.Attributes, orderingKey: wire.OrderingKey, published: now}
		for _, q := range t.queues {
			q.accept(&item{message: one})
		}
	}
	return !t.pulled, &pubsubpb.PublishResponse{MessageIds: ids}, nil
}

// onSubscribe notes the pull subscriptions, whoever creates them.
func (m *memory) onSubscribe(request any) (handled bool, answer any, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.topics[request.(*pubsubpb.Subscription).Topic]; t != nil {
		t.pulled = true
	}
	return false, &pubsubpb.Subscription{}, nil
}

// onGetSubscription answers for the push subscriptions, which pstest does not know.
func (m *memory) onGetSubscription(request any) (handled bool, answer any, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.pushes[request.(*pubsubpb.GetSubscriptionRequest).Subscription]
	return ok, s, nil
}

func (m *memory) addr() string { return m.server.Addr }

func (m *memory) publish(ctx context.Context, topic string, wire *pubsubpb.PubsubMessage) error {
	_, err := m.server.GServer.Publish(ctx, &pubsubpb.PublishRequest{Topic: topic, Messages: []*pubsubpb.PubsubMessage{wire}})
	return err
}

func (m *memory) createTopic(ctx context.Context, name string) error {
	m.mu.Lock()
	known := m.topics[name] != nil
	if !known {
		m.topics[name] = &topic{}
	}
	m.mu.Unlock()
	if known {
		return nil
	}
	_, err := m.server.GServer.CreateTopic(ctx, &pubsubpb.Topic{Name: name})
	return err
}

func (m *memory) subscribe(ctx context.Context, s *pubsubpb.Subscription, q *queue) error {
	if q == nil {
		_, err := m.server.GServer.CreateSubscription(ctx, s)
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[s.Topic]
	t.queues = append(t.queues, q)
	m.pushes[s.Name] = settings(s, q.sub)
	return nil
}

// settings are what the service would show of a push subscription.
func settings(s *pubsubpb.Subscription, is Subscription) *pubsubpb.Subscription {
	shown := &pubsubpb.Subscription{
		Name: s.Name, Topic: s.Topic, EnableMessageOrdering: s.EnableMessageOrdering, State: pubsubpb.Subscription_ACTIVE,
		AckDeadlineSeconds: int32(is.AckDeadline.Seconds()),
		PushConfig:         &pubsubpb.PushConfig{PushEndpoint: is.Endpoint},
		RetryPolicy:        &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(is.MinBackoff), MaximumBackoff: durationpb.New(is.MaxBackoff)},
	}
	if is.DeadLetterTopic != "" {
		dead := s.Topic[:strings.LastIndexByte(s.Topic, '/')+1] + is.DeadLetterTopic
		shown.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: int32(is.MaxDeliveryAttempts)}
	}
	return shown
}

func (m *memory) close() error { return m.server.Close() }
