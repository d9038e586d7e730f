package fleet

import (
	"context"
	"time"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/gke"
	"github.com/negfleet/negfleet/shared/neg"
)

// A description is what the container API last said of a cluster.
type description struct {
	cluster gke.Cluster
	known   bool
	at      time.Time // of the last answer or failure
	err     error     // of the last asking
}

// describe reads a cluster from the container API, unless it did so less than age ago.
// Many who ask at once make one call.
func (f *Fleet) describe(ctx context.Context, name neg.GKECluster, age time.Duration) (gke.Cluster, error) {
	f.mu.Lock()
	d, ok := f.descriptions[name]
	f.mu.Unlock()
	if ok && f.now().Sub(d.at) < age {
		return d.cluster, d.err
	}
	api, err := f.container(ctx)
	if err != nil {
		return gke.Cluster{}, err
	}
	result := f.flight.DoChan(name.String(), func() (any, error) {
		got, err := api.Get(context.WithoutCancel(ctx), name)
		f.mu.Lock()
		defer f.mu.Unlock()
		d := f.descriptions[name]
		if err == nil {
			d.cluster, d.known = got, true
		}
		d.at, d.err = f.now(), err
		f.descriptions[name] = d
		return got, err
	})
	select {
	case r := <-result:
		return r.Val.(gke.Cluster), r.Err
	case <-ctx.Done():
		return gke.Cluster{}, ctx.Err()
	}
}

// An AddOn is what is known of a cluster's HttpLoadBalancing add-on, which is GKE's own
// NEG controller.
type AddOn string

// The states of an add-on.
const (
	AddOnNone    AddOn = "none"    // not known as a GKE cluster
	AddOnUnknown AddOn = "unknown" // the container API did not say
	AddOnOn      AddOn = "on"
	AddOnOff     AddOn = "off"
)

const (
	addOnAge     = 10 * time.Minute // how old the answer may be
	addOnTimeout = 5 * time.Second  // a look waits for it
	addOnRetry   = time.Minute      // after a failure
)

// CallsOut tells whether a cluster's control plane calls URLs outside, as a webhook needs.
// GKE's do unless their egress is NONE; of others it is taken for granted.
func (f *Fleet) CallsOut(ctx context.Context, entry config.Cluster) (bool, error) {
	if entry.Resource == (neg.GKECluster{}) {
		return true, nil
	}
	c, err := f.describe(ctx, entry.Resource, addOnAge)
	return !c.EgressNone, err
}

// VPCNative tells whether a GKE cluster's Pods have alias addresses. Of others nobody says.
func (f *Fleet) VPCNative(ctx context.Context, entry config.Cluster) (bool, error) {
	c, err := f.describe(ctx, entry.Resource, addOnAge)
	return c.VPCNative, err
}

// HTTPLoadBalancing tells the state of a cluster's add-on. While the container API fails
// the last answer stands; it is unknown only if there never was one.
func (f *Fleet) HTTPLoadBalancing(ctx context.Context, entry config.Cluster) AddOn {
	if entry.Resource == (neg.GKECluster{}) {
		return AddOnNone
	}
	f.mu.Lock()
	d := f.descriptions[entry.Resource]
	f.mu.Unlock()
	age := addOnAge
	if d.err != nil {
		age = addOnRetry
	}
	if d.at.IsZero() || f.now().Sub(d.at) >= age {
		ctx, cancel := context.WithTimeout(ctx, addOnTimeout)
		defer cancel()
		_, err := f.describe(ctx, entry.Resource, 0)
		f.mu.Lock()
		d = f.descriptions[entry.Resource]
		f.mu.Unlock()
		if err != nil {
			f.log.WarnContext(ctx, "the HttpLoadBalancing add-on: "+err.Error(), "reason", "AddOnUnknown", "cluster", entry.Name, "known", d.known)
		}
	}
	switch {
	case !d.known:
		return AddOnUnknown
	case d.cluster.HTTPLoadBalancing:
		return AddOnOn
	}
	return AddOnOff
}
