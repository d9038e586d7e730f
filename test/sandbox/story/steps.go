//go:build linux

package story

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox"
)

func applySample(ctx context.Context, t *teller) (string, error) {
	began := time.Now()
	if err := t.apply(ctx, "shop.yaml"); err != nil {
		return "", err
	}
	if err := t.exact(ctx, "web", t.group("web", 80), 8080, 3); err != nil {
		return "", err
	}
	took, err := held(began)
	return "from apply to the last endpoint: " + took, err
}

// target is how long a change may take to reach the cloud: the interval between two looks
// at a key, and the looks themselves. Five times that fails.
const target = 3 * time.Second

// held says how long a change took, beside its target.
func held(began time.Time) (string, error) {
	took := time.Since(began).Round(time.Millisecond)
	text := fmt.Sprintf("%s (target %s)", took, target)
	if took > 5*target {
		return text, fmt.Errorf("%s is more than five times the target of %s", took, target)
	}
	return text, nil
}

func exactGroups(ctx context.Context, t *teller) (string, error) {
	name := t.group("web", 80)
	var b strings.Builder
	for _, zone := range sandbox.Zones {
		fmt.Fprintf(&b, "%s/%s: %s\n", zone, name, strings.Join(t.cloud.members(name)[zone], ", "))
	}
	want := fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":["us-central1-a","us-central1-b","us-central1-c"]}`, name)
	err := t.until(ctx, func() (string, error) {
		s, err := t.client.CoreV1().Services("shop").Get(ctx, "web", metav1.GetOptions{})
		if err != nil || s.Annotations[neg.AnnotationStatus] == want {
			return "", err
		}
		return fmt.Sprintf("annotation %s is %q, want %q", neg.AnnotationStatus, s.Annotations[neg.AnnotationStatus], want), nil
	})
	fmt.Fprintf(&b, "neg-status %s", want)
	return b.String(), err
}

func scale(ctx context.Context, t *teller) (string, error) {
	var parts []string
	for _, n := range []int{12, 2, 0, 3} {
		began := time.Now()
		if err := t.scaleTo(ctx, "web", n); err != nil {
			return strings.Join(parts, ", "), err
		}
		if err := t.exact(ctx, "web", t.group("web", 80), 8080, n); err != nil {
			return strings.Join(parts, ", "), err
		}
		took, err := held(began)
		parts = append(parts, fmt.Sprintf("%d after %s", n, took))
		if err != nil {
			return strings.Join(parts, ", "), err
		}
	}
	return strings.Join(parts, ", "), nil
}

func (t *teller) scaleTo(ctx context.Context, deployment string, n int) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	_, err := t.client.AppsV1().Deployments("shop").Patch(ctx, deployment, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func secondPort(ctx context.Context, t *teller) (string, error) {
	began := time.Now()
	err := t.annotate(ctx, "web", map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{},"443":{"name":"checkout"}}}`})
	if err == nil {
		err = t.exact(ctx, "web", "checkout", 8443, 3)
	}
	if err == nil {
		err = t.exact(ctx, "web", t.group("web", 80), 8080, 3)
	}
	if err != nil {
		return "", err
	}
	took, err := held(began)
	return "groups checkout in 3 zones hold port 8443 after " + took, err
}

func ingressService(ctx context.Context, t *teller) (string, error) {
	began, group := time.Now(), t.group("front", 80)
	if err := t.apply(ctx, "front.yaml"); err != nil {
		return "", err
	}
	if err := t.exact(ctx, "front", group, 8080, 3); err != nil {
		return "", err
	}
	filled, err := held(began)
	if err != nil {
		return filled, err
	}
	began = time.Now()
	if err := t.client.NetworkingV1().Ingresses("shop").Delete(ctx, "front", metav1.DeleteOptions{}); err != nil {
		return "", err
	}
	err = t.until(ctx, func() (string, error) {
		if left := t.cloud.members(group); len(left) > 0 {
			return fmt.Sprintf("without the Ingress %d groups are left", len(left)), nil
		}
		return "", nil
	})
	if err != nil {
		return "", err
	}
	gone, err := held(began)
	if err != nil {
		return gone, err
	}
	if err := t.apply(ctx, "front.yaml"); err != nil {
		return "", err
	}
	err = t.exact(ctx, "front", group, 8080, 3)
	return fmt.Sprintf("%s holds the 3 Pods after %s, is gone %s after the Ingress, and back with it", group, filled, gone), err
}

// replaceForce deletes and creates the Service at once, as kubectl replace --force does.
func replaceForce(ctx context.Context, t *teller) (string, error) {
	mark := t.cloud.mark()
	services := t.client.CoreV1().Services("shop")
	old, err := services.Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if err := services.Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
		return "", err
	}
	fresh := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: map[string]string{neg.AnnotationNEG: old.Annotations[neg.AnnotationNEG]}},
		Spec: corev1.ServiceSpec{Selector: old.Spec.Selector, Ports: old.Spec.Ports}}
	if _, err := services.Create(ctx, fresh, metav1.CreateOptions{}); err != nil {
		return "", err
	}
	err = t.until(ctx, func() (string, error) {
		s, err := services.Get(ctx, "web", metav1.GetOptions{})
		if err != nil || s.Annotations[neg.AnnotationStatus] != "" {
			return "", err
		}
		return "the new Service has no neg-status", nil
	})
	if err != nil {
		return "", err
	}
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	for _, tr := range t.cloud.since(mark) {
		if tr.Event == "detached" || tr.Event == "deleted" {
			return "", fmt.Errorf("%s %s/%s %s at %s", tr.Event, tr.Zone, tr.Group, tr.Endpoint, tr.Time)
		}
	}
	return "the new Service has its neg-status, nothing was detached or deleted", t.exact(ctx, "web", "checkout", 8443, 3)
}

// idle waits until every message is worked off, the deletion grace included.
func (t *teller) idle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// What was written a moment ago may still be on its way through the audit webhook.
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
	}
	return t.world.PubSub.Drained(ctx)
}

func malformedAnnotation(ctx context.Context, t *teller) (string, error) {
	mark := t.cloud.mark()
	if err := t.apply(ctx, "broken.yaml"); err != nil {
		return "", err
	}
	message, err := t.event(ctx, "broken", "InvalidAnnotation")
	if err != nil {
		return "", err
	}
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	if changes := t.cloud.since(mark); len(changes) > 0 {
		return "", fmt.Errorf("the cloud changed: %+v", changes[0])
	}
	return "Event InvalidAnnotation: " + message, nil
}

// event waits for the Event of that reason on a Service.
func (t *teller) event(ctx context.Context, service, reason string) (message string, err error) {
	err = t.until(ctx, func() (string, error) {
		list, err := t.client.CoreV1().Events("shop").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + service + ",reason=" + reason})
		if err != nil {
			return "", err
		}
		if len(list.Items) == 0 {
			return "no Event " + reason, nil
		}
		message = list.Items[0].Message
		return "", nil
	})
	return message, err
}

func observePolicy(ctx context.Context, t *teller) (string, error) {
	mark := t.cloud.mark()
	before, err := t.world.GCE.Stats(ctx)
	if err != nil {
		return "", err
	}
	if err := t.apply(ctx, "watched.yaml"); err != nil {
		return "", err
	}
	var line string
	err = t.until(ctx, func() (string, error) {
		line, err = t.world.LogLine("reconcile", t.key("watched").String(), "create-group")
		if err != nil || line != "" {
			return "", err
		}
		return "no plan in the log", nil
	})
	if err != nil {
		return "", err
	}
	if err := t.idle(ctx); err != nil {
		return line, err
	}
	after, err := t.world.GCE.Stats(ctx)
	if err != nil {
		return line, err
	}
	for verb, n := range after.Verbs {
		if !strings.Contains(verb, "ist") && !strings.HasSuffix(verb, ".get") && n != before.Verbs[verb] {
			return line, fmt.Errorf("%d calls of %s", n-before.Verbs[verb], verb)
		}
	}
	s, err := t.client.CoreV1().Services("shop").Get(ctx, "watched", metav1.GetOptions{})
	if err != nil {
		return line, err
	}
	if s.Annotations[neg.AnnotationStatus] != "" || len(t.cloud.since(mark)) > 0 {
		return line, fmt.Errorf("something was written: status %q, %d transitions", s.Annotations[neg.AnnotationStatus], len(t.cloud.since(mark)))
	}
	return "in the log: " + line, nil
}

func deleteServices(ctx context.Context, t *teller) (string, error) {
	names := t.own()
	began := time.Now()
	for _, s := range []string{"web", "wide", "front"} {
		if err := t.client.CoreV1().Services("shop").Delete(ctx, s, metav1.DeleteOptions{}); err != nil {
			return "", err
		}
	}
	err := t.until(ctx, func() (string, error) { return strings.Join(t.own(), ", "), nil })
	if err != nil {
		return "", err
	}
	took, err := held(began)
	return fmt.Sprintf("%s: gone after %s, the deletion grace of %s included", strings.Join(names, ", "), took, t.world.Grace()), err
}

func nobodyDenied(ctx context.Context, t *teller) (string, error) {
	if err := t.idle(ctx); err != nil {
		return "", err
	}
	denied, err := t.world.Denied()
	if err != nil {
		return "", err
	}
	if len(denied) > 0 {
		return "", fmt.Errorf("%d calls denied, the first: %s", len(denied), denied[0])
	}
	delivered, dead := 0, 0
	for _, s := range t.world.PubSub.Stats() {
		delivered += int(s.Delivered)
		dead += int(s.Dead)
	}
	if dead > 0 {
		return "", fmt.Errorf("%d messages in negfleet-dead", dead)
	}
	return fmt.Sprintf("%d messages delivered, 0 dead; no 403 in any function's log", delivered), nil
}
