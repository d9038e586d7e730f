//go:build linux

package story

import (
	"context"
	"fmt"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// missingTarget is how long a live Pod may be missing from its group, or a terminating one
// stay, in a rollout. It fails at five times that.
const missingTarget = 2 * time.Second

// rollingUpdate replaces all Pods and holds the cluster's story of each address against
// the timeline.
func rollingUpdate(ctx context.Context, t *teller) (string, error) {
	group := t.group("web", 80)
	if err := t.scaleTo(ctx, "web", 12); err != nil {
		return "", err
	}
	if err := t.exact(ctx, "web", group, 8080, 12); err != nil {
		return "", err
	}
	r, err := record(ctx, t)
	if err != nil {
		return "", err
	}
	defer r.stop()
	mark := t.cloud.mark()
	restart := fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`, time.Now().Format(time.RFC3339))
	if _, err := t.client.AppsV1().Deployments("shop").Patch(ctx, "web", types.StrategicMergePatchType, restart, metav1.PatchOptions{}); err != nil {
		return "", err
	}
	if err := t.rolledOut(ctx, "web"); err != nil {
		return "", err
	}
	if err := t.exact(ctx, "web", group, 8080, 12); err != nil {
		return "", err
	}
	v := t.judge(r.stories(), group, mark)
	if err := t.scaleTo(ctx, "web", 3); err != nil {
		return v.String(), err
	}
	if err := t.exact(ctx, "web", group, 8080, 3); err != nil {
		return v.String(), err
	}
	return v.String(), v.err()
}

// rolledOut waits for what kubectl rollout status waits for.
func (t *teller) rolledOut(ctx context.Context, name string) error {
	return t.rolledOutIn(ctx, "shop", name)
}

func (t *teller) rolledOutIn(ctx context.Context, namespace, name string) error {
	return t.until(ctx, func() (string, error) {
		d, err := t.client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		want := *d.Spec.Replicas
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas < want || d.Status.Replicas > want || d.Status.AvailableReplicas < want {
			return fmt.Sprintf("deployment %s: %+v", name, d.Status), nil
		}
		return "", nil
	})
}

// A lifetime is when the EndpointSlices showed an address as live, and as live no more.
type lifetime struct{ from, to time.Time }

// A recorder watches the EndpointSlices of one Service.
type recorder struct {
	mu    sync.Mutex
	lives map[string]*lifetime
	stop  func()
}

func record(ctx context.Context, t *teller) (*recorder, error) {
	watching, err := t.client.DiscoveryV1().EndpointSlices("shop").Watch(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=web"})
	if err != nil {
		return nil, err
	}
	r := &recorder{lives: map[string]*lifetime{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev := range watching.ResultChan() {
			if s, ok := ev.Object.(*discoveryv1.EndpointSlice); ok {
				r.see(s, time.Now())
			}
		}
	}()
	r.stop = func() { watching.Stop(); <-done }
	return r, nil
}

// see takes one version of a slice. A Service of a few Pods has one slice, so what is not
// in it is gone.
func (r *recorder) see(s *discoveryv1.EndpointSlice, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := map[string]bool{}
	for _, e := range s.Endpoints {
		if e.Conditions.Terminating == nil || !*e.Conditions.Terminating {
			live[e.Addresses[0]] = true
		}
	}
	for address := range live {
		if r.lives[address] == nil {
			r.lives[address] = &lifetime{from: now}
		}
	}
	for address, l := range r.lives {
		if !live[address] && l.to.IsZero() {
			l.to = now
		}
	}
}

func (r *recorder) stories() map[string]lifetime {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]lifetime{}
	for address, l := range r.lives {
		out[address] = *l
	}
	return out
}

// A verdict is how well the group followed the Pods.
type verdict struct {
	added, removed   int
	missing, lingers time.Duration // the longest
	wrong            []string
}

// judge compares the lifetimes with the timeline since mark.
func (t *teller) judge(lives map[string]lifetime, group string, mark int) verdict {
	var v verdict
	attached, detached := map[string]time.Time{}, map[string]time.Time{}
	for _, tr := range t.cloud.since(mark) {
		if tr.Group != group {
			continue
		}
		address := tr.Endpoint[:max(0, len(tr.Endpoint)-len(":8080"))]
		switch tr.Event {
		case "attached":
			attached[address] = tr.Time
		case "detached":
			detached[address] = tr.Time
			if l := lives[address]; l.to.IsZero() {
				v.wrong = append(v.wrong, address+" was detached while it was live")
			}
		}
	}
	for address, l := range lives {
		if at, ok := attached[address]; ok {
			v.added++
			v.missing = max(v.missing, at.Sub(l.from))
		}
		if l.to.IsZero() {
			continue
		}
		at, ok := detached[address]
		if !ok {
			v.wrong = append(v.wrong, address+" is gone and was never detached")
			continue
		}
		v.removed++
		v.lingers = max(v.lingers, at.Sub(l.to))
	}
	return v
}

func (v verdict) String() string {
	return fmt.Sprintf("%d Pods came, missing for %s at the longest; %d went, still attached for %s at the longest (target %s, fails at %s)",
		v.added, v.missing.Round(time.Millisecond), v.removed, v.lingers.Round(time.Millisecond), missingTarget, 5*missingTarget)
}

func (v verdict) err() error {
	switch {
	case len(v.wrong) > 0:
		return fmt.Errorf("%s (and %d more)", v.wrong[0], len(v.wrong)-1)
	case v.added < 12 || v.removed < 12:
		return fmt.Errorf("the rollout was not seen whole: %d came, %d went", v.added, v.removed)
	case v.missing > 5*missingTarget || v.lingers > 5*missingTarget:
		return fmt.Errorf("more than five times the target")
	}
	return nil
}
