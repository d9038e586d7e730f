package readiness

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// still is a cluster with one Pod that waits, and a cloud that finds it healthy in the last of
// many zones. It answers at once, so that all time goes by in waiting.
type still struct {
	zone neg.Zone
	pod  neg.GatedPod

	mu       sync.Mutex
	listings int
}

func (s *still) Exposed(context.Context, string) ([]neg.Service, error) {
	return []neg.Service{{
		Key: neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}, Selector: map[string]string{"app": "web"},
		Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`}, Ports: []neg.ServicePort{{Port: 80}},
	}}, nil
}

func (s *still) GatedPods(context.Context, string, map[string]string, []string) ([]neg.GatedPod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []neg.GatedPod{s.pod}, nil
}

func (s *still) SetGate(_ context.Context, _ neg.GatedPod, gate neg.Gate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pod.Gate = gate
	return nil
}

func (s *still) Health(_ context.Context, id neg.GroupID) ([]neg.EndpointHealth, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listings++
	if id.Zone != s.zone {
		return nil, true, nil
	}
	at := neg.Endpoint{Addr: netip.AddrPortFrom(s.pod.IP, 8080)}
	return []neg.EndpointHealth{{Endpoint: at, Seen: []neg.Health{{Service: neg.BackendServiceID{Name: "shop"}, State: neg.Healthy}}}}, true, nil
}

func (s *still) BackendService(context.Context, neg.BackendServiceID) (neg.BackendService, bool, error) {
	return neg.BackendService{}, false, nil
}
func (s *still) IngressPorts(context.Context, string) ([]neg.IngressPort, error) { return nil, nil }
func (s *still) Slices(context.Context, neg.Key) ([]neg.Slice, error)            { return nil, nil }
func (s *still) Nodes(context.Context, bool) (map[string]neg.Node, error)        { return nil, nil }
func (s *still) RenewLease(context.Context, string) error                        { return nil }
func (s *still) GKEGroups(context.Context, string, string) ([]neg.GKEGroup, error) {
	return nil, nil
}

// TestAllowanceIsNoTimeout: the groups of one look alone may take longer than a call may. The
// look goes on all the same, and each group is listed once.
func TestAllowanceIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 60
		var zones []neg.Zone
		for i := range many {
			zones = append(zones, neg.Zone(fmt.Sprintf("us-central1-%02d", i)))
		}
		s := &still{zone: zones[many-1], pod: neg.GatedPod{
			Namespace: "shop", Name: "web-1", Labels: map[string]string{"app": "web"}, IP: netip.MustParseAddr("10.64.0.1"), Type: neg.GateNEG, Ready: time.Now(), Changed: time.Now(),
		}}
		f := New(500*time.Second, slog.New(slog.DiscardHandler))
		f.Listings = 1
		f.Open = func(context.Context, string) (Scope, error) {
			return Scope{Project: "p1", Zones: zones, Gates: []string{neg.GateNEG}, Cluster: s, Cloud: s}, nil
		}
		f.Reconcile = func(context.Context, neg.Key) error { return nil }
		f.Again = f.Reconcile
		began := time.Now()
		if err := f.Follow(t.Context(), neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); !s.pod.Gate.Open || s.listings != many || took > 65*time.Second {
			t.Errorf("open %v after %v and %d listings, want %d in a minute", s.pod.Gate.Open, took, s.listings, many)
		}
	})
}

// TestAllowanceComesBack: what a look took and did not use is there for others.
func TestAllowanceComesBack(t *testing.T) {
	r := &rate{perSecond: 1, burst: 2}
	now := time.Now()
	for range 5 {
		r.take(now, 1)
	}
	r.take(now, -3)
	if wait := r.take(now, 1); wait != time.Second {
		t.Errorf("wait %v, want a second: two of five were used", wait)
	}
}
