// Package reconcile makes the groups of one Key right: observe, desired, diff, apply. It is
// the only package that changes the cloud; everything else finds keys and publishes them.
//
// A look reads the cloud first and the cluster last: what another instance attaches
// between the two reads is attached again, which is harmless, while in the other order a
// live Pod would be detached. Additions run first. Before the first removal the cluster is
// read again and the plan made anew, and no removal is sent later than evidenceAge after
// the read that justifies it. A plan that deletes a group is made twice, a deletion grace
// apart.
//
// What a run wrote it knows, so it ends with one more read of the cluster alone: if that
// wants something else by now, the key is published once more. Each instance thus repairs
// what it wrote on evidence that went stale meanwhile, and a quiet change costs the
// Compute API nothing more.
//
// The package must not import Kubernetes, Compute or Pub/Sub: it declares the two small
// interfaces it needs.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// A Cluster is what a look reads of a Kubernetes cluster, and the two things it writes.
type Cluster interface {
	// UID reads the cluster's identity.
	UID(ctx context.Context) (string, error)
	// Service is nil when there is none.
	Service(ctx context.Context, k neg.Key) (*neg.Service, error)
	// Slices returns all EndpointSlices of the Service, or an error.
	Slices(ctx context.Context, k neg.Key) ([]neg.Slice, error)
	// Nodes may be a few minutes old unless fresh.
	Nodes(ctx context.Context, fresh bool) (map[string]neg.Node, error)
	IngressPorts(ctx context.Context, namespace string) ([]neg.IngressPort, error)
	// OtherWriter names what shows that another controller serves the Service; empty: none.
	OtherWriter(ctx context.Context, namespace, service string) (string, error)

	// Stopping is when Pods that are to stop were told so, by their names.
	Stopping(ctx context.Context, namespace string, selector map[string]string) (map[string]time.Time, error)

	// GKEGroups is what GKE's own controller says of the Service's groups in its objects.
	GKEGroups(ctx context.Context, namespace, service string) ([]neg.GKEGroup, error)

	// Probes is what the Pods' readinessProbes say, by Service port; empty: nobody knows.
	Probes(ctx context.Context, s *neg.Service) (map[int32]neg.Probe, error)

	// RemoveFinalizer takes a finalizer off the Service as it was read, and writes annotations.
	RemoveFinalizer(ctx context.Context, s *neg.Service, name string, annotations map[string]string) error
	// Annotate writes annotations; an empty value removes one.
	Annotate(ctx context.Context, s *neg.Service, values map[string]string) error
	Note(ctx context.Context, s *neg.Service, n neg.Note) error
}

// A Cloud is the groups, backend services and health checks of one project. What is done
// already is success.
type Cloud interface {
	// Owned lists the groups that carry the token, whole or not at all.
	Owned(ctx context.Context, token string) ([]neg.OwnedGroup, error)
	// LeftByGKE lists what GKE's own controller of a cluster that is gone left of a Service.
	LeftByGKE(ctx context.Context, uid, namespace, service string) ([]neg.ListedGroup, error)
	Endpoints(ctx context.Context, id neg.GroupID) (endpoints []neg.Endpoint, exists bool, err error)
	// Description is whose a group says that it is.
	Description(ctx context.Context, id neg.GroupID) (description string, exists bool, err error)
	// InstanceExists is asked of what a gone cluster left.
	InstanceExists(ctx context.Context, zone neg.Zone, name string) (bool, error)

	CreateGroup(ctx context.Context, id neg.GroupID, owner neg.Owner) error
	Attach(ctx context.Context, id neg.GroupID, endpoints []neg.Endpoint) ([]neg.Rejected, error)
	// Detach and DeleteGroup send nothing after notAfter.
	Detach(ctx context.Context, id neg.GroupID, endpoints []neg.Endpoint, notAfter time.Time) error
	DeleteGroup(ctx context.Context, id neg.GroupID, notAfter time.Time) error

	HealthCheck(ctx context.Context, id neg.HealthCheckID) (check neg.HealthCheck, exists bool, err error)
	// OwnedHealthChecks lists those whose description holds the token.
	OwnedHealthChecks(ctx context.Context, token string) ([]neg.HealthCheck, error)
	CreateHealthCheck(ctx context.Context, id neg.HealthCheckID, owner neg.Owner, f neg.Fields) error
	UpdateHealthCheck(ctx context.Context, id neg.HealthCheckID, f neg.Fields) error
	DeleteHealthCheck(ctx context.Context, id neg.HealthCheckID, notAfter time.Time) error

	// BackendService and BackendServices return all entries, whoever's, and fields.
	BackendService(ctx context.Context, id neg.BackendServiceID) (s neg.BackendService, exists bool, err error)
	BackendServices(ctx context.Context) ([]neg.BackendService, error)
	CreateBackendService(ctx context.Context, id neg.BackendServiceID, owner neg.Owner, f neg.Fields, check neg.HealthCheckID) error
	UpdateBackendService(ctx context.Context, id neg.BackendServiceID, f neg.Fields, check neg.HealthCheckID) error
	DeleteBackendService(ctx context.Context, id neg.BackendServiceID, notAfter time.Time) error
	// AddBackends, UpdateBackends and RemoveBackends change the entries with that mark.
	AddBackends(ctx context.Context, id neg.BackendServiceID, mark string, backends []neg.Backend) error
	UpdateBackends(ctx context.Context, id neg.BackendServiceID, mark string, backends []neg.Backend) error
	RemoveBackends(ctx context.Context, id neg.BackendServiceID, mark string, groups []neg.GroupID, notAfter time.Time) error
}

// A Scope is where a cluster's keys are reconciled: what the fleet file says of the
// cluster, the cluster itself, whose UID was checked, and its project's groups.
type Scope struct {
	UID     string
	Project string
	Zones   []neg.Zone
	Policy  plan.Policy
	// Skip is why negfleet does not reconcile this cluster; empty when it does.
	Skip string
	// Empty is why no key of the cluster is to have anything, whatever its Service asks: it
	// drains, or is gone. Empty itself: what each Service asks for counts.
	Empty string
	// Foreign: GKE's own controller keeps the groups; negfleet puts them into backend services.
	Foreign bool
	// Gone: Cluster is a Gone one, and what it left goes only where it serves nobody.
	Gone bool
	// GKE: what GKE's own controller left of a Gone cluster goes too.
	GKE     bool
	Cluster Cluster // nil for a skipped cluster that is gone
	Cloud   Cloud
}

// A Reconciler looks at keys.
type Reconciler struct {
	// Open returns the scope of a cluster of the fleet file.
	Open func(ctx context.Context, cluster string) (Scope, error)
	// Publish asks for another look at k.
	Publish func(ctx context.Context, k neg.Key, chain int) error
	Log     *slog.Logger
	Now     func() time.Time
	// Grace is how long a plan that deletes a group must stay the same.
	Grace time.Duration

	crowd    crowd
	fights   map[neg.Key]fight
	mu       sync.Mutex
	verified map[neg.Key]verified
	missing  map[neg.Key]time.Time // since when a group that GKE's controller names is not there
	leftover map[neg.Key]bool      // what nobody wants was seen or made, and not deleted; true: backends or health checks too
}

// maxChain is how many follow-up looks one change may cause before it is left to the sweep.
const maxChain = 3

// evidenceAge is how old the read that justifies a removal may be when the removal is sent.
// The promise is 10 s until it is accepted.
const evidenceAge = 8 * time.Second

// sliceWait is how long a look at a new Service waits for its first EndpointSlice. It is
// about the interval between two looks, so that waiting loses nothing.
const sliceWait = time.Second

// A Turn is one look's place in the order of looks at its key.
type Turn struct {
	Chain int
	// Began is called right before the first read of the cluster: what is reported until
	// then this look covers, what comes later is for the next one.
	Began func()
	// Rereads is called right before the cluster is read again: what came in until then
	// about the cluster, and not about the cloud, needs no look of its own.
	Rereads func()
	// Newer is closed when a later look at the same key is waiting.
	Newer <-chan struct{}
	// Thorough, asked after Began, tells whether all groups of the key must be looked for,
	// whatever the Service's status says. Nil is no.
	Thorough func() bool
}

// ErrSuperseded ends a look that waited out a grace when news of its key came: the next
// look decides afresh.
var ErrSuperseded = errors.New("superseded by a newer look")

// A Result is what a look found and did.
type Result struct {
	Planned []plan.Step // all that Diff asked for at first
	Taken   []plan.Step // what was done
	// Pods are those that have an endpoint in the EndpointSlices, as last read; nil when the
	// Service asks for no groups and they were not read.
	Pods map[string]Presence
	// Unready: some live endpoint waits for its containers or for a gate.
	Unready bool
	// Due is when the key must be looked at again though no event may tell of it; zero: it
	// need not.
	Due time.Time
	// Ended: there is no such Service, or it asks for no groups any more.
	Ended bool
	// Skipped: negfleet keeps no groups in the cluster, and did not look at any.
	Skipped bool
}

// A Presence is what EndpointSlices show of a Pod.
type Presence int

const (
	Absent      Presence = iota // no endpoint
	Terminating                 // endpoints that terminate
	Live                        // an endpoint that counts as live
)

// A Forecast is what a look at a key would find.
type Forecast struct {
	Steps    []plan.Step
	Problems []plan.Problem
	Policy   plan.Policy // what it would let a look do of the steps
	Skip     string      // why there would be no look at all; empty: there would
}

// Plan looks for all groups of k, observes and diffs, and writes nothing. With an error of
// outcome Blocked the forecast says what would be done were it not for that.
func (r *Reconciler) Plan(ctx context.Context, k neg.Key) (Forecast, error) {
	scope, err := r.open(ctx, k.Cluster)
	if err != nil {
		return Forecast{}, err
	}
	if scope.Cluster == nil {
		return Forecast{Skip: scope.Skip}, nil
	}
	turn := Turn{Began: func() {}, Rereads: func() {}, Thorough: func() bool { return true }}
	l := &look{r: r, key: k, scope: scope, turn: turn, log: r.Log}
	if err := l.observe(ctx); err != nil {
		return Forecast{}, err
	}
	steps := plan.Diff(l.desired, l.observed)
	return Forecast{steps, l.problems, l.policy, scope.Skip}, l.otherWriter(ctx, steps)
}

// Look makes k right, or says why not: see neg.OutcomeOf. What blocks it is also noted on
// the Service.
func (r *Reconciler) Look(ctx context.Context, k neg.Key, turn Turn) (Result, error) {
	log := r.Log.With("key", k.String(), "chain", turn.Chain)
	scope, err := r.open(ctx, k.Cluster)
	if err != nil {
		return Result{}, err
	}
	if scope.Skip != "" {
		log.InfoContext(ctx, "skipped", "why", scope.Skip)
		return Result{Skipped: true}, nil
	}
	l := &look{r: r, key: k, scope: scope, turn: turn, log: log}
	err = l.run(ctx)
	l.result.Pods, l.result.Unready = l.presences(), l.unready()
	l.result.Due = l.due()
	if errors.Is(err, ErrSuperseded) {
		return l.result, err
	}
	return l.result, errors.Join(err, l.note(ctx, err))
}

// A look is one observe, diff, apply of a Key.
type look struct {
	r     *Reconciler
	key   neg.Key
	scope Scope
	turn  Turn
	log   *slog.Logger

	in         plan.Input
	status     neg.Status
	policy     plan.Policy
	readAt     time.Time // when the newest read of the cluster began
	readSlices bool
	absent     map[neg.GroupID]bool // of GKE's groups: do not exist, or are not the Service's
	strange    []plan.Problem       // about those that are not
	custody    custody              // of a Service that autoneg has served
	services   []neg.BackendService // as read, the key's part
	checks     []neg.HealthCheck    // as read
	whole      bool                 // all backend services were read, not only those that the Service names
	observed   neg.State            // kept true to what this look writes
	desired    neg.State
	problems   []plan.Problem
	rejected   []neg.Rejected
	result     Result
}

// run is the sentence.
func (l *look) run(ctx context.Context) error {
	if err := l.observe(ctx); err != nil {
		return err
	}
	if err := l.awaitSlices(ctx); err != nil {
		return err
	}
	l.result.Planned = plan.Diff(l.desired, l.observed)
	steps := l.policy.Filter(l.result.Planned)
	l.logPlan(ctx, steps)
	if err := l.otherWriter(ctx, steps); err != nil {
		return err
	}
	if l.servedByGKE() != "" {
		return nil // it asks nothing of us, and what it has is not ours to write
	}
	if err := l.takeFinalizer(ctx); err != nil {
		return err
	}
	added := l.apply(ctx, additions(steps))
	removed := l.remove(ctx, added == nil)
	defer l.noteLeftover()
	if errors.Is(removed, ErrSuperseded) {
		return errors.Join(added, removed)
	}
	err := errors.Join(added, removed, l.writeStatus(ctx), l.followUp(ctx))
	l.noticeFight()
	if err != nil {
		return err
	}
	return l.release(ctx)
}

// logPlan writes each step as "negfleet plan" prints it, endpoints counted.
func (l *look) logPlan(ctx context.Context, taken []plan.Step) {
	for _, s := range l.result.Planned {
		l.log.InfoContext(ctx, s.Headline(), "step", s.Op.String(), "target", s.Target(), "policy", l.policy.String(), "write", contains(taken, s))
	}
	for _, p := range l.problems {
		l.log.WarnContext(ctx, p.Message, "reason", p.Reason)
	}
}

func contains(steps []plan.Step, s plan.Step) bool {
	for _, t := range steps {
		if t.Op == s.Op && t.Target() == s.Target() {
			return true
		}
	}
	return false
}
