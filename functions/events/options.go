package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/caller"
	"github.com/negfleet/negfleet/shared/event"
)

// Fleet is what is known of the fleet file's clusters. Its methods must not block: they
// are asked for every entry.
type Fleet interface {
	// ClusterOf returns the fleet's name of a Google Cloud cluster.
	ClusterOf(project, location, name string) (string, bool)
	// Known reports whether the fleet has a cluster of that name.
	Known(cluster string) bool
	// Identities are negfleet's own, as control planes log them.
	Identities() []string
}

// Services are live reads of one cluster. An error of outcome blocked (a cluster that is
// down) leaves the question to the sweep; any other makes the batch come again.
type Services interface {
	// IngressServices lists a namespace's Services whose NEG annotation has ingress:true.
	IngressServices(ctx context.Context, cluster, namespace string) ([]string, error)
	// ServicesIn lists a namespace's Services.
	ServicesIn(ctx context.Context, cluster, namespace string) ([]string, error)
	// Selectors lists a namespace's Services with a NEG annotation by what they select;
	// those without a selector are left out.
	Selectors(ctx context.Context, cluster, namespace string) (map[string]map[string]string, error)
	// ServiceOfSlice returns the Service of an EndpointSlice, false if there is none.
	ServiceOfSlice(ctx context.Context, cluster, namespace, slice string) (string, bool, error)
}

// Publisher is event.Publisher's half that is used here.
type Publisher interface {
	Publish(ctx context.Context, topic string, messages ...event.Message) error
	PublishClusters(ctx context.Context, messages ...event.ClusterMessage) error
}

// Options are a handler's parts.
type Options struct {
	Accept    Accept
	Keys      caller.Keys // of the audit path; may be empty when Accept.Audit is false
	Fleet     Fleet
	Services  Services
	Publisher Publisher
	Project   string // of the logs' traces; may be empty
	Log       *slog.Logger
	// ReadTimeout ends the live reads of one batch, half of it a single one; 10 s when
	// zero. A kube-apiserver gives up on a batch after 30 s.
	ReadTimeout time.Duration
	// MaxBatch bounds an audit batch; 32 MB when zero, the platform's limit of a request.
	MaxBatch int64
}

const (
	defaultReadTimeout = 10 * time.Second
	defaultMaxBatch    = 32 << 20
)

// Accept says which shapes a deployment answers.
type Accept struct{ Push, Audit bool }

// ParseAccept reads NEGFLEET_EVENTS_ACCEPT: push, audit or all, or a comma list of them.
// Empty is push: what is public must be asked for.
func ParseAccept(s string) (Accept, error) {
	var a Accept
	if strings.TrimSpace(s) == "" {
		return Accept{Push: true}, nil
	}
	for word := range strings.SplitSeq(s, ",") {
		switch strings.TrimSpace(word) {
		case "push":
			a.Push = true
		case "audit":
			a.Audit = true
		case "all":
			a = Accept{Push: true, Audit: true}
		default:
			return Accept{}, fmt.Errorf("NEGFLEET_EVENTS_ACCEPT %q: want push, audit or all", s)
		}
	}
	return a, nil
}

// New returns the handler that Options describe.
func New(o Options) (http.Handler, error) {
	if o.Fleet == nil || o.Services == nil || o.Publisher == nil || o.Log == nil {
		return nil, errors.New("build events handler: Fleet, Services, Publisher and Log are required")
	}
	if _, err := o.Keys.Sign("any"); o.Accept.Audit && err != nil {
		return nil, errors.New("NEGFLEET_CALLER_KEYS: missing; want the keys of the audit path")
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = defaultReadTimeout
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = defaultMaxBatch
	}
	return &handler{
		Options:   o,
		selectors: &selectors{read: o.Services.Selectors, now: time.Now, timeout: o.ReadTimeout / 2},
		drops:     &tally{now: time.Now},
	}, nil
}
