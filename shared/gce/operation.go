package gce

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// mutate sends one mutation and waits until its operation is done. send gets a request
// id that only its own retries reuse: a repeated request with the same id is answered
// with the same operation, so a response that got lost commits nothing twice. It is
// never derived from the contents, or the last of attach, detach, attach would be lost.
//
// Nothing is sent after notAfter, unless that is zero: a removal rests on a read of the
// cluster that must not be old.
func (c *Client) mutate(ctx context.Context, what string, notAfter time.Time, send func(requestID string) (*compute.Operation, error)) error {
	id := newRequestID()
	var op *compute.Operation
	err := c.call(ctx, what, func() (err error) {
		if !notAfter.IsZero() && c.opts.Now().After(notAfter) {
			return errStale
		}
		op, err = send(id)
		return err
	})
	if err != nil {
		return err
	}
	return c.wait(ctx, what, op)
}

// waitOnce asks where the operation lives: in a zone, in a region, or globally.
func (c *Client) waitOnce(ctx context.Context, zone, region, name string) (*compute.Operation, error) {
	switch {
	case zone != "":
		return c.api.ZoneOperations.Wait(c.opts.Project, lastOf(zone), name).Context(ctx).Do()
	case region != "":
		return c.api.RegionOperations.Wait(c.opts.Project, lastOf(region), name).Context(ctx).Do()
	}
	return c.api.GlobalOperations.Wait(c.opts.Project, name).Context(ctx).Do()
}

// lastOf is the last segment of a link.
func lastOf(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }

var errStale = errors.New("not sent: the read that justifies it is too old by now")

// wait follows op until it is DONE. The API's wait returns after two minutes or earlier,
// at once when it is busy, so it is called, ever more slowly, until then or until ctx ends.
func (c *Client) wait(ctx context.Context, what string, op *compute.Operation) error {
	for n := 0; op.Status != "DONE"; n++ {
		if n > 0 {
			if err := c.opts.Sleep(ctx, backoff(transient, n, c.opts.Jitter())); err != nil {
				return wrap(what, cancelled, err)
			}
		}
		zone, region, name := op.Zone, op.Region, op.Name
		// Not one of InFlight: a wait is held open for as long as the operation takes, and a
		// few dozen slow ones would keep every look from reading.
		err := c.retry(ctx, what+": wait for "+name, func() (err error) {
			op, err = c.waitOnce(ctx, zone, region, name)
			return err
		})
		if kindOf(err) == missing {
			return nil // past its retention: it ended long ago; the next look sees how
		}
		if err != nil {
			return err
		}
	}
	if op.Error != nil && len(op.Error.Errors) > 0 {
		failed := &operationError{op}
		return wrap(what, failed.kind(), failed)
	}
	return nil
}

// An operationError is a mutation that was accepted and failed afterwards.
type operationError struct{ op *compute.Operation }

func (e *operationError) Error() string {
	var texts []string
	for _, each := range e.op.Error.Errors {
		texts = append(texts, each.Message)
	}
	// Without the operation's name: the same trouble must read the same every time.
	return "operation failed: " + strings.Join(texts, "; ")
}

func (e *operationError) kind() kind {
	for _, each := range e.op.Error.Errors {
		switch each.Code {
		case "QUOTA_EXCEEDED", "LIMIT_EXCEEDED":
			return quota
		case "RESOURCE_NOT_READY", "RESOURCE_OPERATION_RATE_EXCEEDED", "RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR":
			return transient
		case "RESOURCE_NOT_FOUND":
			return missing
		case "RESOURCE_ALREADY_EXISTS":
			return taken
		case "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE":
			return inUse
		}
	}
	switch code := e.op.HttpErrorStatusCode; {
	case code == http.StatusTooManyRequests || code >= 500 || code == 0:
		return transient
	case code == http.StatusForbidden:
		return forbidden
	case code == http.StatusBadRequest:
		return invalid
	}
	return refused
}
