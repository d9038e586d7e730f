package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// otherUID is nobody's.
const otherUID = types.UID("00000000-0000-4000-8000-000000000000")

func (s *suite) generateName(t *testing.T) {
	svc := s.service(t)
	if !strings.HasPrefix(svc.Name, "svc-") || svc.Name == "svc-" || svc.UID == "" || svc.ResourceVersion == "" || svc.CreationTimestamp.IsZero() {
		t.Errorf("got name %q, UID %q, version %q, created %v", svc.Name, svc.UID, svc.ResourceVersion, svc.CreationTimestamp)
	}
	port := svc.Spec.Ports[0]
	if port.Protocol != corev1.ProtocolTCP || port.TargetPort.IntValue() != 80 || svc.Spec.Type != corev1.ServiceTypeClusterIP || svc.Spec.ClusterIP == "" {
		t.Errorf("got type %q, cluster IP %q, port %+v", svc.Spec.Type, svc.Spec.ClusterIP, port)
	}
	_, err := s.kube.CoreV1().Services(s.ns).Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: svc.Name}, Spec: corev1.ServiceSpec{
		Ports: svc.Spec.Ports}}, metav1.CreateOptions{})
	wantStatus(t, err, http.StatusConflict, metav1.StatusReasonAlreadyExists)
	_, err = s.kube.DiscoveryV1().EndpointSlices("absent-"+unique()).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "lost"}, AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{}}, metav1.CreateOptions{})
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (s *suite) dryRun(t *testing.T) {
	svc := s.service(t)
	dry := metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}}
	_, err := s.kube.CoreV1().Services(s.ns).Patch(t.Context(), svc.Name, types.MergePatchType, annotate("example.test/a", "9"), dry)
	must(t, err)
	s.wantAnnotations(t, svc.Name, svc.Annotations)
}

func (s *suite) deleteCollection(t *testing.T) {
	mine := "gone-" + unique()
	s.slice(t, mine+"-1", mine)
	s.slice(t, mine+"-2", mine)
	kept := s.slice(t, mine+"-kept", "kept")
	slices := s.kube.DiscoveryV1().EndpointSlices(s.ns)
	must(t, slices.DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + mine}))
	list, err := slices.List(t.Context(), metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + mine})
	must(t, err)
	if len(list.Items) != 0 {
		t.Errorf("still there: %v", names(list.Items))
	}
	_, err = slices.Get(t.Context(), kept.Name, metav1.GetOptions{})
	must(t, err)
}

func annotate(key, value string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, key, value)
}

func (s *suite) patchService(t *testing.T, name string, kind types.PatchType, patch string) (*corev1.Service, error) {
	t.Helper()
	return s.kube.CoreV1().Services(s.ns).Patch(t.Context(), name, kind, []byte(patch), metav1.PatchOptions{})
}

func (s *suite) wantAnnotations(t *testing.T, name string, want map[string]string) {
	t.Helper()
	svc, err := s.kube.CoreV1().Services(s.ns).Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(want, svc.Annotations); diff != "" {
		t.Error(diff)
	}
}

func (s *suite) mergePatch(t *testing.T) {
	svc := s.service(t)
	got, err := s.patchService(t, svc.Name, types.MergePatchType, string(annotate("example.test/b", "3")))
	must(t, err)
	if got.ResourceVersion == svc.ResourceVersion || got.UID != svc.UID {
		t.Errorf("version %s to %s, UID %s to %s", svc.ResourceVersion, got.ResourceVersion, svc.UID, got.UID)
	}
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "1", "example.test/b": "3"})
	_, err = s.patchService(t, svc.Name, types.MergePatchType, `{"metadata":{"annotations":{"example.test/b":null}}}`)
	must(t, err)
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "1"})
	_, err = s.patchService(t, svc.Name, types.StrategicMergePatchType, string(annotate("example.test/c", "4")))
	must(t, err)
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "1", "example.test/c": "4"})
}

func (s *suite) emptyPatch(t *testing.T) {
	svc := s.service(t)
	got, err := s.patchService(t, svc.Name, types.MergePatchType, string(annotate("example.test/a", "1")))
	must(t, err)
	if got.ResourceVersion != svc.ResourceVersion {
		t.Errorf("version %s became %s", svc.ResourceVersion, got.ResourceVersion)
	}
}

func (s *suite) patchMissing(t *testing.T) {
	_, err := s.patchService(t, "absent", types.MergePatchType, `{}`)
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

// patchUID is 422 and not 409: for kube-apiserver a UID in a patch is no precondition
// but an attempt to change an immutable field (rest.BeforeUpdate; DefaultUpdatedObjectInfo
// has no object to take a precondition from). What matters is that nothing is written.
func (s *suite) patchUID(t *testing.T) {
	svc := s.service(t)
	with := func(uid types.UID) string {
		return fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{"example.test/a":"9"}}}`, uid)
	}
	for _, kind := range []types.PatchType{types.MergePatchType, types.StrategicMergePatchType} {
		_, err := s.patchService(t, svc.Name, kind, with(otherUID))
		st := wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
		if len(st.Details.Causes) == 0 || st.Details.Causes[0].Field != "metadata.uid" {
			t.Errorf("got causes %v, want metadata.uid", st.Details.Causes)
		}
	}
	s.wantAnnotations(t, svc.Name, svc.Annotations)
	_, err := s.patchService(t, svc.Name, types.MergePatchType, with(svc.UID))
	must(t, err)
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "9", "example.test/b": "2"})
}

func (s *suite) patchVersion(t *testing.T) {
	svc := s.service(t)
	with := func(version, value string) string {
		return fmt.Sprintf(`{"metadata":{"resourceVersion":%q,"annotations":{"example.test/a":%q}}}`, version, value)
	}
	_, err := s.patchService(t, svc.Name, types.MergePatchType, with(svc.ResourceVersion, "9"))
	must(t, err)
	_, err = s.patchService(t, svc.Name, types.MergePatchType, with(svc.ResourceVersion, "10"))
	wantStatus(t, err, http.StatusConflict, metav1.StatusReasonConflict)
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "9", "example.test/b": "2"})
}

func (s *suite) jsonPatch(t *testing.T) {
	svc := s.service(t)
	with := func(expected string) string {
		return fmt.Sprintf(`[{"op":"test","path":"/metadata/annotations/example.test~1a","value":%q},
			{"op":"replace","path":"/metadata/annotations/example.test~1a","value":"9"}]`, expected)
	}
	_, err := s.patchService(t, svc.Name, types.JSONPatchType, with("7"))
	wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	s.wantAnnotations(t, svc.Name, svc.Annotations)
	_, err = s.patchService(t, svc.Name, types.JSONPatchType, with("1"))
	must(t, err)
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "9", "example.test/b": "2"})
	_, err = s.patchService(t, svc.Name, types.JSONPatchType, `{"not":"a list"}`)
	wantStatus(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func (s *suite) staleUpdate(t *testing.T) {
	svc := s.service(t)
	_, err := s.patchService(t, svc.Name, types.MergePatchType, string(annotate("example.test/a", "9")))
	must(t, err)
	svc.Annotations["example.test/a"] = "10"
	_, err = s.kube.CoreV1().Services(s.ns).Update(t.Context(), svc, metav1.UpdateOptions{})
	st := wantStatus(t, err, http.StatusConflict, metav1.StatusReasonConflict)
	if diff := cmp.Diff(&metav1.StatusDetails{Name: svc.Name, Kind: "services"}, st.Details); diff != "" {
		t.Error(diff)
	}
	s.wantAnnotations(t, svc.Name, map[string]string{"example.test/a": "9", "example.test/b": "2"})
}

func (s *suite) updateUID(t *testing.T) {
	svc := s.service(t)
	svc.UID = otherUID
	_, err := s.kube.CoreV1().Services(s.ns).Update(t.Context(), svc, metav1.UpdateOptions{})
	wantStatus(t, err, http.StatusConflict, metav1.StatusReasonConflict)
}

func (s *suite) blindUpdate(t *testing.T) {
	svc := s.service(t)
	svc.ResourceVersion = ""
	svc.Annotations["example.test/a"] = "9"
	_, err := s.kube.CoreV1().Services(s.ns).Update(t.Context(), svc, metav1.UpdateOptions{})
	must(t, err)
	s.wantAnnotations(t, svc.Name, svc.Annotations)
}

func (s *suite) leaseUpdate(t *testing.T) {
	leases := s.kube.CoordinationV1().Leases(s.ns)
	holder := "me"
	lease, err := leases.Create(t.Context(), &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "lock"},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder}}, metav1.CreateOptions{})
	must(t, err)
	now := metav1.NewMicroTime(time.Now())
	lease.Spec.RenewTime = &now
	_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
	must(t, err)
	_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
	wantStatus(t, err, http.StatusConflict, metav1.StatusReasonConflict)
	lease.ResourceVersion = ""
	_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
	wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
}

func (s *suite) serviceStatus(t *testing.T) {
	svc := s.service(t)
	const patch = `{"spec":{"selector":{"app":"other"}},"status":{"conditions":[{"type":"example.test/ready","status":"True",
		"reason":"Test","message":"","lastTransitionTime":"2026-01-02T03:04:05Z"}]}}`
	got, err := s.kube.CoreV1().Services(s.ns).Patch(t.Context(), svc.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	must(t, err)
	if len(got.Status.Conditions) != 1 || got.Spec.Selector["app"] != "web" {
		t.Errorf("a write to the status: %d conditions, selector %v", len(got.Status.Conditions), got.Spec.Selector)
	}
	got, err = s.patchService(t, svc.Name, types.MergePatchType, `{"spec":{"selector":{"app":"other"}},"status":{"conditions":null}}`)
	must(t, err)
	if len(got.Status.Conditions) != 1 || got.Spec.Selector["app"] != "other" {
		t.Errorf("a write to the service: %d conditions, selector %v", len(got.Status.Conditions), got.Spec.Selector)
	}
}
