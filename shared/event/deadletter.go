package event

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// deadLetterAttributes starts the names of what Pub/Sub adds to a message when it gives up
// (https://docs.cloud.google.com/pubsub/docs/dead-letter-topics). The source topic is none
// of them.
const deadLetterAttributes = "CloudPubSubDeadLetterSource"

// A DeadLetter is a message that was retried in vain.
type DeadLetter struct {
	ID           string
	Data         []byte
	Attributes   map[string]string // as published, without what Pub/Sub added
	OrderingKey  string
	Subscription string // projects/P/subscriptions/S that gave up; empty when nothing says
	Attempts     int
	Published    time.Time // at first

	ack string
}

// Message decodes the letter's data; see DecodeMessage.
func (l DeadLetter) Message() (Message, error) { return DecodeMessage(l.Data) }

// A DeadLetterBox is a pull subscription of a dead-letter topic. What is pulled and not
// acknowledged comes back when the subscription's ack deadline is over, or by Release.
type DeadLetterBox struct {
	client       *pubsub.Client
	project      string
	subscription string // full name
	topics       map[string]string
}

// OpenDeadLetterBox connects to a subscription, given by its id. PUBSUB_EMULATOR_HOST is
// honoured.
func OpenDeadLetterBox(ctx context.Context, project, subscription string, options ...option.ClientOption) (*DeadLetterBox, error) {
	client, err := pubsub.NewClient(ctx, project, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to Pub/Sub: %w", err)
	}
	name := "projects/" + project + "/subscriptions/" + subscription
	return &DeadLetterBox{client: client, project: project, subscription: name, topics: map[string]string{}}, nil
}

// Close ends the connection.
func (b *DeadLetterBox) Close() error { return b.client.Close() }

// Pull returns up to most letters, none when none came within patience. Pub/Sub may hold
// more than it hands over.
func (b *DeadLetterBox) Pull(ctx context.Context, most int, patience time.Duration) ([]DeadLetter, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request := &pubsubpb.PullRequest{Subscription: b.subscription, MaxMessages: int32(most)}
	answer, err := b.client.SubscriptionAdminClient.Pull(waiting, request)
	if err != nil && ctx.Err() == nil && (waiting.Err() != nil || status.Code(err) == codes.DeadlineExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pull from %s: %w", b.subscription, err)
	}
	letters := make([]DeadLetter, 0, len(answer.ReceivedMessages))
	for _, m := range answer.ReceivedMessages {
		letters = append(letters, b.letter(m))
	}
	return letters, nil
}

func (b *DeadLetterBox) letter(m *pubsubpb.ReceivedMessage) DeadLetter {
	source := func(name string) string { return m.Message.Attributes[deadLetterAttributes+name] }
	l := DeadLetter{
		ID: m.Message.MessageId, Data: m.Message.Data, OrderingKey: m.Message.OrderingKey,
		Attributes: map[string]string{}, Published: parseTime(source("TopicPublishTime")), ack: m.AckId,
	}
	l.Attempts, _ = strconv.Atoi(source("DeliveryCount"))
	if id := source("Subscription"); id != "" {
		l.Subscription = "projects/" + cmp.Or(source("SubscriptionProject"), b.project) + "/subscriptions/" + id
	}
	maps.Copy(l.Attributes, m.Message.Attributes)
	maps.DeleteFunc(l.Attributes, func(name, _ string) bool { return strings.HasPrefix(name, deadLetterAttributes) })
	return l
}

// Topic finds where a letter was published: at the topic of the subscription that gave up.
func (b *DeadLetterBox) Topic(ctx context.Context, l DeadLetter) (string, error) {
	if l.Subscription == "" {
		return "", fmt.Errorf("message %s does not say which subscription gave up; publish it by hand", l.ID)
	}
	if topic, ok := b.topics[l.Subscription]; ok {
		return topic, nil
	}
	s, err := b.client.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: l.Subscription})
	if err != nil {
		return "", fmt.Errorf("find the topic of %s: %w", l.Subscription, err)
	}
	if s.Topic == "_deleted-topic_" {
		return "", fmt.Errorf("the topic of %s is deleted; create it, or publish message %s by hand", l.Subscription, l.ID)
	}
	b.topics[l.Subscription] = s.Topic
	return s.Topic, nil
}

// Republish publishes a letter as it was, and acknowledges it when that has succeeded.
func (b *DeadLetterBox) Republish(ctx context.Context, topic string, l DeadLetter) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m := &pubsubpb.PubsubMessage{Data: l.Data, Attributes: l.Attributes, OrderingKey: l.OrderingKey}
	if _, err := b.client.TopicAdminClient.Publish(ctx, &pubsubpb.PublishRequest{Topic: topic, Messages: []*pubsubpb.PubsubMessage{m}}); err != nil {
		return fmt.Errorf("publish message %s to %s: %w", l.ID, topic, err)
	}
	request := &pubsubpb.AcknowledgeRequest{Subscription: b.subscription, AckIds: []string{l.ack}}
	if err := b.client.SubscriptionAdminClient.Acknowledge(ctx, request); err != nil {
		return fmt.Errorf("message %s is published and could not be acknowledged, so it will come again: %w", l.ID, err)
	}
	return nil
}

// Hold keeps letters from coming back for d, at most ten minutes.
func (b *DeadLetterBox) Hold(ctx context.Context, d time.Duration, letters ...DeadLetter) error {
	request := &pubsubpb.ModifyAckDeadlineRequest{Subscription: b.subscription, AckDeadlineSeconds: int32(d.Seconds())}
	for _, l := range letters {
		request.AckIds = append(request.AckIds, l.ack)
	}
	if len(letters) == 0 {
		return nil
	}
	if err := b.client.SubscriptionAdminClient.ModifyAckDeadline(ctx, request); err != nil {
		return fmt.Errorf("extend the deadline of %d messages of %s: %w", len(letters), b.subscription, err)
	}
	return nil
}

// Release hands letters back.
func (b *DeadLetterBox) Release(ctx context.Context, letters ...DeadLetter) error {
	return b.Hold(ctx, 0, letters...)
}
