package readiness

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Follower follows keys while Pods of theirs wait for gates, many keys at once.
type Follower struct {
	// Open returns the scope of a cluster of the fleet file.
	Open func(ctx context.Context, cluster string) (Scope, error)
	// Reconcile asks for a look at a key whose live endpoints are not all attached.
	Reconcile func(ctx context.Context, k neg.Key) error
	// Again asks for another delivery of a key, when this one's budget is used up.
	Again func(ctx context.Context, k neg.Key) error
	Log   *slog.Logger
	Rules Rules // where the scope has none
	// Budget bounds the following of a key in one delivery, well under its ack deadline.
	Budget time.Duration
	// Listings is how many calls that list a group are made each second in each region of a
	// project, at most, but for a burst of twice as many.
	Listings float64
	Now      func() time.Time
	After    func(time.Duration) <-chan time.Time

	mu      sync.Mutex
	follows map[neg.Key]*follow
	rates   map[region]*rate
	crowds  map[string]chan struct{}

	exposed  kept[neg.Key, []neg.Service]
	listings kept[inProject[neg.GroupID], *Group]
	services kept[inProject[neg.BackendServiceID], foundService]
	leases   kept[string, struct{}]
	nodes    kept[string, nodeList]
	objects  kept[neg.Key, []neg.GKEGroup]
	attached kept[string, time.Time] // by UID of a Pod
}

// New returns a follower with the real clock, which needs Open, Reconcile and Again.
func New(budget time.Duration, log *slog.Logger) *Follower {
	return &Follower{Log: log, Rules: DefaultRules, Budget: budget, Listings: listingsPerSecond, Now: time.Now, After: time.After}
}

// listingsPerSecond leaves reconcile and others the better part of the 1,500 a minute that
// a project has in a region unless it asks for more
// (https://cloud.google.com/compute/docs/api-rate-limits).
const listingsPerSecond = 12

// callTimeout bounds a call of a look, retries included. Waiting for the allowance of listings
// is no part of it: when many keys wait, that alone takes longer.
const callTimeout = 30 * time.Second

// A follow is the one loop of a key in this instance.
type follow struct {
	news chan struct{} // full when a delivery came since the last look began

	newsAt   time.Time // when a delivery came
	changed  time.Time // when a verdict changed
	gates    map[gateID]neg.Gate
	last     time.Duration // the pause before the look that runs
	failures int           // looks in a row that got no answer
	failing  time.Time     // since when
	strayed  map[neg.Key]*stray
}

// A stray is a Service with a live endpoint in no group.
type stray struct {
	due   time.Time // when reconcile is asked
	pause time.Duration
}

// Follow stays with k until no gate of it waits, nothing has moved for long, or the budget
// is used up. A second delivery of a key is answered at once: it brings the next look
// forward, and the first stands for it.
func (f *Follower) Follow(ctx context.Context, k neg.Key) error {
	fl, first := f.join(k)
	if !first {
		return nil
	}
	defer f.leave(k, fl, true) // after a panic too: the platform answers it, and the instance lives on
	return f.stay(ctx, k, fl)
}

func (f *Follower) join(k neg.Key) (fl *follow, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.follows[k]; fl != nil {
		select {
		case fl.news <- struct{}{}:
		default:
		}
		return fl, false
	}
	if f.follows == nil {
		f.follows = map[neg.Key]*follow{}
	}
	fl = &follow{news: make(chan struct{}, 1), newsAt: f.Now(), gates: map[gateID]neg.Gate{}, strayed: map[neg.Key]*stray{}}
	f.follows[k] = fl
	return fl, true
}

// leave ends a follow and tells whether it did: not while there are news that no look has
// covered, unless anyway.
func (f *Follower) leave(k neg.Key, fl *follow, anyway bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !anyway && len(fl.news) > 0 {
		return false
	}
	if f.follows[k] == fl {
		delete(f.follows, k)
	}
	return true
}

// stay is the loop.
func (f *Follower) stay(ctx context.Context, k neg.Key, fl *follow) error {
	ends := f.Now().Add(f.Budget)
	for {
		began := f.Now()
		s, err := f.look(ctx, k, ends.Sub(began)+callTimeout)
		if err == nil {
			if err := f.askReconcile(ctx, fl, s.strays); err != nil {
				f.Log.WarnContext(ctx, err.Error(), "key", k.String())
			}
			fl.note(s, began)
		}
		pause := f.pause(fl, began, errors.Join(err, s.cloud))
		if neg.OutcomeOf(err) == neg.Blocked && fl.hopeless(began) && f.leave(k, fl, false) {
			return err
		}
		if err == nil && (s.waiting == 0 || began.After(fl.until(s))) && f.leave(k, fl, false) {
			return s.stuck()
		}
		if began.Add(pause).After(ends) {
			return f.handOver(ctx, k, fl, err)
		}
		if err := f.rest(ctx, fl, began, pause); err != nil {
			return err
		}
	}
}

// stuck is why gates of a key that is given up wait: a cloud that does not answer is
// somebody's business.
func (s seen) stuck() error {
	if s.waiting == 0 || neg.OutcomeOf(s.cloud) == neg.Again {
		return nil
	}
	return s.cloud
}

// look has at most as long as the delivery.
func (f *Follower) look(ctx context.Context, k neg.Key, most time.Duration) (seen, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	scope, err := f.Open(ctx, k.Cluster)
	if err != nil {
		return seen{}, err
	}
	log := f.Log.With("key", k.String())
	if scope.Skip != "" {
		log.InfoContext(ctx, "skipped", "why", scope.Skip)
		return seen{}, nil
	}
	scope.Cluster = bounded{scope.Cluster, f.crowd(k.Cluster)}
	f.renew(ctx, k.Cluster, scope.Cluster)
	return (&look{f: f, key: k, scope: scope, log: log}).run(ctx)
}

// renewEvery is how often an instance at work says in a cluster that it is.
const renewEvery = time.Minute

func (f *Follower) renew(ctx context.Context, cluster string, c Cluster) {
	_, _ = f.leases.get(f.Now, renewEvery, cluster, func() (struct{}, error) {
		err := c.RenewLease(ctx, "negfleet-readiness")
		if err != nil {
			f.Log.WarnContext(ctx, err.Error(), "cluster", cluster)
		}
		return struct{}{}, nil // gates come first; it is tried again in a while
	}) // which is no error, ever
}

// note remembers what a look saw.
func (fl *follow) note(s seen, now time.Time) {
	if !maps.Equal(fl.gates, s.gates) {
		if len(fl.gates) > 0 {
			fl.changed = now
		}
		fl.gates = s.gates
	}
	if s.changed.After(fl.changed) {
		fl.changed = s.changed
	}
}

// until is when a key in which nothing moves is given up: by a look that began later, and so
// has seen each time-out that was over.
func (fl *follow) until(s seen) time.Time {
	given := fl.newsAt.Add(newsCounts)
	if moved := fl.changed.Add(patience); moved.After(given) {
		return moved
	}
	return given
}

// pause is how long after this look's start the next one begins.
func (f *Follower) pause(fl *follow, began time.Time, err error) time.Duration {
	if err != nil {
		if fl.failures++; fl.failures == 1 {
			fl.failing = began
		}
		return retry(fl.failures)
	}
	fl.failures = 0
	moved := fl.changed
	if fl.newsAt.After(moved) {
		moved = fl.newsAt
	}
	fl.last = next(began.Sub(moved), fl.last)
	return fl.last
}

// hopeless tells when what is blocked is left to the sweep: after a few looks, or, where
// Pods are known to wait, after as long as an API server takes to come back.
func (fl *follow) hopeless(now time.Time) bool {
	if len(fl.gates) == 0 {
		return fl.failures >= 3
	}
	return now.Sub(fl.failing) >= newsCounts
}

// rest lets the pause go by; news of the key shorten it.
func (f *Follower) rest(ctx context.Context, fl *follow, began time.Time, pause time.Duration) error {
	due := began.Add(pause)
	for {
		select {
		case <-f.After(due.Sub(f.Now())):
			return nil
		case <-fl.news:
			if fl.newsAt = f.Now(); due.After(began.Add(interval)) && fl.failures == 0 {
				due = began.Add(interval)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handOver ends a delivery whose budget is used up. News that came meanwhile are covered by
// the delivery that follows, which may come before Again returns and must not be taken for news.
func (f *Follower) handOver(ctx context.Context, k neg.Key, fl *follow, err error) error {
	if neg.OutcomeOf(err) == neg.Again {
		return err // the message comes again by itself; one of what is blocked would not
	}
	f.leave(k, fl, true)
	return f.Again(ctx, k)
}

const (
	strayPatience = 2 * time.Second // reconcile may be at it
	strayPause    = 5 * time.Second
	strayLongest  = time.Minute
)

// askReconcile publishes the keys of strays, each at growing intervals: reconcile may have
// reasons to leave an endpoint out.
func (f *Follower) askReconcile(ctx context.Context, fl *follow, strays []neg.Key) error {
	now := f.Now()
	still := map[neg.Key]*stray{}
	var errs []error
	for _, k := range strays {
		s := fl.strayed[k]
		if s == nil {
			s = &stray{due: now.Add(strayPatience), pause: strayPause}
		}
		still[k] = s
		if now.Before(s.due) {
			continue
		}
		s.due, s.pause = now.Add(s.pause), min(2*s.pause, strayLongest)
		errs = append(errs, f.Reconcile(ctx, k))
	}
	fl.strayed = still
	return errors.Join(errs...)
}

// allow takes n listings in a region and returns how long to wait before them; a negative n
// gives some back.
func (f *Follower) allow(r region, n int) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rates == nil {
		f.rates = map[region]*rate{}
	}
	allowance := f.rates[r]
	if allowance == nil {
		allowance = &rate{perSecond: f.Listings, burst: 2 * f.Listings}
		f.rates[r] = allowance
	}
	return allowance.take(f.Now(), n)
}

func (f *Follower) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-f.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
