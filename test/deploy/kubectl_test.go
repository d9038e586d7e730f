package deploy

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/test/fakekube"
)

// TestOpenGates: the real kubectl opens the gates that are named and not open yet, in all
// namespaces, and no other.
func TestOpenGates(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("kubectl is not installed")
	}
	const ours, gkes = "negfleet.dev/load-balancer-ready", "cloud.google.com/load-balancer-neg-ready"
	kube := fakekube.New()
	cluster := kube.AddCluster("prod-eu")
	open := corev1.PodCondition{Type: ours, Status: corev1.ConditionTrue, Reason: "Healthy"}
	for _, pod := range []*corev1.Pod{
		gated("shop", "both", []corev1.PodConditionType{ours, gkes}),
		gated("shop", "open", []corev1.PodConditionType{ours}, open),
		gated("bank", "shut", []corev1.PodConditionType{ours}, corev1.PodCondition{Type: ours, Status: corev1.ConditionFalse}),
		gated("bank", "none", nil),
	} {
		if err := cluster.Apply(pod); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(kube)
	t.Cleanup(server.Close)
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, cluster.Kubeconfig(server.URL, "operator"), 0o600); err != nil {
		t.Fatal(err)
	}
	context, err := exec.CommandContext(t.Context(), "kubectl", "--kubeconfig="+config, "config", "current-context").Output()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "KUBECONFIG="+config, "HOME="+t.TempDir())
	if out, errs, status := script(t, "open-gates", []string{strings.TrimSpace(string(context)), ours}, env); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, out, errs)
	}
	got := map[string]string{}
	for _, pod := range fakekube.List[*corev1.Pod](cluster, "", nil) {
		for _, c := range pod.Status.Conditions {
			got[pod.Name+" "+string(c.Type)] = string(c.Status) + " " + c.Reason
		}
	}
	want := map[string]string{"both " + ours: "True NegfleetRemoved", "open " + ours: "True Healthy", "shut " + ours: "True NegfleetRemoved"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func gated(namespace, name string, gates []corev1.PodConditionType, conditions ...corev1.PodCondition) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "serve", Image: "serve"}}},
		Status:     corev1.PodStatus{Conditions: conditions},
	}
	for _, gate := range gates {
		pod.Spec.ReadinessGates = append(pod.Spec.ReadinessGates, corev1.PodReadinessGate{ConditionType: gate})
	}
	return pod
}

// TestRolesForCluster: the manifests that are applied bind each function's role to its
// service account, and nothing to a user of another name.
func TestRolesForCluster(t *testing.T) {
	c := exec.CommandContext(t.Context(), "bash", "-c", "source scripts/deployment.bash; PROJECT=my-project; roles_for_cluster")
	c.Dir = root
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{}
	for decoder := yaml.NewDecoder(strings.NewReader(string(out))); ; {
		var o struct {
			Kind     string
			RoleRef  struct{ Name string } `yaml:"roleRef"`
			Subjects []struct{ Kind, Name string }
		}
		if decoder.Decode(&o) != nil {
			break
		}
		for _, s := range o.Subjects {
			if s.Kind != "User" || !strings.HasSuffix(s.Name, "@my-project.iam.gserviceaccount.com") {
				t.Errorf("%s binds %s to %s %s", o.Kind, o.RoleRef.Name, s.Kind, s.Name)
			}
			bound[s.Name] = true
		}
	}
	for _, name := range []string{"admission", "audit", "events", "readiness", "reconcile"} {
		if !bound["negfleet-"+name+"@my-project.iam.gserviceaccount.com"] {
			t.Errorf("no role is bound to the account of %s", name)
		}
	}
}
