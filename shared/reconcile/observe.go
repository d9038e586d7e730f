package reconcile

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

// width bounds the calls of one look that run at once.
const width = 16

// observe reads the Service, then the cloud, then what the Service stands for now.
//
//	normal look     one listNetworkEndpoints per group, one GET, one LIST, and one GET per
//	backend service and health check that the Service asks for
//	Service gone, its names differ from neg-status, or there is reason to think that
//	neg-status does not name them all: an aggregatedList finds all its groups,
//	custom-named ones too, and only those that hold something are listed
//	Service that neither asks for groups nor has any: one GET
func (l *look) observe(ctx context.Context) error {
	l.turn.Began()
	left, backends := l.r.leaves(l.key)
	whole := backends || l.turn.Thorough != nil && l.turn.Thorough()
	thorough := left || whole
	if err := l.readService(ctx); err != nil {
		return err
	}
	if l.scope.Foreign {
		return l.observeForeign(ctx, whole)
	}
	ports, _ := plan.Ports(l.in)
	names := plan.Names(ports)
	if !thorough && len(names) == 0 && l.in.Service != nil && len(l.status.Groups) == 0 && len(l.backendIDs()) == 0 {
		return nil
	}
	l.result.Ended = len(names) == 0
	if !thorough && l.settled(names) {
		if err := l.observeBackends(ctx, false); err != nil {
			return err
		}
		return l.observeKnown(ctx, names)
	}
	if err := l.observeOwned(ctx, names, whole); err != nil {
		return err
	}
	return l.readCluster(ctx)
}

// readService reads the Service and what it asks for.
func (l *look) readService(ctx context.Context) error {
	l.readAt = l.r.Now()
	svc, err := l.scope.Cluster.Service(ctx, l.key)
	if err != nil {
		return err
	}
	if svc != nil && l.scope.Empty != "" {
		svc = askingNothing(svc)
	}
	l.in = plan.Input{UID: l.scope.UID, Project: l.scope.Project, Zones: l.scope.Zones, Service: svc, Foreign: l.scope.Foreign}
	l.policy, l.status = l.scope.Policy, neg.Status{}
	if svc == nil {
		return nil
	}
	if err := l.readAnnotations(svc); err != nil {
		return err
	}
	if l.scope.Foreign {
		return l.readForeign(ctx)
	}
	if l.in.Exposure.Ingress && !svc.Deleting {
		l.in.Ingress, err = l.scope.Cluster.IngressPorts(ctx, l.key.Namespace)
	}
	return err
}

func (l *look) readAnnotations(svc *neg.Service) error {
	own, err := plan.ParsePolicy(svc.Annotations[neg.AnnotationPolicy])
	if err != nil {
		l.policy = plan.Observe
		return neg.Block("InvalidAnnotation", "service %s/%s: annotation %s: %w", l.key.Namespace, l.key.Service, neg.AnnotationPolicy, err)
	}
	l.policy = min(l.policy, own) // the stricter of the cluster's and the Service's
	l.readBackendAnnotations(svc)
	if l.in.Keep, err = neg.ParseKeepServing(svc.Annotations); err != nil {
		l.in.Mistakes = append(l.in.Mistakes, plan.Problem{Reason: "InvalidAnnotation", Message: err.Error() + "; Pods that terminate leave their groups at once"})
	}
	// A status nobody can read is as good as none: the groups are looked for.
	l.status, _ = neg.ParseStatus(svc.Annotations[neg.AnnotationStatus])
	value, ok := svc.Annotations[neg.AnnotationNEG]
	if !ok {
		return nil
	}
	if l.in.Exposure, err = neg.ParseExposure(value); err != nil {
		return neg.Block("InvalidAnnotation", "service %s/%s: %w; nothing is changed until it is right", l.key.Namespace, l.key.Service, err)
	}
	return nil
}

// settled tells whether the wanted names are those of the status, and custom ones among
// them were seen to be ours by this instance a while ago: a description never changes, but
// a group can be deleted and its name be taken by someone else.
func (l *look) settled(names map[int32]string) bool {
	if l.in.Service == nil || l.in.Service.Deleting || !maps.Equal(names, l.status.Groups) {
		return false
	}
	custom := l.customNames(names)
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	v := l.r.verified[l.key]
	return custom == "" || v.uid == l.scope.UID && v.names == custom && l.r.Now().Sub(v.at) < verifiedFor
}

// verifiedFor is how long an owned custom name is believed without a look at its
// description.
const verifiedFor = 10 * time.Minute

// A verified is custom group names that were seen to be a cluster's own.
type verified struct {
	uid, names string
	at         time.Time
}

// leaves tells whether groups of k were left over here, and backends or health checks too. Once neg-status names what is
// wanted, nothing in the cluster tells of a group whose deletion failed, or that was made
// when it was wanted no more.
func (r *Reconciler) leaves(k neg.Key) (left, backends bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	backends, left = r.leftover[k]
	return left, backends
}

// noteLeftover remembers what is left over. Other instances do not know; what
// they never come to know of is found by the sweep.
func (l *look) noteLeftover() {
	left := slices.ContainsFunc(l.removals(), func(s plan.Step) bool { return s.Op != plan.Detach })
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if !left {
		delete(l.r.leftover, l.key)
		return
	}
	if l.r.leftover == nil {
		l.r.leftover = map[neg.Key]bool{}
	}
	l.r.leftover[l.key] = slices.ContainsFunc(l.removals(), func(s plan.Step) bool { return s.Op.Object() != "group" })
}

// customNames joins the names that are not generated.
func (l *look) customNames(names map[int32]string) string {
	var custom []string
	for port, name := range names {
		if name != neg.GroupName(l.scope.UID, l.key, port) {
			custom = append(custom, name)
		}
	}
	slices.Sort(custom)
	return strings.Join(custom, " ")
}

// observeKnown lists the groups of the wanted names in every zone that may have one. An
// endpoint in a zone nobody expected makes it look there too, and then read the cluster
// once more, which must stay the last read.
func (l *look) observeKnown(ctx context.Context, names map[int32]string) error {
	var all []neg.Group
	seen := map[neg.Zone]bool{}
	zones := slices.Concat(l.status.Zones, l.scope.Zones, l.in.Exposure.Zones)
	for {
		var ids []neg.Group
		for _, z := range zones {
			if z == neg.AllZones || seen[z] {
				continue
			}
			seen[z] = true
			for port, name := range names {
				ids = append(ids, neg.Group{GroupID: neg.GroupID{Zone: z, Name: name}, Port: port})
			}
		}
		found, err := l.list(ctx, ids)
		if err != nil {
			return err
		}
		all = append(all, found...)
		l.setObserved(all)
		if err := l.readCluster(ctx); err != nil {
			return err
		}
		if zones = zonesOutside(l.desired, seen); len(zones) == 0 {
			return nil
		}
		if err := l.readService(ctx); err != nil {
			return err
		}
	}
}

func zonesOutside(s neg.State, seen map[neg.Zone]bool) []neg.Zone {
	var zones []neg.Zone
	for _, g := range s.Groups {
		if !seen[g.Zone] {
			zones = append(zones, g.Zone)
		}
	}
	return zones
}

// observeOwned finds the groups by their descriptions, and, where all is to be found, the
// backend services that hold something of the key.
func (l *look) observeOwned(ctx context.Context, names map[int32]string, whole bool) error {
	owned, err := l.scope.Cloud.Owned(ctx, neg.Token(l.scope.UID, l.key))
	if err != nil {
		return err
	}
	if err := l.observeBackends(ctx, whole); err != nil {
		return err
	}
	var holding, empty []neg.Group
	ours := map[neg.GroupID]bool{}
	for _, o := range owned {
		if !o.Owner.Owns(l.scope.UID, l.key) {
			continue
		}
		ours[o.GroupID] = true
		g := neg.Group{GroupID: o.GroupID, Port: o.Owner.Port}
		if o.Size > 0 {
			holding = append(holding, g)
		} else {
			empty = append(empty, g)
		}
	}
	more, err := l.leftByGKE(ctx)
	if err != nil {
		return err
	}
	holding = append(holding, more...)
	found, err := l.list(ctx, holding)
	if err != nil {
		return err
	}
	l.setObserved(append(found, empty...))
	l.verify(names, ours)
	return nil
}

// verify remembers that the custom names are ours, when they are in every zone where the
// normal look would list them.
func (l *look) verify(names map[int32]string, ours map[neg.GroupID]bool) {
	custom := l.customNames(names)
	if custom == "" {
		return
	}
	for _, name := range names {
		for _, z := range slices.Concat(l.status.Zones, l.scope.Zones) {
			if !ours[neg.GroupID{Zone: z, Name: name}] {
				return
			}
		}
	}
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	if l.r.verified == nil || len(l.r.verified) > 10000 {
		l.r.verified = map[neg.Key]verified{}
	}
	l.r.verified[l.key] = verified{l.scope.UID, custom, l.r.Now()}
}

// list reads the endpoints of groups, and leaves out those that do not exist.
func (l *look) list(ctx context.Context, groups []neg.Group) ([]neg.Group, error) {
	found := make([]*neg.Group, len(groups))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(width)
	for i, group := range groups {
		g.Go(func() error {
			endpoints, exists, err := l.scope.Cloud.Endpoints(ctx, group.GroupID)
			if exists {
				group.Endpoints = endpoints
				found[i] = &group
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []neg.Group
	for _, f := range found {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out, nil
}

// readCluster reads the EndpointSlices, the last read of all, and decides.
func (l *look) readCluster(ctx context.Context) error {
	svc := l.in.Service
	if l.scope.Foreign {
		if err := l.checkForeign(ctx); err != nil {
			return err
		}
	} else if svc != nil && !svc.Deleting {
		if err := l.readProbes(ctx); err != nil {
			return err
		}
		var err error
		if l.in.Slices, err = l.scope.Cluster.Slices(ctx, l.key); err != nil {
			return err
		}
		l.readSlices = true
		if err := l.readStopping(ctx); err != nil {
			return err
		}
		if err := l.readNodes(ctx); err != nil {
			return err
		}
	}
	l.desired, l.problems = plan.Desired(l.in, l.observed)
	return nil
}

// readStopping asks since when Pods terminate, when that decides whether one stays.
func (l *look) readStopping(ctx context.Context) (err error) {
	l.in.Now = l.r.Now()
	kept := func(e neg.SliceEndpoint) bool { return e.Terminating && e.Serving }
	asks := slices.ContainsFunc(l.in.Slices, func(s neg.Slice) bool { return slices.ContainsFunc(s.Endpoints, kept) })
	if l.in.Keep == 0 || !asks {
		return nil
	}
	l.in.Stopping, err = l.scope.Cluster.Stopping(ctx, l.key.Namespace, l.in.Service.Selector)
	return err
}

// presences are the Pods that the EndpointSlices show.
func (l *look) presences() map[string]Presence {
	if !l.readSlices {
		return nil
	}
	pods := map[string]Presence{}
	for _, s := range l.in.Slices {
		for _, e := range s.Endpoints {
			seen := Live
			if e.Terminating {
				seen = Terminating
			}
			pods[e.Pod] = max(pods[e.Pod], seen)
		}
	}
	return pods
}

// unready tells whether a live endpoint of the EndpointSlices is not ready.
func (l *look) unready() bool {
	for _, s := range l.in.Slices {
		if slices.ContainsFunc(s.Endpoints, func(e neg.SliceEndpoint) bool { return e.Unready && !e.Terminating }) {
			return true
		}
	}
	return false
}

// readNodes takes the map of nodes, and reads it anew when it misses one.
func (l *look) readNodes(ctx context.Context) (err error) {
	if len(l.in.Slices) == 0 {
		return nil
	}
	stale := len(l.rejected) > 0
	for {
		if l.in.Nodes, err = l.scope.Cluster.Nodes(ctx, stale); err != nil || stale {
			return err
		}
		if stale = l.missesNode(); !stale {
			return nil
		}
	}
}

func (l *look) missesNode() bool {
	for _, s := range l.in.Slices {
		for _, e := range s.Endpoints {
			if _, ok := l.in.Nodes[e.Node]; !ok && e.Node != "" && !e.Terminating {
				return true
			}
		}
	}
	return false
}

// awaitSlices gives a Service that was created a moment ago the time to get its first
// EndpointSlice, so that one look makes its groups and fills them. News of the key is most
// likely that slice.
func (l *look) awaitSlices(ctx context.Context) error {
	svc := l.in.Service
	if svc == nil || svc.Deleting || !svc.HasSelector || len(l.in.Slices) > 0 || len(l.desired.Groups) == 0 || len(l.observed.Groups) > 0 || l.policy == plan.Observe {
		return nil
	}
	timer := time.NewTimer(sliceWait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.turn.Newer:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.turn.Rereads()
	return l.confirm(ctx, false)
}
