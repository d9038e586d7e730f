package nodes

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	podapi "k8s.io/kubernetes/pkg/api/v1/pod"
)

// podEvents sends each Pod to the queue whose turn it is and keeps the count
// of what is placed where.
func podEvents(s *Simulator) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { s.sawPod(obj.(*v1.Pod)) },
		UpdateFunc: func(old, obj any) {
			if was, is := old.(*v1.Pod), obj.(*v1.Pod); was.UID != is.UID {
				s.placement.forget(was.UID)
			}
			s.sawPod(obj.(*v1.Pod))
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if pod, ok := obj.(*v1.Pod); ok {
				s.placement.forget(pod.UID)
				s.toRun.add(podKey(pod))
			}
		},
	}
}

func (s *Simulator) sawPod(pod *v1.Pod) {
	switch {
	case pod.Spec.NodeName == "":
		s.toPlace.add(podKey(pod))
		return
	case podapi.IsPodPhaseTerminal(pod.Status.Phase):
		s.placement.forget(pod.UID)
	default:
		s.placement.observe(pod.UID, group(pod), pod.Spec.NodeName)
	}
	s.toRun.add(podKey(pod))
}

func podKey(pod *v1.Pod) string { return pod.Namespace + "/" + pod.Name }

// nodeEvents looks at a node that changed, and again at every Pod that waits
// for one.
func nodeEvents(s *Simulator) cache.ResourceEventHandler {
	saw := func(obj any) {
		s.sawNode(obj.(*v1.Node))
		for _, pod := range s.podsOn("") {
			s.toPlace.add(podKey(pod))
		}
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    saw,
		UpdateFunc: func(_, obj any) { saw(obj) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if n, ok := obj.(*v1.Node); ok {
				s.nodeDeleted(n)
			}
		},
	}
}
