package event

import (
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestSubscriptions: those that are there, with their settings; the others are not.
func TestSubscriptions(t *testing.T) {
	server := pstest.NewServerWithAddress("127.0.0.1:0")
	t.Cleanup(func() { server.Close() })
	const topic, dead = "projects/p1/topics/negfleet-keys", "projects/p1/topics/negfleet-dead"
	for _, name := range []string{topic, dead} {
		if _, err := server.GServer.CreateTopic(t.Context(), &pubsubpb.Topic{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := server.GServer.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name: "projects/p1/subscriptions/negfleet-keys-reconcile", Topic: topic, AckDeadlineSeconds: 600, PushConfig: &pubsubpb.PushConfig{PushEndpoint: "http://127.0.0.1:1/"},
		RetryPolicy:      &pubsubpb.RetryPolicy{MinimumBackoff: durationpb.New(time.Second), MaximumBackoff: durationpb.New(time.Minute)},
		DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := []option.ClientOption{
		option.WithEndpoint(server.Addr), option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
	got, err := Subscriptions(t.Context(), "p1", []string{"negfleet-keys-reconcile", "negfleet-gates-readiness"}, client...)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Subscription{"negfleet-keys-reconcile": {
		Topic: topic, Endpoint: "http://127.0.0.1:1/", AckDeadline: 600 * time.Second, MinBackoff: time.Second, MaxBackoff: time.Minute, DeadLetterTopic: dead, MaxAttempts: 20,
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	down := pstest.NewServerWithAddress("127.0.0.1:0", pstest.WithErrorInjection("GetSubscription", codes.PermissionDenied, "denied"))
	t.Cleanup(func() { down.Close() })
	client[0] = option.WithEndpoint(down.Addr)
	if _, err := Subscriptions(t.Context(), "p1", []string{"negfleet-keys-reconcile"}, client...); err == nil {
		t.Error("refused, and no error")
	}
}
