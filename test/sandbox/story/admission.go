//go:build linux

package story

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/neg"
)

// gatedNamespace is the only one that is opted in.
const gatedNamespace = "gated"

func gatesOf(p *corev1.Pod) []string {
	var gates []string
	for _, g := range p.Spec.ReadinessGates {
		gates = append(gates, string(g.ConditionType))
	}
	return gates
}

func gatedWorkloads(ctx context.Context, t *teller) (string, error) {
	if err := t.apply(ctx, "gated.yaml"); err != nil {
		return "", err
	}
	plain, err := t.client.CoreV1().Services(gatedNamespace).Get(ctx, "plain", metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if got := plain.Annotations[neg.AnnotationNEG]; got != `{"ingress":true}` {
		return "", fmt.Errorf("the Service plain has %s %q", neg.AnnotationNEG, got)
	}
	want := map[string][]string{
		"deployment": {neg.GateNEG}, "job": {neg.GateNEG}, "statefulset": {"example.com/warm", neg.GateNEG},
	}
	var lines []string
	err = t.until(ctx, func() (string, error) {
		list, err := t.client.CoreV1().Pods(gatedNamespace).List(ctx, metav1.ListOptions{LabelSelector: "tier=gated"})
		if err != nil || len(list.Items) < 4 {
			return "Pods of the workloads", err
		}
		lines = nil
		for _, p := range list.Items {
			gates := gatesOf(&p)
			if !slices.Equal(gates, want[p.Labels["app"]]) {
				return "", fmt.Errorf("the Pod %s has gates %v, want %v", p.Name, gates, want[p.Labels["app"]])
			}
			lines = append(lines, p.Name+": "+strings.Join(gates, ", "))
		}
		return "", nil
	})
	return strings.Join(append(lines, "Service plain: {\"ingress\":true}"), "\n"), err
}

// gatedPod is a Pod that Service web selects.
func gatedPod(name string) *corev1.Pod {
	grace := int64(1)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": "gated", "app": name}},
		Spec:       corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{Name: "app", Image: "example.com/app:1"}}},
	}
}

func (t *teller) makePod(ctx context.Context, name string, o metav1.CreateOptions) (gates []string, took time.Duration, err error) {
	began := time.Now()
	made, err := t.client.CoreV1().Pods(gatedNamespace).Create(ctx, gatedPod(name), o)
	if err != nil {
		return nil, 0, err
	}
	return gatesOf(made), time.Since(began).Round(time.Millisecond), nil
}

// gatesOpen: no load balancer leads to these Pods, so there is nothing to wait for.
func gatesOpen(ctx context.Context, t *teller) (string, error) {
	var lines []string
	err := t.until(ctx, func() (string, error) {
		list, err := t.client.CoreV1().Pods(gatedNamespace).List(ctx, metav1.ListOptions{LabelSelector: "tier=gated"})
		if err != nil {
			return "", err
		}
		lines = nil
		for _, p := range list.Items {
			line, open := gateLine(&p)
			if !open {
				return "the gate of " + line, nil
			}
			lines = append(lines, line)
		}
		return "", nil
	})
	return strings.Join(lines, "\n"), err
}

func gateLine(p *corev1.Pod) (line string, open bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == neg.GateNEG {
			return fmt.Sprintf("%s: %s: %s", p.Name, c.Reason, c.Message), c.Status == corev1.ConditionTrue
		}
	}
	return p.Name, false
}

func gateDryRun(ctx context.Context, t *teller) (string, error) {
	gates, took, err := t.makePod(ctx, "dry", metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return "", err
	}
	if !slices.Equal(gates, []string{neg.GateNEG}) {
		return "", fmt.Errorf("the answer has gates %v", gates)
	}
	if _, err := t.client.CoreV1().Pods(gatedNamespace).Get(ctx, "dry", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return "", fmt.Errorf("the Pod is there: %v", err)
	}
	line, err := t.world.LogLine("admission", `"dry_run":true`)
	if err == nil && !strings.Contains(line, `"hinted":false`) {
		err = fmt.Errorf("a dry run was hinted at: %q", line)
	}
	return fmt.Sprintf("gated after %s, no Pod, no hint", took), err
}

// webhookTimeout is that of infra/webhook.yaml.tmpl.
const webhookTimeout = 3 * time.Second

func webhookDown(ctx context.Context, t *teller) (string, error) {
	t.world.StopFunction("admission")
	gates, took, err := t.makePod(ctx, "unasked", metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	if len(gates) > 0 || took > 5*webhookTimeout {
		return "", fmt.Errorf("made after %s with gates %v", took, gates)
	}
	var line string
	err = t.until(ctx, func() (string, error) {
		line, err = t.world.LogLine("audit", "failed open", "pods.negfleet.dev")
		if line == "" {
			return "the audit log's word of it", err
		}
		return "", err
	})
	return fmt.Sprintf("made without a gate after %s (time-out %s)\nfrom the cluster's audit log: %s", took, webhookTimeout, line), err
}

func leaseStale(ctx context.Context, t *teller) (string, error) {
	t.world.StopFunction("readiness") // it renews the Lease
	if err := t.world.RenewLease(ctx, t.cluster, time.Now().Add(-neg.LeaseFresh-time.Minute)); err != nil {
		return "", err
	}
	if err := t.world.StartFunction(ctx, "admission"); err != nil {
		return "", err
	}
	stale, _, err := t.makePod(ctx, "stale", metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	if len(stale) > 0 {
		return "", fmt.Errorf("gates %v although nothing would open them", stale)
	}
	if err := t.world.RenewLease(ctx, t.cluster, time.Now()); err != nil {
		return "", err
	}
	renewed, _, err := t.makePod(ctx, "renewed", metav1.CreateOptions{})
	if err == nil && !slices.Equal(renewed, []string{neg.GateNEG}) {
		err = fmt.Errorf("gates %v after the Lease was renewed", renewed)
	}
	if err != nil {
		return "", err
	}
	if err := t.world.StartFunction(ctx, "readiness"); err != nil {
		return "", err
	}
	line, err := t.world.LogLine("admission", `"reason":"LeaseStale"`)
	if err == nil && line == "" {
		err = fmt.Errorf("the log has no LeaseStale")
	}
	return "in the log: " + line, err
}
