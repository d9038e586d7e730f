package plan_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/plan"
)

var sameState = cmp.Options{cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateEmpty()}

// FuzzDiff holds invariant 8: applying Diff(d, o) to o gives d, Diff(d, d) is empty, and
// nothing is removed before everything is added.
func FuzzDiff(f *testing.F) {
	f.Add([]byte{}, []byte{1, 2, 3})
	f.Add([]byte{0, 17, 34, 51}, []byte{0, 17, 99})
	f.Add([]byte{255, 0, 255, 0}, []byte{7})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		desired, observed := stateOf(a), stateOf(b)
		desired = keepOurs(desired, observed)
		steps := plan.Diff(desired, observed)
		if d := cmp.Diff(desired, plan.Apply(observed, steps), sameState); d != "" {
			t.Fatalf("after the plan (-desired +got):\n%s\n%s", d, plan.Text(steps))
		}
		if again := plan.Diff(desired, desired); len(again) != 0 {
			t.Fatalf("a diff of equals has steps:\n%s", plan.Text(again))
		}
		for i := 1; i < len(steps); i++ {
			if steps[i].Op < steps[i-1].Op {
				t.Fatalf("out of order:\n%s", plan.Text(steps))
			}
		}
		upserted := plan.Apply(observed, plan.Upsert.Filter(steps))
		if lost := plan.Diff(upserted, observed); len(plan.Observe.Filter(steps)) != 0 || removes(lost) {
			t.Fatalf("upsert removed or observe wrote:\n%s", plan.Text(lost))
		}
	})
}

// keepOurs drops what Desired never asks for: that ours become someone else's.
func keepOurs(desired, observed neg.State) neg.State {
	services := slices.DeleteFunc(desired.BackendServices, func(s neg.BackendService) bool {
		have, _ := observed.BackendService(s.ID)
		return have.Managed && !s.Managed
	})
	return desired.WithBackends(services, desired.HealthChecks)
}

func removes(steps []plan.Step) bool {
	for _, s := range steps {
		if s.Op.Removes() {
			return true
		}
	}
	return false
}

// stateOf makes a state of bytes: each is a group (2 bits of zone, 1 of name) with an
// endpoint, an even one an empty group; some are backends of a service of ours, of someone
// else's, and health checks as well.
func stateOf(data []byte) neg.State {
	var groups []neg.Group
	var services []neg.BackendService
	var checks []neg.HealthCheck
	for _, x := range data {
		id := neg.BackendServiceID{Region: []string{"", "r"}[x&1], Name: fmt.Sprintf("service-%d", x>>1&1)}
		fields := neg.Fields{"timeoutSec": float64(x >> 6)}
		switch x >> 4 & 3 {
		case 1:
			services = append(services, neg.BackendService{ID: id, Managed: true, Fields: fields, HealthCheck: neg.HealthCheckID{Name: fmt.Sprint("check-", x>>7)}})
		case 2:
			services = append(services, neg.BackendService{ID: id, Backends: []neg.Backend{{Group: neg.GroupID{Zone: "z", Name: fmt.Sprint("group-", x>>2&3)}, Fields: fields}}})
		case 3:
			checks = append(checks, neg.HealthCheck{ID: neg.HealthCheckID(id), Fields: fields})
		}
		g := neg.Group{GroupID: neg.GroupID{Zone: neg.Zone(fmt.Sprintf("zone-%d", x&3)), Name: fmt.Sprintf("group-%d", x>>2&1)}, Port: 80 + int32(x>>2&1)}
		if x&8 != 0 {
			ip := netip.AddrFrom4([4]byte{10, 0, 0, x >> 4})
			g.Endpoints = []neg.Endpoint{{Instance: fmt.Sprintf("vm-%d", x&3), Addr: netip.AddrPortFrom(ip, 8080)}}
		}
		groups = append(groups, g)
	}
	return neg.NewState(groups...).WithBackends(services, checks)
}

// FuzzDesired: whatever the slices hold, Desired does not panic, wants each address once
// in a group, never wants a terminating endpoint, and never empties a group because
// something could not be read.
func FuzzDesired(f *testing.F) {
	f.Add("10.0.0.1", "n1", int32(80), false, true)
	f.Add("::1", "", int32(-1), true, false)
	f.Add("127.0.0.1", "n9", int32(70000), false, true)
	f.Fuzz(func(t *testing.T, address, node string, port int32, terminating, hasPort bool) {
		sp := neg.SlicePort{Name: "http", Protocol: "TCP"}
		if hasPort {
			sp.Port = &port
		}
		in := plan.Input{
			UID: clusterUID, Project: "p1", Zones: []neg.Zone{"a"},
			Service:  &neg.Service{Key: key, Ports: []neg.ServicePort{{Name: "http", Port: 80, Protocol: "TCP"}}},
			Exposure: neg.Exposure{Ports: []neg.ExposedPort{{Port: 80}}},
			Nodes:    map[string]neg.Node{"n1": {Project: "p1", Zone: "a", Instance: "vm1"}},
			Slices:   []neg.Slice{{Name: "s", Ports: []neg.SlicePort{sp}, Endpoints: []neg.SliceEndpoint{{Addresses: []string{address}, Node: node, Terminating: terminating}, {Addresses: nil}}}},
		}
		observed := neg.State{}
		addr, err := netip.ParseAddr(address)
		if err == nil {
			observed = neg.NewState(neg.Group{GroupID: neg.GroupID{Zone: "b", Name: neg.GroupName(clusterUID, key, 80)}, Port: 80, Endpoints: []neg.Endpoint{{Instance: "vm", Addr: netip.AddrPortFrom(addr, 1)}}})
		}
		desired, problems := plan.Desired(in, observed)
		if terminating && endpoints(desired) != 0 {
			t.Fatalf("a terminating endpoint is wanted: %+v", desired)
		}
		if !terminating && err == nil && endpoints(desired) == 0 {
			t.Fatalf("a live endpoint was dropped: %v", problems)
		}
	})
}

func endpoints(s neg.State) int {
	n := 0
	for _, g := range s.Groups {
		n += len(g.Endpoints)
	}
	return n
}
