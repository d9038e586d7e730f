// Package sweep is the entry of the sweep function. Cloud Scheduler calls it for the whole
// fleet and is answered with a report; a Pub/Sub push to /clusters names one cluster. It
// decodes, calls, publishes and answers; what is found and why is in shared/sweep. It
// changes nothing but the Leases that say that something is alive to open gates.
package sweep

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/lazy"
	"github.com/negfleet/negfleet/shared/scope"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// budget bounds a run, under the 600 s ack deadline of the subscription.
const budget = 500 * time.Second

// Holder is who renews the Leases.
const Holder = "negfleet-sweep"

// Deliveries come in as plain HTTP, as in reconcile.
func init() { functions.HTTP("Sweep", lazy.Of(FromEnv).ServeHTTP) }

// A Function answers the Scheduler and deliveries.
type Function struct {
	Scopes  *scope.Scopes
	Publish func(ctx context.Context, topic string, messages ...event.Message) error
	// PublishClusters asks for runs about one cluster each.
	PublishClusters func(ctx context.Context, messages ...event.ClusterMessage) error

	Budget  int // orphaned keys a run
	Log     *slog.Logger
	Project string // of the logs
	Now     func() time.Time
}

// FromEnv makes the function that the environment describes. It calls nobody.
func FromEnv(getenv func(string) string, log *slog.Logger) (*Function, error) {
	env, err := config.ReadEnv(getenv)
	if err := errors.Join(err, env.Function()); err != nil {
		return nil, err
	}
	scopes, err := scope.New(env, log, time.Now)
	if err != nil {
		return nil, err
	}
	publisher := event.NewPublisher(event.PublisherOptions{Project: env.PubSubProject, Ordered: env.OrderingKeys})
	return &Function{Scopes: scopes, Publish: publisher.Publish, PublishClusters: publisher.PublishClusters, Budget: env.SweepBudget, Log: log, Project: env.PubSubProject, Now: time.Now}, nil
}

// ServeHTTP sweeps the fleet, or looks at the cluster that a message to /clusters names.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(telemetry.WithTrace(r.Context(), r.Header), budget)
	defer cancel()
	switch {
	case r.URL.Path == "/clusters":
		f.cluster(ctx, w, r)
	case r.URL.Path != "/" && r.URL.Path != "":
		http.NotFound(w, r)
	case r.Method != http.MethodPost:
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
	default:
		f.fleet(ctx, w, r)
	}
}
