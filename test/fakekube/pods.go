package fakekube

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// A Deployment is a set of equal Pods that a World keeps.
type Deployment struct {
	Namespace string
	Name      string
	Replicas  int
	Labels    map[string]string      // of the Pods; app=NAME if nil
	Ports     []corev1.ContainerPort // http on 8080 if nil
	Gates     []string               // readiness gates
}

func (d *Deployment) key() string { return d.Namespace + "/" + d.Name }

func (d *Deployment) selector() map[string]string {
	return map[string]string{"fakekube/deployment": d.Name}
}

// Deploy adds a Deployment and starts its Pods.
func (w *World) Deploy(d Deployment) error {
	if d.Labels == nil {
		d.Labels = map[string]string{"app": d.Name}
	}
	if d.Ports == nil {
		d.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}
	}
	w.mu.Lock()
	w.deploys[d.key()] = d
	w.mu.Unlock()
	return w.Scale(d.Namespace, d.Name, d.Replicas)
}

// Scale starts Pods, or begins to terminate the youngest, until n are alive.
func (w *World) Scale(namespace, name string, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.deploys[namespace+"/"+name]
	if !ok {
		return fmt.Errorf("no deployment %s/%s", namespace, name)
	}
	alive := w.alive(&d)
	for len(alive) < n {
		pod, err := w.start(&d)
		if err != nil {
			return err
		}
		alive = append(alive, pod)
	}
	for _, pod := range alive[n:] {
		w.terminate(pod)
	}
	w.syncMatching(namespace, d.Labels)
	return nil
}

// Roll starts a new Pod and begins to terminate the oldest one.
func (w *World) Roll(namespace, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.deploys[namespace+"/"+name]
	if !ok {
		return fmt.Errorf("no deployment %s/%s", namespace, name)
	}
	old := w.alive(&d)
	if _, err := w.start(&d); err != nil {
		return err
	}
	if len(old) > 0 {
		w.terminate(old[0])
	}
	w.syncMatching(namespace, d.Labels)
	return nil
}

// Terminate begins the graceful deletion of one Pod: it stays, terminating and still
// serving, until Reap. Nothing takes its place.
func (w *World) Terminate(namespace, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, ok := Get[*corev1.Pod](w.c, namespace, name)
	if !ok {
		return fmt.Errorf("no pod %s/%s", namespace, name)
	}
	w.terminate(pod)
	w.syncMatching(namespace, pod.Labels)
	return nil
}

// Reap removes the terminating Pods of a namespace, of all if it is "".
func (w *World) Reap(namespace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pod := range List[*corev1.Pod](w.c, namespace, nil) {
		if pod.DeletionTimestamp != nil {
			w.kubelet(pod).deleteEntry(named("pods"), pod.Namespace, pod.Name)
			w.settle(pod)
		}
	}
}

// Recreate replaces a Pod by another one of the same name, as a StatefulSet does: new
// UID, new address.
func (w *World) Recreate(namespace, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, ok := Get[*corev1.Pod](w.c, namespace, name)
	if !ok {
		return fmt.Errorf("no pod %s/%s", namespace, name)
	}
	pod := old.DeepCopy()
	pod.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: old.Labels, Annotations: old.Annotations, OwnerReferences: old.OwnerReferences}
	w.c.As(deployer).deleteEntry(named("pods"), namespace, name)
	if err := w.run(pod); err != nil {
		return err
	}
	w.free(old)
	w.syncMatching(namespace, pod.Labels)
	return nil
}

// alive returns the Pods of a Deployment that are not terminating, oldest first.
func (w *World) alive(d *Deployment) []*corev1.Pod {
	pods := slices.DeleteFunc(List[*corev1.Pod](w.c, d.Namespace, d.selector()), func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil })
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return pods
}

func (w *World) start(d *Deployment) (*corev1.Pod, error) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: fmt.Sprintf("%s-%06d", d.Name, w.serial+1), Labels: d.selector()},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "example.test/app:1", Ports: d.Ports}}},
	}
	for k, v := range d.Labels {
		pod.Labels[k] = v
	}
	for _, g := range d.Gates {
		pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(g)})
	}
	return pod, w.run(pod)
}

// run schedules a Pod, gives it an address and stores it as running.
func (w *World) run(pod *corev1.Pod) error {
	n, ip, err := w.place()
	if err != nil {
		return err
	}
	w.serial++
	now := metav1.NewTime(w.c.server.now().Truncate(1e9))
	pod.Spec.NodeName = n.name
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &now, QOSClass: corev1.PodQOSBestEffort,
		HostIP: n.hostIP, HostIPs: []corev1.HostIP{{IP: n.hostIP}}, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
	}
	for _, t := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: t, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	setReady(pod, now)
	return w.c.As(scheduler).Apply(pod)
}

func (w *World) terminate(pod *corev1.Pod) {
	now := w.c.server.now()
	// Someone may have removed the Pod since; then there is nothing left to terminate.
	_ = Edit(w.c.As(deployer), pod.Namespace, pod.Name, func(p *corev1.Pod) {
		if p.DeletionTimestamp == nil {
			markDeleted(p, *p.Spec.TerminationGracePeriodSeconds, now)
		}
	})
}

// settle brings a Pod's Ready condition and its Services' slices up to date.
func (w *World) settle(pod *corev1.Pod) {
	e := w.c.lookup(named("pods"), pod.Namespace, pod.Name)
	if e == nil {
		w.free(pod)
	} else if setReady(e.obj.DeepCopyObject().(*corev1.Pod), metav1.Time{}) {
		now := metav1.NewTime(w.c.server.now().Truncate(1e9))
		_ = Edit(w.kubelet(pod), pod.Namespace, pod.Name, func(p *corev1.Pod) { setReady(p, now) }) // gone meanwhile is fine
	}
	w.syncMatching(pod.Namespace, pod.Labels)
}

func (w *World) kubelet(pod *corev1.Pod) *Cluster {
	return w.c.As("system:node:" + pod.Spec.NodeName)
}

// setReady is kubelet's rule: ready are the containers and every gate. It reports
// whether it changed the condition.
func setReady(pod *corev1.Pod, now metav1.Time) bool {
	ready := isTrue(pod, corev1.ContainersReady)
	for _, g := range pod.Spec.ReadinessGates {
		ready = ready && isTrue(pod, g.ConditionType)
	}
	want := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: now}
	if !ready {
		want.Status, want.Reason = corev1.ConditionFalse, "ReadinessGatesNotReady"
	}
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
	if i < 0 {
		pod.Status.Conditions = append(pod.Status.Conditions, want)
		return true
	}
	changed := pod.Status.Conditions[i].Status != want.Status
	if changed {
		pod.Status.Conditions[i] = want
	}
	return changed
}

func isTrue(pod *corev1.Pod, t corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == t && c.Status == corev1.ConditionTrue
	})
}

// syncMatching rewrites the slices of every Service that selects such a Pod.
func (w *World) syncMatching(namespace string, pod labels.Set) {
	services, _ := w.c.sorted(named("services"), namespace, func(e *entry) bool {
		sel := e.obj.(*corev1.Service).Spec.Selector
		return len(sel) > 0 && labels.SelectorFromSet(sel).Matches(pod)
	})
	for _, e := range services {
		w.sync(e.obj.(*corev1.Service))
	}
}

// SetContainersReady makes a Pod's containers pass or fail their probes.
func (w *World) SetContainersReady(namespace, name string, ready bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, ok := Get[*corev1.Pod](w.c, namespace, name)
	if !ok {
		return fmt.Errorf("no pod %s/%s", namespace, name)
	}
	status := map[bool]corev1.ConditionStatus{true: corev1.ConditionTrue, false: corev1.ConditionFalse}[ready]
	now := metav1.NewTime(w.c.server.now().Truncate(1e9))
	err := Edit(w.kubelet(pod), namespace, name, func(p *corev1.Pod) {
		for i := range p.Status.Conditions {
			if c := &p.Status.Conditions[i]; c.Type == corev1.ContainersReady && c.Status != status {
				c.Status, c.LastTransitionTime = status, now
			}
		}
	})
	w.settle(pod)
	return err
}

func podRef(pod *corev1.Pod) *corev1.ObjectReference {
	return &corev1.ObjectReference{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
}
