package admission

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	fleets "github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/neg"
)

// FromEnv makes the handler that the environment describes. It calls nobody. A fleet file
// that is missing or wrong is told in every answer, and does not keep answers from being
// given.
func FromEnv(getenv func(string) string, log *slog.Logger) (*Handler, error) {
	env, err := config.ReadEnv(getenv)
	if err := errors.Join(err, env.Function()); err != nil {
		return nil, err
	}
	keys, err := caller.ParseKeys(env.CallerKeys)
	if err != nil {
		return nil, err
	}
	google := fleets.Google{ContainerEndpoint: env.ContainerEndpoint, GatewayEndpoint: env.GatewayEndpoint}
	fleet := &fleet{open: func() (*fleets.Fleet, error) {
		return fleets.New(env.FleetFile, log, time.Now, fleets.WithGoogle(google))
	}}
	publisher := event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys})
	return New(Options{
		Keys: keys, Policy: fleet.policy, Reads: newReads(fleet.config, time.Now),
		Publish: publisher.Publish, Log: log, Project: env.PubSubProject, Now: time.Now,
	})
}

// fleet is the fleet file's, opened when it is first asked for and can be.
type fleet struct {
	open func() (*fleets.Fleet, error)

	mu     sync.Mutex
	opened *fleets.Fleet
}

func (f *fleet) get() (*fleets.Fleet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.opened == nil {
		opened, err := f.open()
		if err != nil {
			return nil, neg.Block(ReasonFleetFile, "%w", err)
		}
		f.opened = opened
	}
	return f.opened, nil
}

// config is the way to a cluster that has proved who it is.
func (f *fleet) config(ctx context.Context, cluster string) (*rest.Config, error) {
	opened, err := f.get()
	if err != nil {
		return nil, err
	}
	_, config, err := opened.Config(ctx, cluster)
	return config, err
}

func (f *fleet) entry(cluster string) (config.Cluster, error) {
	opened, err := f.get()
	if err != nil {
		return config.Cluster{}, err
	}
	file, err := opened.File()
	if err != nil {
		return config.Cluster{}, neg.Block(ReasonFleetFile, "%w", err)
	}
	c, ok := file.Cluster(cluster)
	if !ok {
		return config.Cluster{}, neg.Block(ReasonClusterUnknown, "cluster %s is not in the fleet file", cluster)
	}
	return c, nil
}

// policy is what the fleet file says of a namespace. What is off stays off: an observed
// cluster is not written to, and in one that is not active nobody opens gates.
func (f *fleet) policy(cluster, namespace string) (mutate.Policy, error) {
	c, err := f.entry(cluster)
	if err != nil {
		return mutate.Policy{}, err
	}
	rule := c.Inject.For(namespace)
	p := mutate.Policy{
		Cluster: c.Name, Gate: neg.GateNEG, Drain: rule.Drain,
		Expose: mutate.Expose{Mode: modes[rule.Services], Ports: rule.Ports, Name: rule.GroupName},
	}
	switch {
	case c.State != "active":
		p.Off = "state: " + c.State
	case c.Policy == "observe":
		p.Off = "policy: observe"
	}
	if c.NEGs == "gke" {
		// The groups are GKE's, and so are the annotation and the first gate.
		p.Gate, p.Expose.Mode = neg.GateLoadBalancer, mutate.None
	}
	return p, nil
}

var modes = map[config.Expose]mutate.Mode{
	config.ExposeIngress: mutate.Ingress, config.ExposePorts: mutate.Ports, config.ExposeNone: mutate.None,
}
