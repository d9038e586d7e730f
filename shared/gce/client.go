// Package gce is the adapter to the Compute Engine API, and the only package that imports
// compute/v1. It speaks neg types to its callers and hides what is particular to the
// API: paging, zone operations, request ids, batches of 500, error bodies, back-off.
//
// Facts it rests on:
//   - compute/v1 sends every request once; all retrying is here, in call.
//   - A mutation answered 200 is only accepted: the operation must reach DONE, and even
//     then hold no error (https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses).
//   - One bad endpoint makes the API refuse the whole batch with a 400, so attach isolates it.
//   - Groups have no fingerprint, no labels and no patch. What says whose a group is goes
//     into its description at insertion.
//
// It decides nothing about what should exist and must not import Kubernetes.
package gce

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"
)

// Options say where the API is and what new groups belong to.
type Options struct {
	Project    string
	Network    string // name or partial URL
	Subnetwork string // name, or regions/REGION/subnetworks/NAME; a bare name is taken in the group's region
	Endpoint   string // another base URL, path and final slash included; empty: Google's, with its credentials
	InFlight   int    // calls at once, at most; 0: 64

	// For tests; the defaults are the real ones.
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Jitter func() float64 // in [0,1)
}

// A Client makes the groups of one project right.
type Client struct {
	api   *compute.Service
	http  *http.Client
	opts  Options
	slots chan struct{}
}

// New returns a client. It makes no call.
func New(ctx context.Context, o Options) (*Client, error) {
	if o.Project == "" {
		return nil, fmt.Errorf("compute client: no project")
	}
	if o.InFlight == 0 {
		o.InFlight = 64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	client, err := httpClient(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("compute client of project %s: %w", o.Project, err)
	}
	opts := []option.ClientOption{option.WithHTTPClient(client)}
	if o.Endpoint != "" {
		opts = append(opts, option.WithEndpoint(o.Endpoint))
	}
	api, err := compute.NewService(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("compute client of project %s: %w", o.Project, err)
	}
	api.UserAgent = userAgent
	return &Client{api: api, http: client, opts: o, slots: make(chan struct{}, o.InFlight)}, nil
}

const userAgent = "negfleet"

// httpClient is what the library and the raw calls share.
func httpClient(ctx context.Context, o Options) (*http.Client, error) {
	if o.Endpoint == "" {
		client, _, err := htransport.NewClient(ctx, option.WithScopes(compute.ComputeScope))
		return client, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = o.InFlight
	return &http.Client{Transport: transport}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
