package events

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// wire builds the handler from the environment. It calls nobody.
func wire() (http.Handler, error) {
	log := telemetry.Logger()
	env, err := config.ReadEnv(os.Getenv)
	if err := errors.Join(err, env.Function()); err != nil {
		return nil, err
	}
	accept, err := ParseAccept(env.Accept)
	if err != nil {
		return nil, err
	}
	var keys caller.Keys
	if accept.Audit {
		if keys, err = caller.ParseKeys(env.CallerKeys); err != nil {
			return nil, err
		}
	}
	f, err := fleet.New(env.FleetFile, log, time.Now)
	if err != nil {
		return nil, err
	}
	return New(Options{
		Accept: accept, Keys: keys, Log: log, Project: env.PubSubProject,
		Fleet: clusters{f, env.Identities}, Services: services{f},
		Publisher: event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys}),
	})
}

// clusters answers from the fleet file alone.
type clusters struct {
	fleet      *fleet.Fleet
	identities []string
}

// ClusterOf finds the entry of a Google Cloud cluster. The fleet file knows clusters by
// name and project, so a name is used once in a project.
func (c clusters) ClusterOf(project, _, name string) (string, bool) {
	file, err := c.fleet.File()
	if err != nil {
		return "", false
	}
	entry, ok := file.Cluster(name)
	return name, ok && entry.Project == project
}

func (c clusters) Known(cluster string) bool {
	file, err := c.fleet.File()
	if err != nil {
		return false
	}
	_, ok := file.Cluster(cluster)
	return ok
}

func (c clusters) Identities() []string { return c.identities }

// services reads the clusters.
type services struct{ fleet *fleet.Fleet }

func (s services) open(ctx context.Context, cluster string) (*kube.Cluster, error) {
	_, client, err := s.fleet.Cluster(ctx, cluster)
	return client, err
}

func (s services) IngressServices(ctx context.Context, cluster, namespace string) ([]string, error) {
	return s.annotated(ctx, cluster, namespace, true)
}

func (s services) ServicesIn(ctx context.Context, cluster, namespace string) ([]string, error) {
	return s.annotated(ctx, cluster, namespace, false)
}

func (s services) annotated(ctx context.Context, cluster, namespace string, ingressOnly bool) ([]string, error) {
	client, err := s.open(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return client.AnnotatedServices(ctx, namespace, ingressOnly)
}

func (s services) ServiceOfSlice(ctx context.Context, cluster, namespace, slice string) (string, bool, error) {
	client, err := s.open(ctx, cluster)
	if err != nil {
		return "", false, err
	}
	return client.ServiceOfSlice(ctx, namespace, slice)
}
