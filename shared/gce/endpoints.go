package gce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/api/compute/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// batch is the most endpoints that one attach or detach takes.
const batch = 500

// Attach attaches endpoints to a group, in batches. An endpoint that the API refuses
// (its instance is gone, its address is not the instance's) never costs the others:
// it is returned as rejected. See isolate for what a refused batch may cost.
func (c *Client) Attach(ctx context.Context, id neg.GroupID, endpoints []neg.Endpoint) ([]neg.Rejected, error) {
	send := func(part []neg.Endpoint) error {
		what := fmt.Sprintf("attach %d endpoints to group %s", len(part), id)
		body := &compute.NetworkEndpointGroupsAttachEndpointsRequest{NetworkEndpoints: wire(part)}
		err := c.mutate(ctx, what, time.Time{}, func(requestID string) (*compute.Operation, error) {
			return c.api.NetworkEndpointGroups.AttachNetworkEndpoints(c.opts.Project, string(id.Zone), id.Name, body).RequestId(requestID).Context(ctx).Do()
		})
		if kindOf(err) == missing && !refuses(err) {
			return fmt.Errorf("%s: the group went a moment ago", what) // transient: the next look makes it anew
		}
		return err
	}
	rejected, err := inBatches(endpoints, func(part []neg.Endpoint) ([]neg.Rejected, error) {
		return isolate(part, send, func() []neg.Endpoint {
			attached, _, _ := c.Endpoints(ctx, id) // it only saves calls: on an error nothing is saved
			return attached
		})
	})
	if len(rejected) == 0 {
		return nil, err
	}
	attached, _, listErr := c.Endpoints(ctx, id)
	if listErr != nil {
		return rejected, err
	}
	// Refused because it is there already, put by another instance a moment ago.
	return slices.DeleteFunc(rejected, func(r neg.Rejected) bool { return slices.Contains(attached, r.Endpoint) }), err
}

// Detach detaches endpoints from a group, in batches. What is not attached is detached.
func (c *Client) Detach(ctx context.Context, id neg.GroupID, endpoints []neg.Endpoint, notAfter time.Time) error {
	_, err := inBatches(endpoints, func(part []neg.Endpoint) ([]neg.Rejected, error) {
		for {
			err := c.detach(ctx, id, part, notAfter)
			if k := kindOf(err); k != invalid && k != missing {
				return nil, err
			}
			// The API may refuse to detach what is gone already: send what is left.
			attached, exists, listErr := c.Endpoints(ctx, id)
			if listErr != nil || !exists {
				return nil, listErr
			}
			left := keep(part, func(e neg.Endpoint) bool { return slices.Contains(attached, e) })
			if len(left) == 0 {
				return nil, nil
			}
			switch {
			case len(left) == len(part) && kindOf(err) == missing:
				// Not found, and listed: lists lag. The next look sees which are left.
				return nil, fmt.Errorf("detach %d endpoints from group %s: some are gone, though still listed", len(part), id)
			case len(left) == len(part):
				return nil, err // all are there: it is not about what is gone
			}
			part = left
		}
	})
	return err
}

func (c *Client) detach(ctx context.Context, id neg.GroupID, part []neg.Endpoint, notAfter time.Time) error {
	what := fmt.Sprintf("detach %d endpoints from group %s", len(part), id)
	body := &compute.NetworkEndpointGroupsDetachEndpointsRequest{NetworkEndpoints: wire(part)}
	return c.mutate(ctx, what, notAfter, func(requestID string) (*compute.Operation, error) {
		return c.api.NetworkEndpointGroups.DetachNetworkEndpoints(c.opts.Project, string(id.Zone), id.Name, body).RequestId(requestID).Context(ctx).Do()
	})
}

// parallelBatches bounds the batches of one group that run at once.
const parallelBatches = 4

func inBatches(endpoints []neg.Endpoint, send func([]neg.Endpoint) ([]neg.Rejected, error)) ([]neg.Rejected, error) {
	var mu sync.Mutex
	var all []neg.Rejected
	var errs []error
	var g errgroup.Group
	g.SetLimit(parallelBatches)
	for part := range slices.Chunk(endpoints, batch) {
		g.Go(func() error {
			rejected, err := send(part)
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, rejected...), append(errs, err)
			return nil
		})
	}
	_ = g.Wait() // errors are joined in errs
	return all, errors.Join(errs...)
}

func wire(endpoints []neg.Endpoint) []*compute.NetworkEndpoint {
	out := make([]*compute.NetworkEndpoint, 0, len(endpoints))
	for _, e := range endpoints {
		out = append(out, &compute.NetworkEndpoint{Instance: e.Instance, IpAddress: e.Addr.Addr().String(), Port: int64(e.Addr.Port())})
	}
	return out
}

func parseEndpoint(e *compute.NetworkEndpoint) (neg.Endpoint, error) {
	if e == nil {
		return neg.Endpoint{}, fmt.Errorf("an entry without networkEndpoint")
	}
	addr, err := netip.ParseAddr(e.IpAddress)
	if err != nil || e.Port < 0 || e.Port > 65535 {
		return neg.Endpoint{}, fmt.Errorf("endpoint %q port %d: not an address and port", e.IpAddress, e.Port)
	}
	return neg.Endpoint{Instance: shortName(e.Instance), Addr: netip.AddrPortFrom(addr, uint16(e.Port))}, nil
}

// shortName is the last segment: the API may echo an instance as name or as URL.
func shortName(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }
