package registration

import (
	"io/fs"
	"strings"
	"testing"

	registrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/negfleet/negfleet/infra"
	"github.com/negfleet/negfleet/shared/neg"
)

// TestRender: what is registered is an object that an API server takes, and keeps to what is
// promised: never in the way, and only where it was asked for.
func TestRender(t *testing.T) {
	for _, unlabelled := range []bool{false, true} {
		text, err := Render(Webhook{URL: "https://admission.example/v1/prod/MAC", CA: []byte("PEM"), Unlabelled: unlabelled})
		if err != nil {
			t.Fatal(err)
		}
		var config registrationv1.MutatingWebhookConfiguration
		if err := yaml.UnmarshalStrict(text, &config); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if len(config.Webhooks) != 2 || pathOf(&config) != "/v1/prod/MAC" {
			t.Fatalf("%d webhooks, path %q", len(config.Webhooks), pathOf(&config))
		}
		for _, w := range config.Webhooks {
			checkWebhook(t, w, unlabelled)
		}
	}
}

func checkWebhook(t *testing.T, w registrationv1.MutatingWebhook, unlabelled bool) {
	t.Helper()
	if *w.FailurePolicy != registrationv1.Ignore || *w.TimeoutSeconds != 3 || *w.SideEffects != registrationv1.SideEffectClassNoneOnDryRun ||
		*w.ReinvocationPolicy != registrationv1.IfNeededReinvocationPolicy || *w.MatchPolicy != registrationv1.Equivalent ||
		len(w.AdmissionReviewVersions) != 1 || w.AdmissionReviewVersions[0] != "v1" || string(w.ClientConfig.CABundle) != "PEM" {
		t.Errorf("%s: %+v", w.Name, w)
	}
	label := w.NamespaceSelector.MatchExpressions[0]
	if got := string(label.Operator) + " " + label.Values[0]; label.Key != neg.Inject || (got == "NotIn disabled") != unlabelled || (got == "In enabled") == unlabelled {
		t.Errorf("%s: opted in are namespaces with %+v", w.Name, label)
	}
	for _, r := range w.Rules {
		if *r.Scope != registrationv1.NamespacedScope || strings.Contains(strings.Join(append(r.Resources, r.APIGroups...), " "), "*") {
			t.Errorf("%s: rule %+v", w.Name, r)
		}
	}
}

// TestOwnWrites: the annotations that negfleet writes stay off the wire, each of them.
func TestOwnWrites(t *testing.T) {
	text, err := fs.ReadFile(infra.Files, "webhook.yaml.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	list := "['" + strings.Join(neg.Written, "', '") + "']"
	if n := strings.Count(string(text), list); n != 2 {
		t.Errorf("infra/webhook.yaml.tmpl names %s %d times, want twice: for what came and for what went", list, n)
	}
}
