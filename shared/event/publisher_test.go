package event

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"github.com/google/go-cmp/cmp"
	"github.com/negfleet/negfleet/shared/neg"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// broker is a Pub/Sub server with the topic negfleet-keys, and a publisher to it.
func broker(t *testing.T, o PublisherOptions, server ...pstest.ServerReactorOption) (*pstest.Server, *Publisher) {
	t.Helper()
	s := pstest.NewServerWithAddress("127.0.0.1:0", server...)
	t.Cleanup(func() { s.Close() })
	topic := &pubsubpb.Topic{Name: "projects/demo/topics/" + TopicKeys}
	if _, err := s.GServer.CreateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	o.Project = "demo"
	o.Client = []option.ClientOption{
		option.WithEndpoint(s.Addr), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
	p := NewPublisher(o)
	t.Cleanup(func() { p.Close() })
	return s, p
}

func TestPublishWaitsForTheService(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%v", ordered), func(t *testing.T) {
			s, p := broker(t, PublisherOptions{Ordered: ordered})
			second := example
			second.Key.Service = "cart"
			ctx := WithTraceparent(t.Context(), exampleTrace)
			if err := p.Publish(ctx, TopicKeys, example, second); err != nil {
				t.Fatal(err)
			}
			messages := s.Messages()
			if len(messages) != 2 {
				t.Fatalf("%d messages after Publish returned, want 2", len(messages))
			}
			got := map[string]bool{}
			for _, m := range messages {
				decoded, err := DecodeMessage(m.Data)
				if err != nil {
					t.Fatal(err)
				}
				got[decoded.Key.String()] = true
				if m.Attributes["traceparent"] != exampleTrace || m.Attributes["service"] != decoded.Key.Service {
					t.Errorf("attributes %v", m.Attributes)
				}
				if want := decoded.Key.String(); ordered != (m.OrderingKey == want) {
					t.Errorf("ordering key %q, ordered %v", m.OrderingKey, ordered)
				}
			}
			if want := map[string]bool{"prod-eu/shop/web": true, "prod-eu/shop/cart": true}; !cmp.Equal(want, got) {
				t.Errorf("published %v", got)
			}
		})
	}
}

func TestPublishSendsTheValidOnes(t *testing.T) {
	s, p := broker(t, PublisherOptions{})
	bad := example
	bad.Key.Cluster = ""
	err := p.Publish(t.Context(), TopicKeys, bad, example)
	if neg.OutcomeOf(err) != neg.Blocked {
		t.Errorf("error %v, want one of outcome blocked", err)
	}
	if got := len(s.Messages()); got != 1 {
		t.Errorf("%d messages, want the valid one", got)
	}
}

func TestPublishReportsAFailure(t *testing.T) {
	_, p := broker(t, PublisherOptions{}, pstest.WithErrorInjection("Publish", codes.PermissionDenied, "denied"))
	if err := p.Publish(t.Context(), TopicKeys, example); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("error %v, want one of outcome again: acknowledging would lose the key", err)
	}
}

// once refuses the first publish.
type once struct{ sync.Once }

func (o *once) React(any) (handled bool, ret any, err error) {
	o.Do(func() {
		handled, ret, err = true, &pubsubpb.PublishResponse{}, status.Error(codes.PermissionDenied, "refused")
	})
	return handled, ret, err
}

func TestAFailureDoesNotPauseItsOrderingKey(t *testing.T) {
	refuse := pstest.ServerReactorOption{FuncName: "Publish", Reactor: &once{}}
	_, p := broker(t, PublisherOptions{Ordered: true}, refuse)
	if err := p.Publish(t.Context(), TopicKeys, example); err == nil {
		t.Fatal("the first publish succeeded")
	}
	if err := p.Publish(t.Context(), TopicKeys, example); err != nil {
		t.Errorf("the second publish: %v", err)
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	_, p := broker(t, PublisherOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Publish(ctx, TopicKeys, example); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("error %v, want one of outcome again", err)
	}
}

func TestPublishOfNothingDoesNotConnect(t *testing.T) {
	p := NewPublisher(PublisherOptions{})
	if err := p.Publish(t.Context(), TopicKeys); err != nil {
		t.Error(err)
	}
	if p.client != nil {
		t.Error("connected for nothing")
	}
	if err := p.Publish(t.Context(), TopicKeys, example); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("error %v without a project, want one of outcome again", err)
	}
}

func BenchmarkPublish(b *testing.B) {
	s := pstest.NewServerWithAddress("127.0.0.1:0")
	defer s.Close()
	if _, err := s.GServer.CreateTopic(b.Context(), &pubsubpb.Topic{Name: "projects/demo/topics/" + TopicKeys}); err != nil {
		b.Fatal(err)
	}
	p := NewPublisher(PublisherOptions{Project: "demo", Client: []option.ClientOption{
		option.WithEndpoint(s.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}})
	defer p.Close()
	var slowest time.Duration
	for b.Loop() {
		start := time.Now()
		if err := p.Publish(b.Context(), TopicKeys, example); err != nil {
			b.Fatal(err)
		}
		slowest = max(slowest, time.Since(start))
	}
	b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest")
}
