package pubsub

import (
	"context"
	"fmt"
	"sync"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// emulator is a server somewhere else, pulled from by the client library.
type emulator struct {
	address string
	client  *pubsub.Client
	ctx     context.Context
	pulls   sync.WaitGroup
}

func newEmulator(ctx context.Context, project, address string) (*emulator, error) {
	client, err := pubsub.NewClient(ctx, project, option.WithEndpoint(address),
		option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		return nil, fmt.Errorf("connect to the emulator at %s: %w", address, err)
	}
	return &emulator{address: address, client: client, ctx: ctx}, nil
}

func (e *emulator) addr() string { return e.address }

func (e *emulator) publish(ctx context.Context, topic string, m *pubsubpb.PubsubMessage) error {
	_, err := e.client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{Topic: topic, Messages: []*pubsubpb.PubsubMessage{m}})
	return err
}

func (e *emulator) createTopic(ctx context.Context, name string) error {
	_, err := e.client.TopicAdminClient.CreateTopic(ctx, &pubsubpb.Topic{Name: name})
	return unlessExists(err)
}

func (e *emulator) subscribe(ctx context.Context, s *pubsubpb.Subscription, q *queue) error {
	_, err := e.client.SubscriptionAdminClient.CreateSubscription(ctx, s)
	if err = unlessExists(err); err != nil || q == nil {
		return err
	}
	subscriber := e.client.Subscriber(lastSegment(s.Name))
	subscriber.ReceiveSettings.MaxOutstandingMessages = q.sub.MaxOutstanding
	e.pulls.Go(func() { _ = subscriber.Receive(e.ctx, e.hand(q)) })
	return nil
}

// hand gives a message to q and holds it, its deadline being extended by the library,
// until the queue is through with it.
func (e *emulator) hand(q *queue) func(context.Context, *pubsub.Message) {
	return func(_ context.Context, m *pubsub.Message) {
		done := make(chan struct{})
		one := &message{id: m.ID, data: m.Data, attributes: m.Attributes, orderingKey: m.OrderingKey, published: m.PublishTime}
		q.accept(&item{message: one, done: func() { close(done) }})
		select {
		case <-done:
			m.Ack()
		case <-e.ctx.Done():
			m.Nack()
		}
	}
}

func (e *emulator) close() error {
	e.pulls.Wait()
	return e.client.Close()
}

func unlessExists(err error) error {
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	return err
}
