package gce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"google.golang.org/api/googleapi"

	"github.com/negfleet/negfleet/shared/neg"
)

// attempts is how often one call is sent at most. What still fails then is Again, and
// comes back as a message when the minute of the rate quota is over.
const attempts = 5

// call sends one request, one of InFlight at once, and again after a pause while the
// failure is transient and ctx allows. what names the object and the action, for the error.
func (c *Client) call(ctx context.Context, what string, send func() error) error {
	return c.retry(ctx, what, func() error { return c.inFlight(ctx, send) })
}

func (c *Client) retry(ctx context.Context, what string, send func() error) error {
	for n := 0; ; n++ {
		err := send()
		kind := classify(err)
		if kind != transient && kind != notReady {
			return wrap(what, kind, err)
		}
		pause := backoff(kind, n, c.opts.Jitter())
		if n+1 == attempts || !fits(ctx, pause) {
			return wrap(what, kind, err)
		}
		if c.opts.Sleep(ctx, pause) != nil {
			return wrap(what, kind, err)
		}
	}
}

func (c *Client) inFlight(ctx context.Context, send func() error) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
		return send()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fits tells whether a pause leaves time before ctx's deadline.
func fits(ctx context.Context, pause time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > pause
}

// backoff is truncated exponential with full jitter; a resource that is not ready gets 2
// to 10 s, as its pending operation ends in about that time.
func backoff(k kind, attempt int, jitter float64) time.Duration {
	if k == notReady {
		return 2*time.Second + time.Duration(jitter*float64(8*time.Second))
	}
	limit := min(time.Second<<min(attempt, 6), time.Minute)
	return time.Duration(jitter * float64(limit))
}

// A kind is what an API error asks for.
type kind int

const (
	fine      kind = iota
	transient      // send it again
	notReady       // another operation on the resource is running: send it again, later
	invalid        // 400: something in the body
	missing        // 404
	taken          // 409
	inUse          // 400, deletion of what others use
	forbidden      // 403
	quota          // nothing to be had, or no room: also 403 inside an operation
	refused        // any other 4xx
	stale          // 412: it was changed since it was read
	cancelled      // our own deadline, or evidence that grew old
)

// classify goes by status and reason, never by message text.
func classify(err error) kind {
	if err == nil {
		return fine
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errStale) {
		return cancelled
	}
	var op *operationError
	if errors.As(err, &op) {
		return op.kind()
	}
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return transient // no answer at all: a connection that broke, also after the commit
	}
	has := func(reason string) bool {
		return slices.ContainsFunc(api.Errors, func(i googleapi.ErrorItem) bool { return i.Reason == reason })
	}
	switch {
	case api.Code == http.StatusTooManyRequests || api.Code >= 500 || has("rateLimitExceeded") || has("userRateLimitExceeded"):
		return transient
	case has("resourceNotReady"):
		return notReady
	case has("resourceInUseByAnotherResource"):
		return inUse
	case has("quotaExceeded"), has("limitExceeded"):
		return quota
	case api.Code == http.StatusBadRequest:
		return invalid
	case api.Code == http.StatusNotFound:
		return missing
	case api.Code == http.StatusConflict:
		return taken
	case api.Code == http.StatusForbidden || api.Code == http.StatusUnauthorized:
		return forbidden
	case api.Code == http.StatusPreconditionFailed:
		return stale
	}
	return refused
}

// reasons are the Event reasons of the kinds that wait for a person.
var reasons = map[kind]string{
	invalid:   "InvalidRequest",
	missing:   "NotFound",
	taken:     "NameTaken",
	inUse:     "GroupInUse",
	forbidden: "PermissionDenied",
	quota:     "QuotaExceeded",
	refused:   "RequestRefused",
}

// An apiError is a failed call with its kind.
type apiError struct {
	what string
	kind kind
	err  error
}

func (e *apiError) Error() string { return e.what + ": " + message(e.err) }
func (e *apiError) Unwrap() error { return e.err }

// message is what the API says, without the Go client's prefixes.
func message(err error) string {
	var api *googleapi.Error
	if errors.As(err, &api) && api.Message != "" {
		return fmt.Sprintf("%s (HTTP %d)", api.Message, api.Code)
	}
	return err.Error()
}

// wrap gives an error its outcome.
func wrap(what string, k kind, err error) error {
	if k == fine {
		return nil
	}
	wrapped := &apiError{what, k, err}
	if reason, ok := reasons[k]; ok {
		return &neg.BlockedError{Reason: reason, Err: wrapped}
	}
	return wrapped
}

// kindOf is the kind of an error that call returned.
func kindOf(err error) kind {
	var e *apiError
	if errors.As(err, &e) {
		return e.kind
	}
	return classify(err)
}
