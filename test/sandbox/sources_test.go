//go:build linux

package sandbox_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/test/sandbox"
)

// checkClusterMessages: what GKE tells of a node pool and of a cluster's deletion has the
// cluster looked at; of a cluster outside the fleet it is acknowledged.
func checkClusterMessages(t *testing.T, w *sandbox.World) {
	name := w.Clusters[1].Name
	attributes := map[string]string{
		"project_id": sandbox.Project, "cluster_location": sandbox.Region, "cluster_name": name,
		"type_url": "type.googleapis.com/google.container.v1beta1.UpgradeEvent", "payload": `{"resourceType":"NODE_POOL"}`,
	}
	if err := w.PubSub.Publish(t.Context(), event.TopicNotifications, []byte("Node pool is upgrading."), attributes); err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{name, "elsewhere"} {
		entry := fmt.Sprintf(`{"timestamp":"2026-11-20T10:00:00Z","resource":{"type":"gke_cluster","labels":{"project_id":%q,"location":%q,"cluster_name":%q}},
			"operation":{"id":"operation-1","producer":"container.googleapis.com","last":true},"protoPayload":{"serviceName":"container.googleapis.com",
			"methodName":"google.container.v1.ClusterManager.DeleteCluster"}}`, sandbox.Project, sandbox.Region, cluster)
		if err := w.PubSub.Publish(t.Context(), event.TopicAudit, []byte(entry), nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.PubSub.Drained(ctx); err != nil {
		t.Fatal(err)
	}
	for _, parts := range [][]string{
		{"published cluster", name, `"reason":"resync"`}, {"published cluster", name, `"reason":"deleted"`}, {"elsewhere", `"dropped":1`, `"reason":"ForeignCluster"`},
	} {
		if line, err := w.LogLine("events", parts...); err != nil || line == "" {
			t.Errorf("events logged nothing of %q: %v", parts, err)
		}
	}
}

// checkMissedInjection: a real kube-apiserver writes into its audit log that a webhook of
// ours did not answer, or what the webhook says of itself; both sources report it.
func checkMissedInjection(t *testing.T, w *sandbox.World) {
	unsure := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
			http.Error(rw, "no review", http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, AuditAnnotations: map[string]string{"missed": "not sure"}}
		review.Request = nil
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(review)
	}))
	defer unsure.Close()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: unsure.Certificate().Raw})
	for i, function := range []string{"audit", "events"} {
		config, err := w.Clusters[i].Config()
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		webhooks := &registrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "missed"}, Webhooks: []registrationv1.MutatingWebhook{
			webhook("down", "https://"+down.Listener.Addr().String(), ca), webhook("unsure", unsure.URL, ca),
		}}
		if _, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Create(t.Context(), webhooks, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for webhook, reason := range map[string]string{"down": "failed open", "unsure": "not sure"} {
			reported(t, w, function, func() string { return makePod(t, client, webhook) }, `"webhook":"`+webhook+`.negfleet.dev"`, `"reason":"`+reason+`"`)
		}
	}
}

// reported makes Pods until one of them is: a webhook is in force some time after it is
// registered.
func reported(t *testing.T, w *sandbox.World, function string, pod func() string, parts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var made []string
	for {
		made = append(made, pod())
		for _, name := range made {
			line, err := w.LogLine(function, append(parts, `"missed_injection":1`, `"pod":"`+name+`"`)...)
			if err != nil {
				t.Fatal(err)
			}
			if line != "" {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s reported none of %v as %q", function, made, parts)
		case <-tick.C:
		}
	}
}

func webhook(name, url string, ca []byte) registrationv1.MutatingWebhook {
	ignore, none, seconds := registrationv1.Ignore, registrationv1.SideEffectClassNone, int32(1)
	return registrationv1.MutatingWebhook{
		Name: name + ".negfleet.dev", ClientConfig: registrationv1.WebhookClientConfig{URL: &url, CABundle: ca},
		Rules: []registrationv1.RuleWithOperations{{
			Operations: []registrationv1.OperationType{registrationv1.Create},
			Rule:       registrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		}},
		FailurePolicy: &ignore, SideEffects: &none, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
		ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"missed": name}},
	}
}

// makePod makes a Pod as controllers do, without a name of its own.
func makePod(t *testing.T, client kubernetes.Interface, label string) string {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "missed-", Labels: map[string]string{"missed": label}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}},
	}
	pod, err := client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod.Name
}
