//go:build linux

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
)

const reviews = "reviews" // namespace

// checkReviews makes the Pod of every golden review of the webhook on the real API server, by
// dry run, and holds what comes back against the golden patch: every kind of workload, and
// whatever else Pods may have.
func checkReviews(t *testing.T, client kubernetes.Interface) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: reviews}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// The Services are there before the namespace is opted in, and get nothing that they lack.
	fillReviews(t, client)
	label := []byte(`{"metadata":{"labels":{"negfleet.dev/inject":"enabled"}}}`)
	if _, err := client.CoreV1().Namespaces().Patch(t.Context(), reviews, types.MergePatchType, label, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace's ServiceAccount", func() bool {
		_, err := client.CoreV1().ServiceAccounts(reviews).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	files, err := filepath.Glob("../../admission/testdata/reviews/prod/*.review.json")
	if err != nil {
		t.Fatal(err)
	}
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	gated, _ := reviewed(t, "../../admission/testdata/reviews/prod/deployment.review.json")
	eventually(t, "the namespace is opted in", func() bool {
		made, err := client.CoreV1().Pods(reviews).Create(t.Context(), gated, dry)
		return err == nil && len(made.Spec.ReadinessGates) > 0
	})
	made := 0
	for _, file := range files {
		sent, want := reviewed(t, file)
		if sent == nil {
			continue
		}
		got, err := client.CoreV1().Pods(reviews).Create(t.Context(), sent, dry)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
			continue
		}
		made++
		if got, want := additions(got), additions(want); got != want {
			t.Errorf("%s: the API server made\n%s\nthe golden patch says\n%s", filepath.Base(file), got, want)
		}
	}
	if made < 20 {
		t.Errorf("only %d Pods of %d reviews", made, len(files))
	}
}

// fillReviews makes the Services and Ingresses that the golden reviews are about.
func fillReviews(t *testing.T, client kubernetes.Interface) {
	file, err := os.Open("../../admission/testdata/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	docs := yaml.NewYAMLToJSONDecoder(file)
	for {
		var raw json.RawMessage
		if err := docs.Decode(&raw); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		switch o := object.(type) {
		case *corev1.Service:
			_, err = client.CoreV1().Services(reviews).Create(t.Context(), o, metav1.CreateOptions{})
		case *networkingv1.Ingress:
			_, err = client.NetworkingV1().Ingresses(reviews).Create(t.Context(), o, metav1.CreateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// skipped are Pods that an API server does not make for a person, or that it changes itself.
var skipped = map[string]bool{"bad-object": true, "no-spec": true, "being-deleted": true, "mirror-pod": true, "host-network": true}

// reviewed is the Pod of a review, and as the golden patch leaves it; nil where the review is of
// something else, or of a namespace with a policy that the sandbox does not have.
func reviewed(t *testing.T, file string) (sent, patched *corev1.Pod) {
	t.Helper()
	var review struct {
		Request struct {
			Operation, Namespace string
			Resource             struct{ Resource string }
			Object               json.RawMessage
		}
	}
	var golden struct{ Patch json.RawMessage }
	readJSON(t, file, &review)
	readJSON(t, strings.Replace(file, ".review.", ".response.", 1), &golden)
	r, name := review.Request, strings.TrimSuffix(filepath.Base(file), ".review.json")
	if r.Resource.Resource != "pods" || r.Operation != "CREATE" || r.Namespace != "shop" || len(r.Object) < 10 || skipped[name] {
		return nil, nil
	}
	after := []byte(r.Object)
	if golden.Patch != nil {
		patch, err := jsonpatch.DecodePatch(golden.Patch)
		if err == nil {
			after, err = patch.Apply(after)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	sent, patched = &corev1.Pod{}, &corev1.Pod{}
	for pod, data := range map[*corev1.Pod][]byte{sent: r.Object, patched: after} {
		if err := json.Unmarshal(data, pod); err != nil {
			t.Fatal(err)
		}
	}
	return sent, patched
}

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// additions are what the webhook may add to a Pod.
func additions(p *corev1.Pod) string {
	text := fmt.Sprintf("gates %q", gatesOf(p))
	for _, c := range p.Spec.Containers {
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep != nil {
			text += fmt.Sprintf(", %s sleeps %d s", c.Name, c.Lifecycle.PreStop.Sleep.Seconds)
		}
	}
	if g := p.Spec.TerminationGracePeriodSeconds; g != nil && *g != corev1.DefaultTerminationGracePeriodSeconds {
		text += fmt.Sprintf(", grace %d s", *g)
	}
	return text
}

func gatesOf(p *corev1.Pod) (gates []string) {
	for _, g := range p.Spec.ReadinessGates {
		gates = append(gates, string(g.ConditionType))
	}
	return gates
}
