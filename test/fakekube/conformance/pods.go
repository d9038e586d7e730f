package conformance

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// gatePatch sets one condition, as kubelet and every readiness controller do: the UID
// guards against a Pod of the same name.
func gatePatch(uid types.UID, condition, status string) []byte {
	return fmt.Appendf(nil, `{"metadata":{"uid":%q},"status":{"conditions":[{"type":%q,"status":%q,"reason":"Test"}]}}`, uid, condition, status)
}

func (s *suite) patchStatus(t *testing.T, pod *corev1.Pod, patch []byte) (*corev1.Pod, error) {
	t.Helper()
	return s.kube.CoreV1().Pods(s.ns).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
}

func conditions(pod *corev1.Pod) map[string]string {
	out := map[string]string{}
	for _, c := range pod.Status.Conditions {
		out[string(c.Type)] = string(c.Status)
	}
	return out
}

func (s *suite) podCondition(t *testing.T) {
	pod := s.pod(t, "")
	if pod.Status.Phase != corev1.PodPending {
		t.Errorf("a new pod is %s", pod.Status.Phase)
	}
	for _, c := range []struct{ condition, status string }{
		{"example.test/gate", "False"}, {"example.test/other", "True"}, {"example.test/gate", "True"},
	} {
		_, err := s.patchStatus(t, pod, gatePatch(pod.UID, c.condition, c.status))
		must(t, err)
	}
	got, err := s.kube.CoreV1().Pods(s.ns).Get(t.Context(), pod.Name, metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(map[string]string{"example.test/gate": "True", "example.test/other": "True"}, conditions(got)); diff != "" {
		t.Error(diff)
	}
	got, err = s.kube.CoreV1().Pods(s.ns).Patch(t.Context(), pod.Name, types.StrategicMergePatchType, gatePatch(pod.UID, "example.test/gate", "False"), metav1.PatchOptions{})
	must(t, err)
	if c := conditions(got); c["example.test/gate"] != "True" {
		t.Errorf("a write to the pod changed its status: %v", c)
	}
}

func (s *suite) podStatusUID(t *testing.T) {
	pod := s.pod(t, "")
	_, err := s.patchStatus(t, pod, gatePatch(otherUID, "example.test/gate", "True"))
	wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	absent := pod.DeepCopy()
	absent.Name = "absent"
	_, err = s.patchStatus(t, absent, gatePatch(otherUID, "example.test/gate", "True"))
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (s *suite) podGates(t *testing.T) {
	pod := s.pod(t, "")
	if diff := cmp.Diff([]corev1.PodReadinessGate{{ConditionType: "example.test/gate"}}, pod.Spec.ReadinessGates); diff != "" {
		t.Error(diff)
	}
	_, err := s.kube.CoreV1().Pods(s.ns).Patch(t.Context(), pod.Name, types.MergePatchType, []byte(`{"spec":{"readinessGates":null}}`), metav1.PatchOptions{})
	wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
}

func (s *suite) gracefulDelete(t *testing.T) {
	pods := s.kube.CoreV1().Pods(s.ns)
	pod := s.pod(t, s.node(t, unique()).Name)
	must(t, pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	got, err := pods.Get(t.Context(), pod.Name, metav1.GetOptions{})
	must(t, err)
	if got.UID != pod.UID || got.DeletionTimestamp == nil || got.DeletionGracePeriodSeconds == nil || *got.DeletionGracePeriodSeconds != 30 {
		t.Errorf("got deletion timestamp %v, grace %v", got.DeletionTimestamp, got.DeletionGracePeriodSeconds)
	}
	_, err = s.patchStatus(t, pod, gatePatch(pod.UID, "example.test/gate", "True"))
	must(t, err)
	zero := int64(0)
	must(t, pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &zero}))
	_, err = pods.Get(t.Context(), pod.Name, metav1.GetOptions{})
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (s *suite) immediateDelete(t *testing.T) {
	pods := s.kube.CoreV1().Pods(s.ns)
	pod := s.pod(t, "")
	must(t, pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}))
	_, err := pods.Get(t.Context(), pod.Name, metav1.GetOptions{})
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (s *suite) deleteUID(t *testing.T) {
	svc := s.service(t)
	uid := otherUID
	services := s.kube.CoreV1().Services(s.ns)
	err := services.Delete(t.Context(), svc.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	wantStatus(t, err, http.StatusConflict, metav1.StatusReasonConflict)
	err = services.Delete(t.Context(), svc.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &svc.UID}})
	must(t, err)
	err = services.Delete(t.Context(), svc.Name, metav1.DeleteOptions{})
	wantStatus(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func (s *suite) event(name, about string) *corev1.Event {
	now := metav1.Now()
	return &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: about, Name: "web"},
		Type:           corev1.EventTypeWarning, Reason: "Test", Message: "a test", Source: corev1.EventSource{Component: "conformance"},
		FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
}

func (s *suite) events(t *testing.T) {
	events := s.kube.CoreV1().Events(s.ns)
	name := "web." + unique()
	_, err := events.Create(t.Context(), s.event(name, s.ns), metav1.CreateOptions{})
	must(t, err)
	_, err = events.Create(t.Context(), s.event(name, s.ns), metav1.CreateOptions{})
	st := wantStatus(t, err, http.StatusConflict, metav1.StatusReasonAlreadyExists)
	if st.Details == nil || st.Details.Name != name || st.Details.Kind != "events" {
		t.Errorf("got details %+v", st.Details)
	}
	_, err = events.Patch(t.Context(), name, types.MergePatchType, []byte(`{"count":2}`), metav1.PatchOptions{})
	must(t, err)
	got, err := events.Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	if got.Count != 2 || got.Message != "a test" {
		t.Errorf("got count %d, message %q", got.Count, got.Message)
	}
}

func (s *suite) eventNamespace(t *testing.T) {
	_, err := s.kube.CoreV1().Events(s.ns).Create(t.Context(), s.event("lost."+unique(), "elsewhere"), metav1.CreateOptions{})
	wantStatus(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
}
