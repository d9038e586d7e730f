package event

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A Subscription is how messages of a topic are delivered.
type Subscription struct {
	Topic                  string // full name
	Endpoint               string // empty: pull
	AckDeadline            time.Duration
	MinBackoff, MaxBackoff time.Duration // zero: no retry policy
	DeadLetterTopic        string        // full name
	MaxAttempts            int
}

// Subscriptions reads those of some ids that there are. PUBSUB_EMULATOR_HOST is honoured.
func Subscriptions(ctx context.Context, project string, ids []string, options ...option.ClientOption) (map[string]Subscription, error) {
	client, err := pubsub.NewClient(ctx, project, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to Pub/Sub: %w", err)
	}
	defer client.Close()
	found := map[string]Subscription{}
	for _, id := range ids {
		name := "projects/" + project + "/subscriptions/" + id
		got, err := client.SubscriptionAdminClient.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: name})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", name, err)
		}
		found[id] = Subscription{
			Topic: got.Topic, Endpoint: got.GetPushConfig().GetPushEndpoint(), AckDeadline: time.Duration(got.AckDeadlineSeconds) * time.Second,
			MinBackoff: got.GetRetryPolicy().GetMinimumBackoff().AsDuration(), MaxBackoff: got.GetRetryPolicy().GetMaximumBackoff().AsDuration(),
			DeadLetterTopic: got.GetDeadLetterPolicy().GetDeadLetterTopic(), MaxAttempts: int(got.GetDeadLetterPolicy().GetMaxDeliveryAttempts()),
		}
	}
	return found, nil
}
