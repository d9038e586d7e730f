package nodes

import (
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

func testNodes(n int) []layout.Node {
	return layout.Spec{
		Name: "alpha", Project: "p", Region: "r", Nodes: n, Octet: 64, Zones: []string{"r-a", "r-b", "r-c"},
	}.NodeList()
}

func anyNode(string) bool { return true }

func TestPlacementSpreads(t *testing.T) {
	nodes := testNodes(6)
	p := newPlacement(nodes)
	zone := map[string]string{}
	for _, n := range nodes {
		zone[n.Name] = n.Zone
	}
	perNode, perZone := map[string]int{}, map[string]int{}
	for i := range 12 {
		name, ok := p.choose(types.UID(fmt.Sprint(i)), "rs", anyNode)
		if !ok {
			t.Fatal("no node")
		}
		perNode[name]++
		perZone[zone[name]]++
		if most, least := extremes(perZone, 3); most-least > 1 {
			t.Fatalf("after %d pods: zones %v", i+1, perZone)
		}
	}
	if most, least := extremes(perNode, 6); most != 2 || least != 2 {
		t.Errorf("nodes: %v", perNode)
	}
}

func extremes(counts map[string]int, keys int) (most, least int) {
	least = 1 << 30
	for _, n := range counts {
		most, least = max(most, n), min(least, n)
	}
	if len(counts) < keys {
		least = 0
	}
	return most, least
}

func TestSinglePodsSpreadToo(t *testing.T) {
	p := newPlacement(testNodes(3))
	seen := map[string]bool{}
	for i := range 3 {
		name, _ := p.choose(types.UID(fmt.Sprint(i)), fmt.Sprintf("rs-%d", i), anyNode)
		seen[name] = true
	}
	if len(seen) != 3 {
		t.Errorf("three groups of one pod are on %v", seen)
	}
}

func TestPlacementIsIdempotentAndForgets(t *testing.T) {
	p := newPlacement(testNodes(3))
	first, _ := p.choose("a", "rs", anyNode)
	if again, _ := p.choose("a", "rs", anyNode); again != first {
		t.Errorf("second choice: got %s, want %s", again, first)
	}
	p.observe("a", "rs", "node-c-1") // known already
	p.forget("a")
	p.forget("a")
	if len(p.counts) != 0 || len(p.placed) != 0 {
		t.Errorf("after forgetting: %v %v", p.counts, p.placed)
	}
}

func TestPlacementHasLimits(t *testing.T) {
	p := newPlacement(testNodes(1))
	for i := range layout.PodsPerNode {
		p.choose(types.UID(fmt.Sprint(i)), "rs", anyNode)
	}
	if name, ok := p.choose("one more", "rs", anyNode); ok {
		t.Errorf("full node: got %s", name)
	}
	if _, ok := newPlacement(testNodes(3)).choose("a", "rs", func(string) bool { return false }); ok {
		t.Error("no node fits, one was chosen")
	}
}

func TestIPPool(t *testing.T) {
	p := newIPPool(testNodes(2)[1], 64)
	seen := map[string]bool{}
	for range layout.PodsPerNode {
		ip, ok := p.get(epoch)
		if !ok || seen[ip] {
			t.Fatalf("got %q, %v", ip, ok)
		}
		seen[ip] = true
	}
	if ip, ok := p.get(epoch); ok {
		t.Fatalf("empty pool: got %s", ip)
	}
	p.put("10.64.1.7", epoch)
	p.put("10.64.1.7", epoch)
	p.put("10.64.9.9", epoch) // never was in it
	if ip, ok := p.get(epoch.Add(cooling - 1)); ok {
		t.Errorf("address %s is used again too soon", ip)
	}
	if ip, ok := p.get(epoch.Add(cooling)); !ok || ip != "10.64.1.7" {
		t.Errorf("after cooling: got %q, %v", ip, ok)
	}
	if ip, ok := p.get(epoch.Add(cooling)); ok {
		t.Errorf("address %s was given back once and handed out twice", ip)
	}
}

func TestParseBehaviour(t *testing.T) {
	b, errs := ParseBehaviour(map[string]string{
		Prefix + "start-delay":    "5s",
		Prefix + "never-ready":    "true",
		Prefix + "unhealthy-path": "/healthz",
		Prefix + "crash-after":    "10s",
		Prefix + "complete-after": "20s",
		Prefix + "drain-delay":    "3s",
		"unrelated":               "x",
	})
	want := Behaviour{
		StartDelay: 5 * time.Second, NeverReady: true, UnhealthyPath: "/healthz",
		CrashAfter: 10 * time.Second, CompleteAfter: 20 * time.Second, DrainDelay: 3 * time.Second,
	}
	if b != want || len(errs) != 0 {
		t.Errorf("got %+v, %v", b, errs)
	}
	b, errs = ParseBehaviour(map[string]string{
		Prefix + "start-delay":    "soon",
		Prefix + "drain-delay":    "-1s",
		Prefix + "unhealthy-path": "healthz",
		Prefix + "typo":           "1",
	})
	if b != (Behaviour{}) || len(errs) != 4 {
		t.Errorf("bad values: got %+v, %v", b, errs)
	}
}

func TestPreStop(t *testing.T) {
	for command, want := range map[string]time.Duration{
		"sleep 10":              10 * time.Second,
		"/bin/sh -c sleep 7":    7 * time.Second,
		"sh -c /bin/sleep 2s":   2 * time.Second,
		"nginx -s quit":         0,
		"sh -c sleep 5 && true": 0,
	} {
		c := &v1.Container{Lifecycle: &v1.Lifecycle{PreStop: &v1.LifecycleHandler{
			Exec: &v1.ExecAction{Command: []string{command}},
		}}}
		if got := preStop(c); got != want {
			t.Errorf("%q: got %v, want %v", command, got, want)
		}
	}
}

func TestTaintsOfLostNode(t *testing.T) {
	mine := v1.Taint{Key: "mine", Effect: v1.TaintEffectNoSchedule}
	lost := withTaints([]v1.Taint{mine}, v1.ConditionUnknown)
	if len(lost) != 3 || lost[0].Key != "mine" {
		t.Errorf("lost: got %v", lost)
	}
	if back := withTaints(lost, v1.ConditionTrue); len(back) != 1 || back[0].Key != "mine" {
		t.Errorf("back: got %v", back)
	}
}
