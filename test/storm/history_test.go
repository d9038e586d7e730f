package storm

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

func serviceOf(o runtime.Object) string {
	slice, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return ""
	}
	return slice.Labels[discoveryv1.LabelServiceName]
}

// A place is a zonal group.
type place struct{ zone, name string }

// A wish is what the cloud should hold for one app: the endpoints of each group, as
// ip:port@instance.
type wish struct {
	// untouchable: whatever is there stays.
	untouchable bool
	groups      map[place]map[string]bool
}

// protects tells whether an endpoint, or the group itself when there is none, must not
// be taken away.
func (w wish) protects(at place, endpoint string) bool {
	if w.untouchable {
		return true
	}
	endpoints, wanted := w.groups[at]
	return wanted && (endpoint == "" || endpoints[endpoint])
}

// A moment is a change of an app's wish, which took effect between from and to.
type moment struct {
	from, to time.Time
	wish
}

// change makes one change of an app, and notes it. The webhook may have told of it before.
func (s *storm) change(a *app, do func() error) {
	s.t.Helper()
	if s.rand.IntN(3) == 0 {
		s.hint(a)
	}
	from := time.Now()
	s.must(do())
	s.past[a] = append(s.past[a], moment{from, time.Now(), s.wish(a)})
}

// wish works out what the cloud should hold from an app's Pods.
func (s *storm) wish(a *app) wish {
	w := wish{untouchable: a.exists && (a.broken || a.policy != "" || a.taken), groups: map[place]map[string]bool{}}
	for port, name := range a.groups() {
		for _, zone := range rig.Zones {
			w.groups[place{zone, name}] = map[string]bool{}
		}
		if a.hidden {
			continue
		}
		for _, p := range s.living(a) {
			n, _ := fakekube.Get[*corev1.Node](a.cluster.Cluster, "", p.Spec.NodeName)
			parts := strings.Split(n.Spec.ProviderID, "/") // gce://PROJECT/ZONE/INSTANCE
			w.groups[place{parts[3], name}][fmt.Sprintf("%s:%d@%s", p.Status.PodIP, targets[port], parts[4])] = true
		}
	}
	return w
}

// protected tells whether an app wished for something during all of a span of time.
func (s *storm) protected(a *app, from, to time.Time, at place, endpoint string) bool {
	past := s.past[a]
	for i, m := range past {
		over := i+1 < len(past) && past[i+1].to.Before(from)
		if !over && !m.from.After(to) && !m.protects(at, endpoint) {
			return false
		}
	}
	return !past[0].from.After(from)
}

// checkHistory holds every removal by negfleet against what the instance that sent it
// could have read: what was wanted from the start of its last read of the Service until
// the removal was accepted must not have been removed.
func (s *storm) checkHistory() {
	calls := s.accepted()
	for _, tr := range s.GCE.Timeline(0) {
		a, call := s.byName[tr.Group], calls[tr.Operation]
		if a == nil || tr.Event != "detached" && tr.Event != "deleted" || tr.Verb == "instances.delete" || strings.HasPrefix(call.RequestID, handID) {
			continue
		}
		what, at := "", place{tr.Zone, tr.Group}
		if tr.Event == "detached" {
			what = tr.Endpoint + "@" + tr.Instance
		}
		s.counts["removals"]++
		read, ok := s.sent.justifies(call.RequestID, a.key, call.Time)
		switch {
		case !ok:
			s.t.Errorf("%s %s of %v at %s: no instance read the Service before (call %+v)", tr.Event, what, at, clock(tr.Time), call)
		case call.Time.Sub(read) > 10*time.Second:
			s.t.Errorf("%s %s of %v: accepted %s after the read that justifies it", tr.Event, what, at, call.Time.Sub(read))
		case s.protected(a, read, call.Time, at, what):
			s.t.Errorf("%s %s of %v: was wanted from %s to %s all along", tr.Event, what, at, clock(read), clock(call.Time))
		case s.protected(a, call.Time, call.Time, at, what):
			s.counts["removals that lost a race"]++
		}
	}
}

func clock(t time.Time) string { return t.Format("05.000000") }

func split(address string) (ip string, port int) {
	ip, number, _ := strings.Cut(address, ":")
	_, _ = fmt.Sscan(number, &port)
	return ip, port
}

// ownerOf reads whose a group is.
func ownerOf(description string) (neg.Key, bool) {
	o, err := neg.ParseOwner(description)
	return neg.Key{Cluster: o.Cluster, Namespace: o.Namespace, Service: o.Service}, err == nil
}
