package storm

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
	"github.com/negfleet/negfleet/test/rig"
)

// clear ends all trouble. Events that are still on the wire are as unlucky as before.
func (s *storm) clear() {
	s.calm.Store(true)
	s.Spare()
	s.GCE.ClearFaults()
	s.lift()
	s.Kube.ClearFaults()
	s.restoreAll()
	for _, a := range s.apps {
		s.change(a, func() error {
			if a.exists && a.broken && !a.fixed {
				a.broken = false
				s.must(s.annotate(a))
			}
			if a.exists && a.hidden {
				s.must(s.hide(a, false))
			}
			return a.cluster.World.Scale(namespace, a.key.Service, len(s.living(a)))
		})
	}
	s.events()
	s.drained()
}

// patience bounds every wait: much, for machines that do other things too.
const patience = 5 * time.Minute

func (s *storm) drained() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.PubSub.Drained(ctx); err != nil {
		s.t.Fatalf("%v: %+v", err, s.PubSub.Stats())
	}
}

// sweep asks for a look at every Service, and at whatever owned groups are for.
func (s *storm) sweep() {
	s.t.Helper()
	keys := map[neg.Key]bool{}
	for _, c := range s.Clusters {
		for _, svc := range fakekube.List[*corev1.Service](c.Cluster, "", nil) {
			keys[neg.Key{Cluster: c.Name(), Namespace: svc.Namespace, Service: svc.Name}] = true
		}
	}
	for _, g := range s.GCE.Groups() {
		if k, ours := ownerOf(g.Description); ours {
			keys[k] = true
		}
	}
	for _, a := range s.apps { // of some there may be a backend service or a health check left
		keys[a.key] = true
	}
	for k := range keys {
		s.must(s.Publish(s.t.Context(), k, event.SourceSweepGroups))
	}
	s.drained()
}

// checkLooks: one publication of every key takes at most two looks at each.
func (s *storm) checkLooks() {
	s.t.Helper()
	for k, n := range s.looks.reset() {
		if n > 2 {
			s.t.Errorf("the sweep led to %d looks at %s, want at most 2", n, k)
		}
	}
}

// checkRival: whoever takes endpoints out again and again is repaired once at each event,
// which causes no other look, and is told of.
func (s *storm) checkRival() {
	s.t.Helper()
	a := s.fought
	if !a.exists || a.hidden || len(s.living(a)) == 0 || len(a.groups()) == 0 {
		return
	}
	s.looks.reset()
	times := 5 * len(s.Instances) // each counts for itself, from its second repair on
	for range times {
		s.rival()
		s.drained()
	}
	if n := s.looks.reset()[a.key]; n > times {
		s.t.Errorf("%d looks at %s for %d events", n, a.key, times)
	}
	for _, e := range fakekube.List[*corev1.Event](a.cluster.Cluster, namespace, nil) {
		if e.InvolvedObject.Name == a.key.Service && e.Reason == "FightingWriter" {
			return
		}
	}
	s.t.Errorf("a rival took the endpoints of %s %d times, and no Event says so", a.key, times)
}

// checkOthers: no accepted call of an instance changed what is not negfleet's.
func (s *storm) checkOthers() {
	s.t.Helper()
	for _, c := range s.GCE.Calls(fakegce.CallFilter{}) {
		_, rest, named := strings.Cut(c.Path, "/networkEndpointGroups/") // inserts name theirs in the body
		name, _, _ := strings.Cut(rest, "/")
		if !named || !isWrite(c) || strings.HasPrefix(c.RequestID, handID) || c.Operation == "" {
			continue
		}
		if s.byName[name] == nil {
			s.t.Errorf("a call changed what is not negfleet's: %s %s", c.Verb, c.Path)
		}
	}
	for _, w := range s.Kube.Writes() {
		if w.User == rig.User && w.Resource != "events" && (w.Resource != "services" || w.Verb != "patch") {
			s.t.Errorf("a write to what is not negfleet's: %s %s %s/%s", w.Verb, w.Resource, w.Namespace, w.Name)
		}
	}
}

func isWrite(c fakegce.Call) bool {
	for _, verb := range []string{"insert", "delete", "tachNetworkEndpoints", "patch", "update"} {
		if strings.HasSuffix(c.Verb, verb) {
			return true
		}
	}
	return false
}

// checkWorld holds groups and statuses against what the Pods ask for.
func (s *storm) checkWorld() {
	s.t.Helper()
	if d := cmp.Diff(s.foreign, s.foreignGroups()); d != "" {
		s.t.Errorf("what is not ours was touched (-before +after):\n%s", d)
	}
	got := s.groupsByApp()
	for _, a := range s.apps {
		want := map[place]map[string]bool{}
		w := s.wish(a)
		if !w.untouchable || a.policy == "upsert" {
			want = w.groups
		}
		if a.policy == "upsert" {
			withoutExtra(got[a], want)
		}
		if d := cmp.Diff(lines(want), lines(got[a])); d != "" {
			s.t.Errorf("groups of %s (-want +got):\n%s", a.key, d)
		}
		s.checkStatus(a, want)
	}
	s.checkBalancers()
}

func (s *storm) groupsByApp() map[*app]map[place]map[string]bool {
	all := map[*app]map[place]map[string]bool{}
	for _, g := range s.GCE.Groups() {
		a := s.byName[g.Name]
		if a == nil {
			continue
		}
		if all[a] == nil {
			all[a] = map[place]map[string]bool{}
		}
		endpoints := map[string]bool{}
		for _, e := range g.Endpoints {
			endpoints[e.Address+"@"+e.Instance] = true
		}
		all[a][place{g.Zone, g.Name}] = endpoints
	}
	return all
}

// withoutExtra takes those endpoints out of got that upsert rightly leaves there. That none
// was detached is for checkHistory.
func withoutExtra(got, want map[place]map[string]bool) {
	for at, endpoints := range got {
		maps.DeleteFunc(endpoints, func(e string, _ bool) bool { return !want[at][e] })
	}
}

func lines(groups map[place]map[string]bool) []string {
	var out []string
	for at, endpoints := range groups {
		out = append(out, fmt.Sprintf("%s/%s: %s", at.zone, at.name, strings.Join(slices.Sorted(maps.Keys(endpoints)), " ")))
	}
	slices.Sort(out)
	return out
}

func (s *storm) checkStatus(a *app, groups map[place]map[string]bool) {
	s.t.Helper()
	svc, exists := fakekube.Get[*corev1.Service](a.cluster.Cluster, namespace, a.key.Service)
	if !exists {
		return
	}
	want := ""
	if len(groups) > 0 {
		names := map[string]string{}
		for port, name := range a.groups() {
			names[strconv.Itoa(int(port))] = name
		}
		text, err := json.Marshal(map[string]any{"network_endpoint_groups": names, "zones": rig.Zones})
		s.must(err)
		want = string(text)
	}
	if d := cmp.Diff(want, svc.Annotations[neg.AnnotationStatus]); d != "" {
		s.t.Errorf("neg-status of %s (-want +got):\n%s", a.key, d)
	}
}

// checkRest: one more pass over all keys makes no write.
func (s *storm) checkRest() {
	s.t.Helper()
	before := s.GCE.Calls(fakegce.CallFilter{})
	s.Kube.ResetCalls()
	s.sweep()
	for _, c := range s.GCE.Calls(fakegce.CallFilter{Since: before[len(before)-1].Seq}) {
		if isWrite(c) && !strings.HasSuffix(c.Path, "/"+foreignName) && c.Status != 409 {
			s.t.Errorf("at rest: %s %s: %d", c.Verb, c.Path, c.Status)
		}
	}
	for _, w := range s.Kube.Writes() {
		s.t.Errorf("at rest: %s %s %s/%s in %s by %s", w.Verb, w.Resource, w.Namespace, w.Name, w.Cluster, w.User)
	}
}

// phase notes how long something took.
func (s *storm) phase(name string) {
	now := time.Now()
	s.phases = append(s.phases, fmt.Sprintf("%s %.1fs", name, now.Sub(s.since).Seconds()))
	s.since = now
}

// summary says what the seed was made of.
func (s *storm) summary() {
	stats := s.PubSub.Stats()[rig.Subscription]
	s.counts["deliveries nacked"], s.counts["dead letters"] = stats.Nacked, stats.Dead
	s.counts["deliveries"] = stats.Delivered
	s.counts["transitions"] = len(s.GCE.Timeline(0))
	s.counts["compute calls"] = int(s.GCE.Stats().Calls)
	for _, c := range s.GCE.Calls(fakegce.CallFilter{}) {
		if c.Fault != "" {
			s.counts["compute faults met"]++
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(s.counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.counts[name], name))
	}
	s.t.Log(strings.Join(append(parts, s.phases...), ", "))
}
