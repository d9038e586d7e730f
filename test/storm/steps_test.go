package storm

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// step is one thing that happens, then some of the events that it and others cause. The
// pause after it is the storm's tempo; nothing waits for an outcome.
func (s *storm) step() {
	a := s.apps[s.rand.IntN(len(s.apps))]
	switch n := s.rand.IntN(100); {
	case n < 50:
		s.pods(a)
	case n < 65:
		s.services(a)
	case n < 76:
		s.cloud(a)
	case n < 79:
		s.kill()
	case n < 82:
		s.backAndForth(a)
	case n < 86:
		s.rival()
	default:
		s.trouble()
	}
	s.events()
	timer := time.NewTimer(time.Duration(s.rand.IntN(8)) * time.Millisecond)
	<-timer.C
}

// pods changes an app's Pods.
func (s *storm) pods(a *app) {
	w, name := a.cluster.World, a.key.Service
	living := s.living(a)
	one := ""
	if len(living) > 0 {
		one = living[s.rand.IntN(len(living))].Name
	}
	switch n := s.rand.IntN(11); {
	case n < 3:
		s.change(a, func() error { return w.Scale(namespace, name, s.rand.IntN(8)) })
	case n < 6:
		s.change(a, func() error { return w.Roll(namespace, name) })
	case n < 7 && one != "":
		s.change(a, func() error { return w.Terminate(namespace, one) })
	case n < 8 && one != "":
		s.change(a, func() error { return w.Recreate(namespace, one) })
	case n < 9 && a.exists:
		s.change(a, func() error { return s.hide(a, !a.hidden) })
	case n < 10:
		w.Reap(namespace) // nobody's wishes change
	default:
		s.must(s.loseSlices(a)) // and nobody knows any
	}
}

// hide lets a Service select no Pod any more, or its Pods again: the same endpoints leave
// the slices and come back.
func (s *storm) hide(a *app, hidden bool) error {
	a.hidden = hidden
	body := `{"spec":{"selector":{"hidden":null}}}`
	if hidden {
		body = `{"spec":{"selector":{"hidden":"yes"}}}`
	}
	url := fmt.Sprintf("%s/clusters/%s/api/v1/namespaces/%s/services/%s", s.KubeAt, a.key.Cluster, namespace, a.key.Service)
	_, err := s.send("PATCH", url, body)
	return err
}

// kill ends an instance between two of its next calls. Another takes its place.
func (s *storm) kill() {
	s.counts["instances killed"]++
	s.Kill(s.t, s.rand.IntN(len(s.Instances)), s.rand.IntN(20))
}

// backAndForth takes an app's endpoints out of its slices and puts them back, each told at
// once: attach, detach, attach within moments.
func (s *storm) backAndForth(a *app) {
	if !a.exists {
		return
	}
	for range 2 {
		s.change(a, func() error { return s.hide(a, !a.hidden) })
		s.publish(event.Message{Key: a.key, Reason: "back and forth", Source: "audit"}, 1)
	}
}

// rival is another controller, which takes every endpoint out of the groups of one app.
func (s *storm) rival() {
	for _, g := range s.GCE.Groups() {
		if s.byName[g.Name] != s.fought {
			continue
		}
		for _, e := range g.Endpoints {
			ip, port := split(e.Address)
			answer, err := s.byHand("POST", "zones/"+g.Zone+"/networkEndpointGroups/"+g.Name+"/detachNetworkEndpoints", endpointsBody(e.Instance, ip, port))
			var op struct{ Name string }
			if err == nil && json.Unmarshal(answer, &op) == nil {
				_, _ = s.byHand("POST", "zones/"+g.Zone+"/operations/"+op.Name+"/wait", "") // a look before its end finds nothing amiss
				s.counts["endpoints that the rival took"]++
			}
		}
	}
	s.publish(event.Message{Key: s.fought.key, Reason: "rival", Source: "audit"}, 1)
}

// living are an app's Pods that do not terminate.
func (s *storm) living(a *app) []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range fakekube.List[*corev1.Pod](a.cluster.Cluster, namespace, map[string]string{"app": a.key.Service}) {
		if p.DeletionTimestamp == nil && p.Status.PodIP != "" {
			out = append(out, p)
		}
	}
	return out
}

// loseSlices is a broken EndpointSlice controller; the next change of a Pod mends it.
func (s *storm) loseSlices(a *app) error {
	var all []runtime.Object
	for _, slice := range fakekube.List[*discoveryv1.EndpointSlice](a.cluster.Cluster, namespace, map[string]string{discoveryv1.LabelServiceName: a.key.Service}) {
		all = append(all, slice)
	}
	return a.cluster.Delete(all...)
}

// services deletes, restores or changes an app's Service.
func (s *storm) services(a *app) {
	switch {
	case a.fixed:
	case !a.exists:
		s.change(a, func() error {
			a.exists, a.hidden = true, false
			return a.cluster.World.AddService(a.service())
		})
	case s.rand.IntN(3) == 0:
		s.change(a, func() error {
			a.exists = false
			return a.cluster.World.RemoveService(namespace, a.key.Service)
		})
	default:
		s.change(a, func() error { return s.ask(a) })
	}
}

// ask changes what a Service asks for.
func (s *storm) ask(a *app) error {
	a.broken = false
	if a.balanced && s.rand.IntN(2) == 0 {
		return s.balance(a)
	}
	switch s.rand.IntN(8) {
	case 0:
		a.exposed = map[int32]string{80: ""}
	case 1:
		a.exposed = map[int32]string{80: a.custom(80)}
	case 2:
		a.exposed = map[int32]string{80: "", 443: ""}
	case 3:
		a.exposed = map[int32]string{80: a.custom(80), 443: ""}
	case 4:
		a.exposed = map[int32]string{}
	case 5:
		a.broken = true
	default:
		if a.asks {
			a.ingress = pickOne(s.rand, []int32{80}, []int32{443}, []int32{80, 443})
			s.must(a.cluster.Apply(a.ingressObject()))
		}
	}
	return s.annotate(a) // also what was broken before
}

// annotate writes what an app asks for, beside what others wrote.
func (s *storm) annotate(a *app) error {
	return fakekube.Edit(a.cluster.Cluster, namespace, a.key.Service, func(svc *corev1.Service) {
		if svc.Annotations == nil {
			svc.Annotations = map[string]string{}
		}
		for _, name := range []string{neg.AnnotationNEG, neg.AnnotationAutoneg, neg.AnnotationBackendService} {
			delete(svc.Annotations, name)
		}
		for name, value := range a.annotations() {
			svc.Annotations[name] = value
		}
	})
}

// cloud meddles by hand. A call that is refused is no matter.
func (s *storm) cloud(a *app) {
	switch n := s.rand.IntN(10); {
	case n < 2 && len(s.down) < 3:
		vm := s.VMs[s.rand.IntN(len(s.VMs))]
		_, _ = s.byHand("DELETE", "zones/"+vm.Zone+"/instances/"+vm.Name, "")
		s.down[vm.Name] = vm // perhaps: the answer may be lost when the work is done
	case n < 5:
		s.restore(1)
	default:
		s.meddle(a, n < 8)
	}
}

// restore makes up to n deleted instances anew.
func (s *storm) restore(n int) {
	for _, vm := range s.VMs {
		if _, gone := s.down[vm.Name]; gone && n > 0 {
			delete(s.down, vm.Name)
			s.must(s.GCE.Seed(fakegce.Seed{Projects: []string{s.project}, Instances: []fakegce.Instance{vm}}))
			n--
		}
	}
}

// restoreAll makes whatever was deleted anew, also by operations that are under way: those
// that were answered by a fault have no name to wait for, and take 8 ms at most.
func (s *storm) restoreAll() {
	timer := time.NewTimer(100 * time.Millisecond)
	<-timer.C
	s.must(s.GCE.Seed(fakegce.Seed{Projects: []string{s.project}, Instances: s.VMs}))
	clear(s.down)
}

// meddle detaches an endpoint of an app's group, or attaches one that nobody wants.
func (s *storm) meddle(a *app, detach bool) {
	for _, g := range s.GCE.Groups() {
		if s.byName[g.Name] != a {
			continue
		}
		path := "zones/" + g.Zone + "/networkEndpointGroups/" + g.Name
		switch {
		case detach && len(g.Endpoints) > 0:
			e := g.Endpoints[s.rand.IntN(len(g.Endpoints))]
			ip, port := split(e.Address)
			_, _ = s.byHand("POST", path+"/detachNetworkEndpoints", endpointsBody(e.Instance, ip, port))
		case !detach:
			vm := s.VMs[s.rand.IntN(len(s.VMs))]
			if vm.Zone == g.Zone {
				_, _ = s.byHand("POST", path+"/attachNetworkEndpoints", endpointsBody(vm.Name, vm.IP, 80))
			}
		}
		return
	}
}
