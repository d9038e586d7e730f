package reconcile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakekube"
)

// k8s1 is what GKE's own controller calls the groups of shop/web:80.
const k8s1 = "k8s1-01234567-shop-web-80-5104b449"

// newGKE is a world in which GKE's own controller keeps the groups, and a backend service
// shop of the user's.
func newGKE(t testing.TB, c ...fakekube.ClusterOption) *world {
	w := newWorldWith(t, fakegce.Options{}, c...)
	w.scope.Foreign = true
	w.api("POST", global+"healthChecks", `{"name":"theirs","type":"TCP"}`)
	w.api("POST", global+"backendServices", `{"name":"shop","healthChecks":["global/healthChecks/theirs"]}`)
	return w
}

// gkeMakes makes groups as GKE's own controller does, for that Service.
func (w *world) gkeMakes(service, name string, zones ...neg.Zone) {
	w.t.Helper()
	description, err := json.Marshal(map[string]string{"cluster-uid": w.scope.UID, "namespace": "shop", "service-name": service, "port": "80"})
	w.check(err)
	for _, z := range zones {
		body, err := json.Marshal(map[string]string{"name": name, "networkEndpointType": "GCE_VM_IP_PORT", "description": string(description)})
		w.check(err)
		w.api("POST", "projects/p1/zones/"+string(z)+"/networkEndpointGroups", string(body))
	}
}

func gkeStatus(name string, zones ...neg.Zone) string {
	list, _ := json.Marshal(zones) // strings always marshal
	return fmt.Sprintf(`{"network_endpoint_groups":{"80":%q},"zones":%s}`, name, list)
}

// gkeSays writes the object of shop/web:80.
func (w *world) gkeSays(name string, zones ...neg.Zone) {
	w.t.Helper()
	var groups []any
	for _, z := range zones {
		groups = append(groups, map[string]any{"selfLink": fmt.Sprintf("https://www.googleapis.com/compute/v1/projects/p1/zones/%s/networkEndpointGroups/%s", z, name)})
	}
	w.check(w.cluster.Apply(&unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.gke.io/v1beta1", "kind": "ServiceNetworkEndpointGroup",
		"metadata": map[string]any{"namespace": "shop", "name": name, "labels": map[string]any{"networking.gke.io/service-name": "web", "networking.gke.io/service-port": "80"}},
		"status":   map[string]any{"networkEndpointGroups": groups},
	}}))
}

// shop is the backend service with GKE's groups of those zones.
func inShop(text string, zones ...neg.Zone) []string {
	lines := []string{"backendServices shop"}
	for _, z := range zones {
		lines = append(lines, fmt.Sprintf("  %s/%s %s", z, k8s1, text))
	}
	return append(lines, "healthChecks theirs")
}

// TestGKEAttach: GKE's groups are put into a backend service, and nothing else about them is
// touched; what the status says for a moment takes nothing out.
func TestGKEAttach(t *testing.T) {
	w := newGKE(t)
	w.gkeMakes("web", k8s1, zones...)
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus(k8s1, zones...)))
	before := w.groups()
	w.mustLook()
	w.wantBalancers("attached", inShop("RATE 100 1", zones...)...)
	w.still("attached")
	if w.status() != gkeStatus(k8s1, zones...) || w.annotation(neg.AnnotationServices) != "global/shop" {
		t.Errorf("annotations: status %s, services %s", w.status(), w.annotation(neg.AnnotationServices))
	}
	if d := cmp.Diff(before, w.groups()); d != "" {
		t.Errorf("GKE's groups were changed (-before +after):\n%s", d)
	}
	for _, status := range []string{"", gkeStatus(k8s1), gkeStatus(k8s1, zones[2]), "{"} {
		w.annotate(neg.AnnotationStatus, status)
		_, _ = w.look()
		w.wantBalancers("status "+status, inShop("RATE 100 1", zones...)...)
	}
	w.annotate(neg.AnnotationStatus, gkeStatus(k8s1, zones...))
	w.annotate(neg.AnnotationAutoneg, "{}")
	w.mustLook()
	w.wantBalancers("not asked for", inShop("")...)
	w.still("not asked for")
}

// TestGKEServiceGone: the entries leave, so that GKE's own controller can delete its groups.
func TestGKEServiceGone(t *testing.T) {
	w := newGKE(t)
	w.gkeMakes("web", k8s1, zones...)
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	annotations[neg.AnnotationBackendService] = asking
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus(k8s1, zones...)))
	w.mustLook()
	own := neg.GroupName(w.scope.UID, web, 80)
	if text := strings.Join(w.balancers(), "\n"); !strings.Contains(text, "backendServices "+own) || !strings.Contains(text, "healthChecks "+own) {
		t.Fatalf("no managed backend service:\n%s", text)
	}
	w.another()
	w.check(w.RemoveService("shop", "web"))
	w.mustLook()
	w.wantBalancers("the Service is gone", inShop("")...)
	if n := len(w.groups()); n != 3 {
		t.Errorf("%d of GKE's groups are left, want all 3", n)
	}
}

// TestGKEGroupsComeLate: they are named before they are made, and nothing tells when: the key
// is looked at again for a while, and then no more.
func TestGKEGroupsComeLate(t *testing.T) {
	w := newGKE(t)
	late := time.Duration(0)
	w.r.Now = func() time.Time { return time.Now().Add(late) }
	w.gkeMakes("web", k8s1, zones[0])
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus(k8s1, zones...)))
	if found := w.mustLook(); found.Due.IsZero() {
		t.Error("two groups are missing, and no other look is due")
	}
	w.wantBalancers("one group", inShop("RATE 100 1", zones[0])...)
	w.gkeMakes("web", k8s1, zones[1])
	if found := w.mustLook(); found.Due.IsZero() {
		t.Error("one group is missing, and no other look is due")
	}
	w.wantBalancers("two groups", inShop("RATE 100 1", zones[:2]...)...)
	late = 3 * time.Minute
	if found := w.mustLook(); !found.Due.IsZero() {
		t.Error("a zone that stays without a group is looked at for ever")
	}
}

// TestGKEObjects: where the objects are, they tell of zones that the status lacks.
func TestGKEObjects(t *testing.T) {
	w := newGKE(t, fakekube.WithServiceNEGs())
	w.gkeMakes("web", k8s1, zones...)
	w.gkeSays(k8s1, zones...)
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus(k8s1, zones[0])))
	w.mustLook()
	w.wantBalancers("by the objects", inShop("RATE 100 1", zones...)...)
	w.kube.Inject(fakekube.Fault{Resource: "servicenetworkendpointgroups", Status: 500})
	if _, err := w.look(); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("objects that cannot be read: %v", err)
	}
	w.wantBalancers("objects that cannot be read", inShop("RATE 100 1", zones...)...)
}

// TestGKEGroupOfOther: neg-status is an annotation. What it says of another Service's group
// is not believed, and told.
func TestGKEGroupOfOther(t *testing.T) {
	w := newGKE(t)
	w.gkeMakes("api", "k8s1-01234567-shop-api-80-00000000", zones[0])
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus("k8s1-01234567-shop-api-80-00000000", zones[0])))
	w.mustLook()
	w.wantBalancers("another Service's group", inShop("")...)
	if e := w.event("GroupOfOther"); e == nil || !strings.Contains(e.Message, "belongs to Service shop/api") {
		t.Errorf("Event %+v", e)
	}
}

// TestGKEMigration: autoneg's users have GKE's groups, in entries without a description: they
// are taken over as they are.
func TestGKEMigration(t *testing.T) {
	w := newGKE(t)
	w.gkeMakes("web", k8s1, zones...)
	var entries []string
	for _, z := range zones {
		entries = append(entries, fmt.Sprintf(`{"group":"zones/%s/networkEndpointGroups/%s","balancingMode":"RATE","maxRatePerEndpoint":100,"capacityScaler":0.3}`, z, k8s1))
	}
	w.api("PATCH", global+"backendServices/shop", `{"fingerprint":"FP","backends":[`+strings.Join(entries, ",")+`]}`)
	annotations := with(exposed(port80), neg.AnnotationAutoneg, autone)
	annotations[neg.AnnotationAutonegStatus] = `{"backend_services":{"80":{"shop":{"name":"shop","max_rate_per_endpoint":100}}},"network_endpoint_groups":{"80":"` + k8s1 + `"},"zones":["us-central1-a"]}`
	w.start(3, with(annotations, neg.AnnotationStatus, gkeStatus(k8s1, zones...)))
	w.mustLook()
	w.wantBalancers("taken over", inShop("RATE 100 0.3", zones...)...)
	w.still("taken over")
	w.annotate(neg.AnnotationAutoneg, "{}")
	w.mustLook()
	w.wantBalancers("ours to remove", inShop("")...)
}

// TestGKENothingAsked: a Service that asks for no backend service costs one read.
func TestGKENothingAsked(t *testing.T) {
	w := newGKE(t, fakekube.WithServiceNEGs())
	w.start(3, with(exposed(port80), neg.AnnotationStatus, gkeStatus(k8s1, zones...)))
	w.reset()
	if found := w.mustLook(); !found.Skipped {
		t.Error("readiness is not told to look for itself")
	}
	if d := cmp.Diff("c1 get services: 1", w.kube.Calls().String()); d != "" || len(w.gce.Calls(fakegce.CallFilter{})) != 0 {
		t.Errorf("calls (-want +got):\n%s\nand %d to Compute", d, len(w.gce.Calls(fakegce.CallFilter{})))
	}
}
