//go:build linux

package sandbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/negfleet/negfleet/shared/event"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/rbac"
	"github.com/negfleet/negfleet/test/sandbox"
)

// A right is one verb on one resource that a role of infra/rbac gives.
type right struct {
	role                  rbac.Role
	verb, group, resource string
	names                 []string // at most one
}

func (r right) String() string {
	return fmt.Sprintf("%s: %s %s.%s %s", r.role, r.verb, r.resource, r.group, r.names)
}

// allows tells whether an ask is one that the right is for. A list or a creation has no name.
func (r right) allows(a sandbox.Ask) bool {
	return r.verb == a.Verb && r.group == a.Group && r.resource == a.Resource && (r.role.Namespace == "" || r.role.Namespace == a.Namespace) &&
		(len(r.names) == 0 || slices.Contains(r.names, a.Name))
}

// checkRights holds infra/rbac to the audit log of a story that went before: no request that
// no role allows, and no right that no request needed.
func checkRights(t *testing.T, w *sandbox.World) {
	needTheRest(t, w)
	asked, err := w.Asked()
	if err != nil {
		t.Fatal(err)
	}
	rights, users := readRights(t)
	used := map[string]bool{}
	for a := range asked {
		allowed := false
		for _, r := range rights {
			if slices.Contains(users[r.role], a.User) && r.allows(a) {
				allowed, used[r.String()] = true, true
			}
		}
		if !allowed {
			t.Errorf("no role of infra/rbac allows what was asked: %+v", a)
		}
	}
	for _, r := range rights {
		if !used[r.String()] {
			t.Errorf("a right that nobody needed: %s", r)
		}
	}
}

// needTheRest does what takes the rights that the story does without.
func needTheRest(t *testing.T, w *sandbox.World) {
	config, err := w.Clusters[0].Config()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "rights"}}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	tellWithoutBodies(t, w)
	awaitAsk(t, w, "negfleet-events", "get", "endpointslices")

	loseLease(t, w, client)
	makeIngress(t, client, "by-ingress")
	makeGated(t, client, "by-ingress", neg.GateNEG, `{"ingress":true}`)
	awaitAsk(t, w, "negfleet-readiness", "create", "leases")
	awaitAsk(t, w, "negfleet-readiness", "list", "ingresses")

	leaveToGKE(t, w)
	makeGated(t, client, "by-gke", neg.GateLoadBalancer, `{"exposed_ports":{"80":{}}}`)
	awaitAsk(t, w, "negfleet-readiness", "list", "servicenetworkendpointgroups")
}

func awaitAsk(t *testing.T, w *sandbox.World, user, verb, resource string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s asks to %s %s", user, verb, resource), func() bool {
		asked, err := w.Asked()
		if err != nil {
			t.Fatal(err)
		}
		for a := range asked {
			if a.User == user && a.Verb == verb && a.Resource == resource {
				return true
			}
		}
		return false
	})
}

// tellWithoutBodies publishes an entry as a stricter audit policy has it: it names an
// EndpointSlice and not its Service.
func tellWithoutBodies(t *testing.T, w *sandbox.World) {
	entry := fmt.Sprintf(`{"timestamp":%q,"resource":{"type":"k8s_cluster","labels":{"project_id":%q,"location":%q,"cluster_name":%q}},
		"protoPayload":{"serviceName":"k8s.io","methodName":"io.k8s.discovery.v1.endpointslices.update","resourceName":"discovery.k8s.io/v1/namespaces/rights/endpointslices/web-1","status":{}}}`,
		time.Now().UTC().Format(time.RFC3339Nano), sandbox.Project, sandbox.Region, w.Clusters[0].Name)
	if err := w.PubSub.Publish(t.Context(), event.TopicAudit, []byte(entry), nil); err != nil {
		t.Fatal(err)
	}
}

// loseLease deletes the Lease, and leaves it to readiness alone to make it anew.
func loseLease(t *testing.T, w *sandbox.World, client kubernetes.Interface) {
	w.StopFunction("sweep")
	w.StopFunction("readiness")
	if err := client.CoordinationV1().Leases(neg.LeaseNamespace).Delete(t.Context(), neg.LeaseName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.StartFunction(t.Context(), "readiness"); err != nil { // an instance renews once a minute
		t.Fatal(err)
	}
}

// leaveToGKE says that GKE's own controller keeps the first cluster's groups.
func leaveToGKE(t *testing.T, w *sandbox.World) {
	if err := w.SetEntry(w.Clusters[0].Name, "negs: gke"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reconcile", "readiness"} { // would read it within ten seconds
		w.StopFunction(name)
		if err := w.StartFunction(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// makeIngress sends all traffic to port 80 of a Service.
func makeIngress(t *testing.T, client kubernetes.Interface, service string) {
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: service, Port: networkingv1.ServiceBackendPort{Number: 80}}}
	ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: service}, Spec: networkingv1.IngressSpec{DefaultBackend: &backend}}
	if _, err := client.NetworkingV1().Ingresses("rights").Create(t.Context(), ingress, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// makeGated makes a Service and a Pod behind it that waits for its gate.
func makeGated(t *testing.T, client kubernetes.Interface, name, gate, exposure string) {
	t.Helper()
	labels := map[string]string{"app": name}
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{neg.AnnotationNEG: exposure}},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if _, err := client.CoreV1().Services("rights").Create(t.Context(), svc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.PodSpec{
		ReadinessGates: []corev1.PodReadinessGate{{ConditionType: corev1.PodConditionType(gate)}},
		Containers:     []corev1.Container{{Name: "web", Image: "example.com/web:1"}}}}
	if _, err := client.CoreV1().Pods("rights").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// readRights are the rights of infra/rbac, and the users of each role.
func readRights(t *testing.T) (rights []right, users map[rbac.Role][]string) {
	t.Helper()
	shipped, err := rbac.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	users = map[rbac.Role][]string{}
	for role, grant := range shipped {
		for _, s := range grant.Subjects {
			users[role] = append(users[role], s.Name)
		}
		for _, rule := range grant.Rules {
			for _, one := range validation.BreakdownRule(rule) {
				rights = append(rights, right{role, one.Verbs[0], one.APIGroups[0], one.Resources[0], one.ResourceNames})
			}
		}
	}
	return rights, users
}
