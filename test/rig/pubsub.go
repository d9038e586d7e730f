package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox/pubsub"
)

// Subscription is the name of the keys' push subscription.
const Subscription = "keys"

func (r *Rig) startPubSub(t testing.TB) {
	t.Helper()
	sub := r.options.Push
	sub.Topic, sub.Name = event.TopicKeys, Subscription
	sub.Endpoint = r.serve(t, http.HandlerFunc(r.deliver))
	var err error
	r.PubSub, err = pubsub.Start(t.Context(), pubsub.Options{Project: r.options.Project, Topics: []string{event.TopicGates}, Subscriptions: []pubsub.Subscription{sub}, Log: r.options.Log})
	if err == nil {
		err = publishing.add(r.options.Project, r.PubSub)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		publishing.remove(r.options.Project)
		if err := r.PubSub.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Publish asks for a look at a key, as the sources of events do.
func (r *Rig) Publish(ctx context.Context, k neg.Key, source string) error {
	return r.PublishMessage(ctx, event.Message{Key: k, Reason: source, Source: source, Observed: time.Now()})
}

// PublishMessage publishes a message about a key, in order where the subscription keeps it.
func (r *Rig) PublishMessage(ctx context.Context, m event.Message) error {
	data, attributes, err := event.Encode(m)
	if err != nil {
		return err
	}
	key := ""
	if r.options.Push.Ordering {
		key = m.Key.String()
	}
	return r.PubSub.PublishOrdered(ctx, event.TopicKeys, data, attributes, key)
}

// publishing is where all functions of this process publish: client libraries take the
// stand-in's address from the one environment, and the project in a topic's name tells
// which rig is meant.
var publishing router

type router struct {
	pubsubpb.UnimplementedPublisherServer
	start   sync.Once
	failed  error
	mu      sync.Mutex
	servers map[string]*pubsub.Server
}

func (p *router) add(project string, s *pubsub.Server) error {
	p.start.Do(func() { p.failed = p.listen() })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.servers == nil {
		p.servers = map[string]*pubsub.Server{}
	}
	p.servers[project] = s
	return p.failed
}

func (p *router) remove(project string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.servers, project)
}

func (p *router) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(s, p)
	go s.Serve(l)
	return os.Setenv("PUBSUB_EMULATOR_HOST", l.Addr().String())
}

// Publish implements the service for the one call that publishers make.
func (p *router) Publish(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	parts := strings.Split(r.Topic, "/")
	if len(parts) != 4 {
		return nil, fmt.Errorf("topic %q", r.Topic)
	}
	p.mu.Lock()
	s := p.servers[parts[1]]
	p.mu.Unlock()
	if s == nil {
		return nil, fmt.Errorf("no rig is project %q", parts[1])
	}
	answer := &pubsubpb.PublishResponse{}
	for i, m := range r.Messages {
		if err := s.PublishOrdered(ctx, parts[3], m.Data, m.Attributes, m.OrderingKey); err != nil {
			return nil, err
		}
		answer.MessageIds = append(answer.MessageIds, fmt.Sprint(i))
	}
	return answer, nil
}
