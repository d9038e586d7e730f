package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/compute/v1"
)

// clean names a run and removes after t what it left, also when it was broken off.
func clean(t *testing.T, target Target) (run string) {
	t.Helper()
	run = Prefix + random()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
		defer cancel()
		removed, err := Sweep(ctx, target, run, time.Time{})
		if err != nil {
			t.Errorf("left behind: %v", err)
		}
		if len(removed) > 0 && !t.Failed() {
			t.Errorf("nobody removed %q", removed)
		}
	})
	return run
}

// Sweep removes everything that has the prefix and was made before a time, or at any
// time if that is zero, in the order in which things let go of each other, and lists it.
func Sweep(ctx context.Context, target Target, prefix string, before time.Time) (removed []string, err error) {
	if !strings.HasPrefix(prefix, Prefix) {
		return nil, fmt.Errorf("prefix %q does not begin with %s", prefix, Prefix)
	}
	svc, err := compute.NewService(ctx, target.Options...)
	if err != nil {
		return nil, err
	}
	// What was deleted may still be listed, or hold another for a while.
	for range 5 {
		var found []leftover
		found, err = leftovers(ctx, svc, target.Project, prefix, before)
		if err != nil || len(found) == 0 {
			return removed, err
		}
		var errs []error
		had := len(removed)
		for _, l := range found {
			switch there, err := l.delete(ctx, svc, target.Project); {
			case err != nil:
				errs = append(errs, fmt.Errorf("%s: %w", l.path, err))
			case there:
				removed = append(removed, l.path)
			}
		}
		if err = errors.Join(errs...); err == nil && len(removed) == had {
			return removed, nil // what is listed is not there any more
		}
		if err == nil {
			continue
		}
		select {
		case <-time.After(target.Patience / 5):
		case <-ctx.Done():
			return removed, errors.Join(err, ctx.Err())
		}
	}
	return removed, err
}

// leftover is a resource by its path below the project.
type leftover struct {
	path   string
	remove func() (*compute.Operation, error)
}

// delete tells whether it was there.
func (l leftover) delete(ctx context.Context, svc *compute.Service, project string) (there bool, err error) {
	op, err := l.remove()
	if code(err) == 404 {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	_, err = await(ctx, svc, project, op)
	return true, err
}

// census collects what has the prefix and is old enough.
type census struct {
	prefix string
	before time.Time
	found  []leftover
}

func (c *census) add(path, created string, remove func() (*compute.Operation, error)) {
	name := path[strings.LastIndex(path, "/")+1:]
	made, err := time.Parse(time.RFC3339, created)
	old := c.before.IsZero() || err == nil && made.Before(c.before)
	if old && strings.HasPrefix(name, c.prefix) {
		c.found = append(c.found, leftover{path, remove})
	}
}

// leftovers lists what a run can have made, who holds before who is held.
func leftovers(ctx context.Context, svc *compute.Service, project, prefix string, before time.Time) ([]leftover, error) {
	c := &census{prefix: prefix, before: before}
	filter := `name eq "` + prefix + `.*"`
	for _, collect := range []func(context.Context, *compute.Service, string, string) error{
		c.forwardingRules, c.proxies, c.urlMaps, c.services, c.healthChecks, c.groups, c.addresses, c.firewalls,
	} {
		if err := collect(ctx, svc, project, filter); err != nil {
			return nil, err
		}
	}
	return c.found, nil
}

// await waits for an operation of any scope and reports its failure.
func await(ctx context.Context, svc *compute.Service, project string, op *compute.Operation) (*compute.Operation, error) {
	last := func(link string) string { return link[strings.LastIndex(link, "/")+1:] }
	var err error
	for err == nil && op.Status != "DONE" {
		switch {
		case op.Zone != "":
			op, err = svc.ZoneOperations.Wait(project, last(op.Zone), op.Name).Context(ctx).Do()
		case op.Region != "":
			op, err = svc.RegionOperations.Wait(project, last(op.Region), op.Name).Context(ctx).Do()
		default:
			op, err = svc.GlobalOperations.Wait(project, op.Name).Context(ctx).Do()
		}
	}
	if err == nil && op.Error != nil && len(op.Error.Errors) > 0 {
		return op, fmt.Errorf("operation %s failed: %s: %s", op.Name, op.Error.Errors[0].Code, op.Error.Errors[0].Message)
	}
	return op, err
}
