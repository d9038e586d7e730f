package readiness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
)

const (
	width       = 16                     // calls of one look that run at once
	exposedAge  = interval               // how old the list of a namespace's Services may be
	listingAge  = interval - interval/10 // and a listing that another key's look asked for
	servicesAge = 5 * time.Second        // and a backend service
	pageSize    = 500                    // endpoints that one call lists
)

// A doubt is what a look could not read.
type doubt int

const (
	none       doubt = iota
	ofGroups         // the listing of some group
	ofServices       // some backend service
)

// lets tells whether a verdict stands in spite of a doubt: one that is healthy in what was
// read is so whatever other groups hold; the time-out needs nothing.
func (d doubt) lets(v neg.Gate) bool {
	switch d {
	case none:
		return true
	case ofGroups:
		return v.Open && (v.Reason == ReasonReady || v.Reason == ReasonTimeout)
	}
	return v.Open && v.Reason == ReasonTimeout
}

// A reading is a Service with what was read of its ports.
type reading struct {
	service neg.Service
	ports   []Port
	doubt   doubt
}

// observed tells whether negfleet writes nothing for the Service, and so attaches nobody.
func (r reading) observed() bool { return r.service.Annotations[neg.AnnotationPolicy] == "observe" }

// about are the ports that a Pod's gate depends on: of an observed Service those whose groups
// have it all the same, or may have.
func (r reading) about(p neg.GatedPod) []Port {
	if !r.observed() || r.doubt != none {
		return r.ports
	}
	return slices.DeleteFunc(slices.Clone(r.ports), func(port Port) bool {
		_, _, attached := find(port, p.IP)
		return !attached
	})
}

// readPods reads the gates that wait, and the Services that may select their Pods. Where
// the key names no Service that asks for groups, these are the namespace's Pods that none
// selects; the Services are read after them, so that one which was there before a Pod is
// not missed.
func (l *look) readPods(ctx context.Context) (pods []neg.GatedPod, services []neg.Service, err error) {
	if l.key.Service != "" {
		if services, err = l.exposed(ctx, exposedAge); err != nil {
			return nil, nil, err
		}
	}
	own := slices.IndexFunc(services, func(s neg.Service) bool { return s.Key.Service == l.key.Service })
	if own >= 0 {
		if len(services[own].Selector) == 0 {
			return nil, nil, nil
		}
		pods, err = l.gatedPods(ctx, services[own].Selector)
		return pods, services, err
	}
	if pods, err = l.gatedPods(ctx, nil); err != nil || len(pods) == 0 {
		return nil, nil, err
	}
	services, err = l.exposed(ctx, 0)
	selected := func(p neg.GatedPod) bool {
		return slices.ContainsFunc(services, func(s neg.Service) bool { return s.Selects(p.Labels) })
	}
	return slices.DeleteFunc(pods, selected), services, err
}

func (l *look) gatedPods(ctx context.Context, selector map[string]string) ([]neg.GatedPod, error) {
	pods, err := l.scope.Cluster.GatedPods(ctx, l.key.Namespace, selector, l.scope.Gates)
	return slices.DeleteFunc(pods, func(p neg.GatedPod) bool { return p.Gate.Open }), err
}

// exposed are the namespace's Services that ask for groups and stay.
func (l *look) exposed(ctx context.Context, maxAge time.Duration) ([]neg.Service, error) {
	namespace := neg.Key{Cluster: l.key.Cluster, Namespace: l.key.Namespace}
	services, err := l.f.exposed.get(l.f.Now, maxAge, namespace, func() ([]neg.Service, error) {
		return l.scope.Cluster.Exposed(ctx, l.key.Namespace)
	})
	return slices.DeleteFunc(slices.Clone(services), func(s neg.Service) bool { return s.Deleting }), err
}

// read reads what the load balancers say of each Service that selects one of the Pods. An
// error of the cloud leaves a doubt and is returned beside the rest; one of the cluster
// ends the look.
func (l *look) read(ctx context.Context, services []neg.Service, pods []neg.GatedPod) (readings []reading, cloud, cluster error) {
	for _, s := range services {
		if !slices.ContainsFunc(pods, func(p neg.GatedPod) bool { return s.Selects(p.Labels) }) {
			continue
		}
		var ingress []neg.IngressPort
		if exposure, err := neg.ParseExposure(s.Annotations[neg.AnnotationNEG]); err == nil && exposure.Ingress {
			if ingress, cluster = l.scope.Cluster.IngressPorts(ctx, s.Key.Namespace); cluster != nil {
				return nil, nil, cluster
			}
		}
		var objects []neg.GKEGroup
		if objects, cluster = l.gkeGroups(ctx, s.Key); cluster != nil {
			return nil, nil, cluster
		}
		r, err := l.readPorts(ctx, wantedOf(l.scope, &s, ingress, objects))
		r.service = s
		readings, cloud = append(readings, r), errors.Join(cloud, err)
	}
	return readings, cloud, nil
}

// gkeGroups is what GKE's own controller says of a Service's groups, where it keeps them.
func (l *look) gkeGroups(ctx context.Context, k neg.Key) ([]neg.GKEGroup, error) {
	if !l.scope.Foreign {
		return nil, nil
	}
	return l.f.objects.get(l.f.Now, servicesAge, k, func() ([]neg.GKEGroup, error) {
		return l.scope.Cluster.GKEGroups(ctx, k.Namespace, k.Service)
	})
}

// readPorts lists every group and reads every backend service that was asked for.
func (l *look) readPorts(ctx context.Context, ports []wanted) (r reading, err error) {
	var errs []error
	for _, w := range ports {
		port := Port{Number: w.number}
		if port.Groups, err = l.listAll(ctx, w.groups); err != nil {
			r.doubt, port.Partial = max(r.doubt, ofGroups), true
			errs = append(errs, err)
		} else if w.broken && len(port.Groups) == 0 {
			continue
		}
		for _, id := range w.asked {
			service, exists, err := l.backendService(ctx, id)
			switch {
			case err != nil:
				r.doubt = ofServices
				errs = append(errs, err)
			case exists:
				port.Asked = append(port.Asked, service)
			default:
				port.Absent = append(port.Absent, id)
			}
		}
		r.ports = append(r.ports, port)
	}
	return r, errors.Join(errs...)
}

// listAll lists groups; one that does not exist is left out.
func (l *look) listAll(ctx context.Context, ids []neg.GroupID) ([]Group, error) {
	found := make([]*Group, len(ids))
	errs := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(width)
	for i, id := range ids {
		g.Go(func() error {
			found[i], errs[i] = l.list(ctx, id)
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	var groups []Group
	for _, f := range found {
		if f != nil {
			groups = append(groups, *f)
		}
	}
	return groups, errors.Join(errs...)
}

// list is one group, nil when it does not exist. Looks at other keys share it, and all of
// them the allowance of listings.
func (l *look) list(ctx context.Context, id neg.GroupID) (*Group, error) {
	return l.f.listings.get(l.f.Now, listingAge, inProject[neg.GroupID]{l.scope.Project, id}, func() (*Group, error) {
		place := region{l.scope.Project, regionOf(id.Zone)}
		if err := l.f.wait(ctx, l.f.allow(place, 1)); err != nil {
			l.f.allow(place, -1)
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		endpoints, exists, err := l.scope.Cloud.Health(ctx, id)
		l.f.allow(place, len(endpoints)/pageSize) // further pages: owed
		if err != nil || !exists {
			return nil, err
		}
		return &Group{id, endpoints}, nil
	})
}

func (l *look) backendService(ctx context.Context, id neg.BackendServiceID) (neg.BackendService, bool, error) {
	s, err := l.f.services.get(l.f.Now, servicesAge, inProject[neg.BackendServiceID]{l.scope.Project, id}, func() (s foundService, err error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		s.BackendService, s.exists, err = l.scope.Cloud.BackendService(ctx, id)
		return s, err
	})
	return s.BackendService, s.exists, err
}

type foundService struct {
	neg.BackendService
	exists bool
}

// inProject tells what two projects call the same apart.
type inProject[ID comparable] struct {
	project string
	id      ID
}

// A region is what the Compute API's quota of listings is counted by.
type region struct{ project, name string }

func regionOf(z neg.Zone) string {
	name := string(z)
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		return name[:i]
	}
	return name
}
