//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/negfleet/negfleet/infra"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/sandbox"
	"github.com/negfleet/negfleet/test/sandbox/story"
)

// TestAdmission: the steps of the webhook alone, its commands, and the policy for those who
// want denial, on a real kube-apiserver.
func TestAdmission(t *testing.T) {
	o := options(t)
	o.Nodes = 3
	w := start(t, o)
	if err := story.TellAdmission(t.Context(), w, testWriter{t}); err != nil {
		t.Fatal(err)
	}
	config, err := w.Clusters[0].Config()
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("reviews", func(t *testing.T) {
		w.StopFunction("reconcile") // what it writes to a Service has the webhook add what the golden files lack
		checkReviews(t, client)
		if err := w.StartFunction(t.Context(), "reconcile"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("own writes", func(t *testing.T) { checkOwnWrites(t, w, client) })
	t.Run("commands", func(t *testing.T) { checkCommands(t, w, client, filepath.Join(o.Bin, "negfleet")) })
	t.Run("validating policy", func(t *testing.T) {
		dyn, err := dynamic.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		checkPolicy(t, client, dyn)
	})
}

// checkOwnWrites: the API server does not ask about annotations in which negfleet tells what
// it did, and asks about those of others.
func checkOwnWrites(t *testing.T, w *sandbox.World, client kubernetes.Interface) {
	services := client.CoreV1().Services("gated")
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "told", Annotations: map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, "a": "1", "b": "2", "c": "3"}},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "told"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := services.Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	patch := func(name, value string) {
		body := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, name, value)
		if _, err := services.Patch(t.Context(), "told", types.MergePatchType, []byte(body), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	asked := func() int {
		lines, err := w.LogLines("admission", `"reviewed"`, `"resource":"services"`, `"name":"told"`)
		if err != nil {
			t.Fatal(err)
		}
		return len(lines)
	}
	eventually(t, "the Service is asked about", func() bool { return asked() == 1 })
	for i := range 5 {
		for _, name := range neg.Written {
			patch(name, fmt.Sprint(i))
		}
	}
	patch("a", "2")
	eventually(t, "a user's annotation is asked about", func() bool { return asked() >= 2 })
	if n := asked(); n != 2 {
		t.Errorf("asked %d times, want twice: at its creation and about a user's annotation", n)
	}
}

// checkCommands: remove ends the asking, register begins it again, rotate follows the key.
func checkCommands(t *testing.T, w *sandbox.World, client kubernetes.Interface, program string) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, w.WebhookCA(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(keys, verb string) (string, error) {
		args := []string{"webhook", verb, "--ca-file", ca, "cluster-1"}
		c := exec.CommandContext(t.Context(), program, args...)
		c.Env = append(os.Environ(), "NEGFLEET_CALLER_KEYS="+keys)
		for k, v := range w.Env() {
			c.Env = append(c.Env, k+"="+v)
		}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	gated := func() bool {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "asked-", Labels: map[string]string{"tier": "gated"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.com/app:1"}}}}
		made, err := client.CoreV1().Pods("gated").Create(t.Context(), p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			t.Fatal(err)
		}
		return len(made.Spec.ReadinessGates) > 0
	}
	step := func(keys, verb, says string, gates bool) {
		t.Helper()
		out, err := run(keys, verb)
		if err != nil || !strings.Contains(out, says) {
			t.Fatalf("webhook %s: %v: %s", verb, err, out)
		}
		eventually(t, verb, func() bool { return gated() == gates })
	}
	own, other := w.CallerKeys(), strings.Repeat("5e", 32)
	step(own, "render", "url: \"https://", true)
	step(own, "remove", "does not ask", false)
	step(own, "remove", "does not ask", false)
	if out, err := run(other, "register"); err == nil || !strings.Contains(out, "404") || strings.Contains(out, "/v1/") {
		t.Errorf("registered with a key that the function does not know: %v: %s", err, out)
	}
	step(own, "register", "asks the webhook", true)
	step(own, "rotate", "uses the first key already", true)
	if out, err := run(other+","+own, "rotate"); err == nil || !strings.Contains(out, "404") {
		t.Errorf("rotated to a key that the function does not know: %v: %s", err, out)
	}
	if err := w.SetCallerKeys(t.Context(), other+","+own); err != nil {
		t.Fatal(err)
	}
	step(other+","+own, "rotate", "drop the old key", true)
	if err := w.SetCallerKeys(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gated under the new key alone", gated)
}

// eventually waits for the API server to have heard of a new configuration.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: it does not come true", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// checkPolicy: infra/validating-policy.yaml refuses what the webhook would warn of.
func checkPolicy(t *testing.T, client kubernetes.Interface, dyn dynamic.Interface) {
	data, err := fs.ReadFile(infra.Files, "validating-policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(doc, u); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]string{"ValidatingAdmissionPolicy": "validatingadmissionpolicies", "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings"}
		gvr := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: kinds[u.GetKind()]}
		if _, err := dyn.Resource(gvr).Create(t.Context(), u, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	try := func(value string) error {
		s := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "tried-", Annotations: map[string]string{neg.AnnotationNEG: value}},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "x"}, Ports: []corev1.ServicePort{
				{Name: "http", Port: 80}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}}},
		}
		_, err := client.CoreV1().Services("gated").Create(t.Context(), s, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	eventually(t, "the policy is in force", func() bool { return try(`[]`) != nil })
	for value, refused := range map[string]string{
		`{"ingress":true}`:            "",
		`{"exposed_ports":{"80":{}}}`: "",
		` { "exposed_ports" : { "80" : { "name" : "shop-web" } } } `:                              "",
		`{"x":{"y":1},"exposed_ports":{"80":{"name":""}}}`:                                        "",
		"{\n  \"exposed_ports\": {\n    \"80\": {\n      \"name\": \"shop-web\"\n    }\n  }\n}\n": "",
		"{\n  \"exposed_ports\": {\n    \"81\": {}\n  }\n}\n":                                     "has not all of the ports 81",
		"[\n  {}\n]\n":                "want a JSON object",
		`80`:                          "want a JSON object",
		`{"exposed_ports":{80:{}}}`:   "must be quoted",
		`{"exposed_ports":{"81":{}}}`: "has not all of the ports 81",
		`{"exposed_ports":{"53":{}}}`: "TCP alone",
		`{"exposed_ports":{"80":{"name":"` + strings.Repeat("a", 64) + `"}}}`: "at most 63",
		`{"exposed_ports":{"80":{"name":"Shop"}}}`:                            "at most 63",
	} {
		err := try(value)
		switch {
		case refused == "" && err != nil:
			t.Errorf("%s: %v", value, err)
		case refused != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), refused)):
			t.Errorf("%s: %v, want %q", value, err, refused)
		}
	}
}
