// Package deployment is the adapter to the APIs that say what a deployment of negfleet is
// made of: Service Usage, Resource Manager, IAM, Cloud Functions, Pub/Sub's administration,
// Cloud Scheduler and Cloud Logging. It reads and returns facts for package doctor, and
// changes nothing.
//
// A fact that cannot be read is a gap which names the permission; no method fails. The
// functions must not link it: it is for a person's machine.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/api/cloudfunctions/v2"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/cloudscheduler/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/logging/v2"
	"google.golang.org/api/option"
	"google.golang.org/api/pubsub/v1"
	"google.golang.org/api/run/v2"
	"google.golang.org/api/serviceusage/v1"
	htransport "google.golang.org/api/transport/http"

	"github.com/negfleet/negfleet/shared/doctor"
)

// platform is the scope of the credentials. A narrower one is not to be had: Pub/Sub, Cloud
// Functions, Cloud Scheduler and IAM take none that only reads.
const platform = "https://www.googleapis.com/auth/cloud-platform"

// callTimeout bounds one call.
const callTimeout = 15 * time.Second

// Options say where the APIs are.
type Options struct {
	Endpoint    string // base URL that answers for all of them, without credentials; empty: Google's
	Impersonate bool   // ask what an account may do as that account
	Now         func() time.Time
}

// A Client reads what a deployment is made of.
type Client struct {
	opts  Options
	http  *http.Client
	clock *clock

	usage     *serviceusage.Service
	projects  *cloudresourcemanager.Service
	iam       *iam.Service
	tokens    *iamcredentials.Service
	functions *cloudfunctions.Service
	run       *run.Service
	pubsub    *pubsub.Service
	scheduler *cloudscheduler.Service
	logging   *logging.Service

	mu    sync.Mutex
	roles map[string]doctor.Read[[]string] // permissions of a role, by its name
}

// New returns a client. It makes no call, but looks for credentials.
func New(ctx context.Context, o Options) (*Client, error) {
	c := &Client{opts: o, roles: map[string]doctor.Read[[]string]{}}
	base, err := transport(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("google credentials: %w", err)
	}
	c.clock = &clock{base: base, now: o.Now}
	c.http = &http.Client{Transport: c.clock, Timeout: callTimeout}
	opts := []option.ClientOption{option.WithHTTPClient(c.http), option.WithUserAgent("negfleet")}
	if o.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(o.Endpoint))
	}
	for _, service := range []func() error{
		func() (err error) { c.usage, err = serviceusage.NewService(ctx, opts...); return err },
		func() (err error) { c.projects, err = cloudresourcemanager.NewService(ctx, opts...); return err },
		func() (err error) { c.iam, err = iam.NewService(ctx, opts...); return err },
		func() (err error) { c.tokens, err = iamcredentials.NewService(ctx, opts...); return err },
		func() (err error) { c.functions, err = cloudfunctions.NewService(ctx, opts...); return err },
		func() (err error) { c.run, err = run.NewService(ctx, opts...); return err },
		func() (err error) { c.pubsub, err = pubsub.NewService(ctx, opts...); return err },
		func() (err error) { c.scheduler, err = cloudscheduler.NewService(ctx, opts...); return err },
		func() (err error) { c.logging, err = logging.NewService(ctx, opts...); return err },
	} {
		if err := service(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// transport brings the credentials along, but to another endpoint, which gets none.
func transport(ctx context.Context, o Options) (http.RoundTripper, error) {
	if o.Endpoint != "" {
		return http.DefaultTransport, nil
	}
	return htransport.NewTransport(ctx, http.DefaultTransport, option.WithScopes(platform))
}

// missing tells whether an error says that there is no such thing.
func missing(err error) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == http.StatusNotFound
}

// gap is why a call brought nothing, and the permission that it takes.
func gap(err error, permission, project string) doctor.Gap {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return doctor.Gap{Why: err.Error(), Need: "a network path and credentials to Google's APIs: gcloud auth application-default login"}
	}
	g := doctor.Gap{Why: fmt.Sprintf("HTTP %d: %s", api.Code, api.Message)}
	switch {
	case disabled(api):
		g.Need = "the API is off, see apis"
	case api.Code == http.StatusForbidden, api.Code == http.StatusUnauthorized:
		g.Need = permission + " in project " + project
	}
	return g
}

// disabled tells whether an API refuses because it is off.
func disabled(err *googleapi.Error) bool {
	for _, each := range err.Details {
		if d, ok := each.(map[string]any); ok && d["reason"] == "SERVICE_DISABLED" {
			return true
		}
	}
	return false
}

// A clock notes by how much the answers' Date is ahead of this machine's time. A Date has
// whole seconds, so the least of several differences is the nearest.
type clock struct {
	base http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex
	ahead time.Duration
	known bool
}

func (c *clock) RoundTrip(r *http.Request) (*http.Response, error) {
	began := c.now()
	answer, err := c.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
		c.note(doctor.Ahead(date, began, c.now()))
	}
	return answer, nil
}

func (c *clock) note(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || ahead.Abs() < c.ahead.Abs() {
		c.ahead, c.known = ahead, true
	}
}

// Ahead is how far Google's clock is ahead of this machine's, by all answers so far.
func (c *Client) Ahead() doctor.Read[time.Duration] {
	c.clock.mu.Lock()
	defer c.clock.mu.Unlock()
	if !c.clock.known {
		return doctor.Without[time.Duration](doctor.Gap{Why: "no Google API answered", Need: "a network path to Google's APIs"})
	}
	return doctor.Got(c.clock.ahead)
}
