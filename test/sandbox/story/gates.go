//go:build linux

package story

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/api/compute/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/sandbox"
)

// A Deployment of 12 Pods behind a load balancer, each healthy 3 s after it was started.
const (
	gradual     = "gradual"
	gradualPods = 12
)

// openTarget is how long after the load balancer finds it healthy a Pod may be unready. It
// fails at five times that.
const openTarget = 2500 * time.Millisecond

// gatedRollout puts a load balancer before gated Pods and replaces all of them.
func gatedRollout(ctx context.Context, t *teller) (string, error) {
	mark := t.cloud.mark()
	watched, err := watchReady(ctx, t)
	if err != nil {
		return "", err
	}
	defer watched.stop()
	if err := t.apply(ctx, "gradual.yaml"); err != nil {
		return "", err
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	if err := t.until(ctx, func() (string, error) { return backendsMissing(ctx, api, gradualGroup(t)) }); err != nil {
		return "", err
	}
	if err := leadTo(ctx, api, gradualGroup(t)); err != nil {
		return "", err
	}
	if err := t.allHealthy(ctx, mark); err != nil {
		return "", err
	}
	rolling := t.cloud.mark()
	if err := t.restart(ctx, nil); err != nil {
		return "", err
	}
	least, lags := t.healthy(mark, rolling), watched.lags(t.healthyAt(rolling))
	if len(lags) < gradualPods {
		return "", fmt.Errorf("the rollout was not seen whole: %d Pods came", len(lags))
	}
	text := fmt.Sprintf("never fewer than %d healthy endpoints; from healthy to Ready: %s at the median, %s at the longest (target %s, fails at %s)",
		least, lags[len(lags)/2].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond), openTarget, 5*openTarget)
	if least < gradualPods || lags[len(lags)-1] > 5*openTarget {
		return "", fmt.Errorf("%s", text)
	}
	return text, nil
}

// zeroAndBack takes all Pods away, and one zone's group out of the backend service by hand,
// as if the zone were new; then all come back while reconcile may not change the backend
// service.
func zeroAndBack(ctx context.Context, t *teller) (string, error) {
	if err := t.scaleGradual(ctx, 0); err != nil {
		return "", err
	}
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	api, err := t.world.Compute(ctx)
	if err != nil {
		return "", err
	}
	refused := fakegce.Fault{Name: "refused", Verb: "backendServices.patch", Path: gradualGroup(t), Status: http.StatusBadRequest, Reason: "invalid"}
	if err := t.world.GCE.AddFaults(ctx, refused); err != nil {
		return "", err
	}
	defer func() { _ = t.world.GCE.ClearFaults(ctx) }()
	if err := takeOut(ctx, api, gradualGroup(t), sandbox.Zones[0]); err != nil {
		return "", err
	}
	watched, err := watchReady(ctx, t)
	if err != nil {
		return "", err
	}
	defer watched.stop()
	mark := t.cloud.mark()
	if err := t.replicasGradual(ctx, gradualPods); err != nil {
		return "", err
	}
	waits, err := t.notAttached(ctx, sandbox.Zones[0])
	if err != nil {
		return "", err
	}
	if err := t.gradualHolds(ctx, gradualPods); err != nil {
		return "", err
	}
	if err := t.world.GCE.ClearFaults(ctx); err != nil {
		return "", err
	}
	if err := t.askFor(ctx, event.TopicKeys); err != nil {
		return "", err
	}
	if err := t.allHealthy(ctx, mark); err != nil {
		return "", err
	}
	lags := watched.lags(t.healthyAt(mark))
	text := fmt.Sprintf("the groups were emptied, and hold %d again; from healthy to Ready: %s at the least, %s at the longest\n%s",
		gradualPods, lags[0].Round(time.Millisecond), lags[len(lags)-1].Round(time.Millisecond), waits)
	if len(lags) < gradualPods || lags[0] < 0 {
		return "", fmt.Errorf("a Pod was Ready before the load balancer found it healthy: %s", text)
	}
	return text, nil
}

// scaleGradual waits until the groups hold that many Pods.
func (t *teller) scaleGradual(ctx context.Context, n int) error {
	if err := t.replicasGradual(ctx, n); err != nil {
		return err
	}
	return t.gradualHolds(ctx, n)
}

func (t *teller) replicasGradual(ctx context.Context, n int) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	_, err := t.client.AppsV1().Deployments(gradual).Patch(ctx, "web", types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (t *teller) gradualHolds(ctx context.Context, n int) error {
	return t.until(ctx, func() (string, error) {
		members, all := t.cloud.members(gradualGroup(t)), 0
		for _, list := range members {
			all += len(list)
		}
		if all != n || len(members) != len(sandbox.Zones) {
			return fmt.Sprintf("%d groups hold %d endpoints, want %d", len(members), all, n), nil
		}
		return "", nil
	})
}

// takeOut takes a zone's group out of a backend service, as a person would.
func takeOut(ctx context.Context, api *compute.Service, name, zone string) error {
	s, err := api.BackendServices.Get(sandbox.Project, name).Context(ctx).Do()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(s.Backends, func(b *compute.Backend) bool { return strings.Contains(b.Group, "/zones/"+zone+"/") })
	s.Backends = left
	return inOrder(ctx, api, api.BackendServices.Update(sandbox.Project, name, s).Context(ctx))
}

// notAttached waits until the zone's group holds a Pod, whose gate then says that the group
// is not in the backend service, and is what it says.
func (t *teller) notAttached(ctx context.Context, zone string) (line string, err error) {
	err = t.until(ctx, func() (string, error) {
		if len(t.cloud.members(gradualGroup(t))[zone]) == 0 {
			return "an endpoint in " + zone, nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	if err := t.askFor(ctx, event.TopicGates); err != nil {
		return "", err
	}
	err = t.until(ctx, func() (string, error) {
		waits, err := t.gateReasons(ctx, "NotAttached")
		i := slices.IndexFunc(waits, func(s string) bool { return strings.Contains(s, "is not in backend service") })
		if i < 0 {
			return "a Pod whose group is not in the backend service", err
		}
		line = waits[i]
		return "", err
	})
	return line, err
}

// askFor publishes the Service's key, as an operator does.
func (t *teller) askFor(ctx context.Context, topic string) error {
	key := neg.Key{Cluster: t.cluster.Name, Namespace: gradual, Service: "web"}
	data, attributes, err := event.Encode(event.Message{Key: key, Reason: "asked for", Source: "operator", Observed: time.Now()})
	if err != nil {
		return err
	}
	return t.world.PubSub.Publish(ctx, topic, data, attributes)
}

// settleTarget is how long after their containers are ready gates open that no load balancer
// leads to.
const settleTarget = 5 * time.Second

// unusedBackendService asks for a backend service and puts no load balancer before it.
func unusedBackendService(ctx context.Context, t *teller) (string, error) {
	if err := t.apply(ctx, "idle.yaml"); err != nil {
		return "", err
	}
	var lines []string
	err := t.until(ctx, func() (string, error) {
		list, err := t.client.CoreV1().Pods("idle").List(ctx, metav1.ListOptions{LabelSelector: "app=idle"})
		if err != nil || len(list.Items) < 2 {
			return "the Pods", err
		}
		lines = nil
		for _, p := range list.Items {
			line, open := gateLine(&p)
			if !open {
				return "the gate of " + line, nil
			}
			waited, err := settled(&p, line)
			if err != nil {
				return "", err
			}
			lines = append(lines, fmt.Sprintf("after %s: %s", waited, line))
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	return strings.Join(lines, "\n"), t.client.CoreV1().Namespaces().Delete(ctx, "idle", metav1.DeleteOptions{})
}

// settled is how long a gate waited that opened for want of a load balancer. Conditions have
// whole seconds.
func settled(p *corev1.Pod, line string) (time.Duration, error) {
	at := map[corev1.PodConditionType]time.Time{}
	for _, c := range p.Status.Conditions {
		at[c.Type] = c.LastTransitionTime.Time
	}
	waited := at[neg.GateNEG].Sub(at[corev1.ContainersReady])
	if !strings.Contains(line, ": BackendServiceUnused: ") || waited < settleTarget-time.Second || waited > 5*settleTarget {
		return waited, fmt.Errorf("opened %s after the containers were ready: %s", waited, line)
	}
	return waited, nil
}

// brokenRollout starts Pods that never answer: the rollout stalls with all old Pods
// serving, and goes back.
func brokenRollout(ctx context.Context, t *teller) (string, error) {
	if err := t.template(ctx, map[string]any{"sandbox.negfleet.dev/never-ready": "true"}); err != nil {
		return "", err
	}
	var waits []string
	err := t.until(ctx, func() (string, error) {
		var err error
		waits, err = t.gateReasons(ctx, "LoadBalancerNegNotReady")
		if len(waits) < 4 {
			return fmt.Sprintf("Pods that wait for the load balancer: %d of 4", len(waits)), err
		}
		return "", err
	})
	if err != nil {
		return "", err
	}
	if n := t.healthy(0, t.cloud.mark()); n != gradualPods {
		return "", fmt.Errorf("%d healthy endpoints while the new Pods are broken", n)
	}
	if err := t.restart(ctx, map[string]any{"sandbox.negfleet.dev/never-ready": nil}); err != nil {
		return "", err
	}
	return fmt.Sprintf("stalled with all %d old Pods serving, and rolled back\n%s", gradualPods, waits[0]), nil
}

// readinessStopped stops the function in the middle of a rollout: new Pods wait, old ones
// serve, and all goes on when it is back.
func readinessStopped(ctx context.Context, t *teller) (string, error) {
	mark := t.cloud.mark()
	t.world.StopFunction("readiness")
	if err := t.template(ctx, map[string]any{"story/restarted": time.Now().Format(time.RFC3339Nano)}); err != nil {
		return "", err
	}
	err := t.until(ctx, func() (string, error) {
		if n := len(t.healthyAt(mark)); n < 4 {
			return fmt.Sprintf("new Pods that are healthy: %d of 4", n), nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	if n := t.healthy(0, mark); n < gradualPods {
		return "", fmt.Errorf("%d healthy endpoints while nothing opens gates", n)
	}
	if err := t.world.StartFunction(ctx, "readiness"); err != nil {
		return "", err
	}
	began := time.Now()
	if err := t.rolledOutIn(ctx, gradual, "web"); err != nil {
		return "", err
	}
	return fmt.Sprintf("new Pods waited, old ones served; rolled out %s after it was back", time.Since(began).Round(100*time.Millisecond)), t.leave(ctx)
}

// leave takes the load balancer and the Pods away.
func (t *teller) leave(ctx context.Context) error {
	api, err := t.world.Compute(ctx)
	if err != nil {
		return err
	}
	if err := withoutLoadBalancer(ctx, api); err != nil {
		return err
	}
	return t.client.CoreV1().Namespaces().Delete(ctx, gradual, metav1.DeleteOptions{})
}

func gradualGroup(t *teller) string {
	return neg.GroupName(t.cluster.UID, neg.Key{Cluster: t.cluster.Name, Namespace: gradual, Service: "web"}, 80)
}

// template changes annotations of the Deployment's Pods; restart waits for the rollout too.
func (t *teller) template(ctx context.Context, annotations map[string]any) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}}}})
	if err != nil {
		return err
	}
	_, err = t.client.AppsV1().Deployments(gradual).Patch(ctx, "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (t *teller) restart(ctx context.Context, annotations map[string]any) error {
	if annotations == nil {
		annotations = map[string]any{"story/restarted": time.Now().Format(time.RFC3339Nano)}
	}
	if err := t.template(ctx, annotations); err != nil {
		return err
	}
	return t.rolledOutIn(ctx, gradual, "web")
}

// allHealthy waits until the Deployment is rolled out behind the load balancer.
func (t *teller) allHealthy(ctx context.Context, mark int) error {
	err := t.until(ctx, func() (string, error) {
		if n := t.healthy(mark, t.cloud.mark()); n != gradualPods {
			return fmt.Sprintf("healthy endpoints: %d of %d", n, gradualPods), nil
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	return t.rolledOutIn(ctx, gradual, "web")
}

// healthy is the least number of healthy endpoints at any time since mark, in the timeline
// that begins at from.
func (t *teller) healthy(from, mark int) int {
	all, past := t.cloud.since(from), mark-from
	healthy, least := map[string]bool{}, -1
	for i := 0; i <= len(all); i++ {
		if n := len(healthy); i >= past && (least < 0 || n < least) {
			least = n
		}
		if i == len(all) || all[i].Group != gradualGroup(t) {
			continue
		}
		delete(healthy, all[i].Endpoint)
		if all[i].Event == "health" && all[i].To == neg.Healthy {
			healthy[all[i].Endpoint] = true
		}
	}
	return least
}

// healthyAt is when endpoints became healthy since mark, by address.
func (t *teller) healthyAt(mark int) map[string]time.Time {
	at := map[string]time.Time{}
	for _, tr := range t.cloud.since(mark) {
		if tr.Group == gradualGroup(t) && tr.Event == "health" && tr.To == neg.Healthy {
			address, _, _ := strings.Cut(tr.Endpoint, ":")
			at[address] = tr.Time
		}
	}
	return at
}

// gateReasons are the gates that wait for that reason.
func (t *teller) gateReasons(ctx context.Context, reason string) (lines []string, err error) {
	list, err := t.client.CoreV1().Pods(gradual).List(ctx, metav1.ListOptions{LabelSelector: "app=gradual"})
	if err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		if line, open := gateLine(&p); !open && strings.Contains(line, ": "+reason+": ") {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// A readyWatch is when Pods were first seen Ready, by address.
type readyWatch struct {
	mu    sync.Mutex
	ready map[string]time.Time
	stop  func()
}

func watchReady(ctx context.Context, t *teller) (*readyWatch, error) {
	watching, err := t.client.CoreV1().Pods(gradual).Watch(ctx, metav1.ListOptions{LabelSelector: "app=gradual"})
	if err != nil {
		return nil, err
	}
	w := &readyWatch{ready: map[string]time.Time{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range watching.ResultChan() {
			if p, ok := ev.Object.(*corev1.Pod); ok {
				w.see(p, time.Now())
			}
		}
	}()
	w.stop = func() { watching.Stop(); <-done }
	return w, nil
}

func (w *readyWatch) see(p *corev1.Pod, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range p.Status.Conditions {
		if _, seen := w.ready[p.Status.PodIP]; !seen && c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			w.ready[p.Status.PodIP] = now
		}
	}
}

// lags are the times from healthy to Ready, sorted.
func (w *readyWatch) lags(healthy map[string]time.Time) (lags []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for address, at := range healthy {
		if ready, ok := w.ready[address]; ok {
			lags = append(lags, ready.Sub(at))
		}
	}
	slices.Sort(lags)
	return lags
}
