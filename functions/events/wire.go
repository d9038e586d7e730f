package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	fleets "github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
)

// FromEnv makes the handler that the environment describes. It calls nobody.
func FromEnv(getenv func(string) string, log *slog.Logger) (http.Handler, error) {
	env, err := config.ReadEnv(getenv)
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
	f, err := fleets.New(env.FleetFile, log, time.Now, fleets.WithGoogle(fleets.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}))
	if err != nil {
		return nil, err
	}
	return New(Options{
		Accept: accept, Keys: keys, Log: log, Project: env.PubSubProject,
		Fleet: fleetClusters{f, env.Identities}, Services: liveServices{f},
		Publisher: event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys}),
	})
}

// fleetClusters answers from the fleet file alone.
type fleetClusters struct {
	fleet      *fleets.Fleet
	identities []string
}

// ClusterOf finds the entry of a GKE cluster.
func (c fleetClusters) ClusterOf(project, location, name string) (string, bool) {
	file, err := c.fleet.File()
	if err != nil {
		return "", false
	}
	entry, ok := file.ByResource(neg.GKECluster{Project: project, Location: location, Name: name})
	return entry.Name, ok
}

func (c fleetClusters) Known(cluster string) bool {
	file, err := c.fleet.File()
	if err != nil {
		return false
	}
	_, ok := file.Cluster(cluster)
	return ok
}

func (c fleetClusters) Identities() []string { return c.identities }

// liveServices reads the clusters.
type liveServices struct{ fleet *fleets.Fleet }

func (s liveServices) open(ctx context.Context, cluster string) (*kube.Cluster, error) {
	_, client, err := s.fleet.Cluster(ctx, cluster)
	return client, err
}

func (s liveServices) IngressServices(ctx context.Context, cluster, namespace string) ([]string, error) {
	return s.annotated(ctx, cluster, namespace, true)
}

func (s liveServices) ServicesIn(ctx context.Context, cluster, namespace string) ([]string, error) {
	return s.annotated(ctx, cluster, namespace, false)
}

func (s liveServices) annotated(ctx context.Context, cluster, namespace string, ingressOnly bool) ([]string, error) {
	client, err := s.open(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return client.AnnotatedServices(ctx, namespace, ingressOnly)
}

func (s liveServices) Selectors(ctx context.Context, cluster, namespace string) (map[string]map[string]string, error) {
	client, err := s.open(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return client.Selectors(ctx, namespace)
}

func (s liveServices) ServiceOfSlice(ctx context.Context, cluster, namespace, slice string) (string, bool, error) {
	client, err := s.open(ctx, cluster)
	if err != nil {
		return "", false, err
	}
	return client.ServiceOfSlice(ctx, namespace, slice)
}
