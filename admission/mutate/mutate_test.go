package mutate_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/neg"
)

// service is a Service called web that selects app=web, with those ports and annotations.
func service(annotations map[string]string, ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Annotations: annotations},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: ports},
	}
}

func negs(value string) map[string]string { return map[string]string{neg.AnnotationNEG: value} }

var (
	http80 = corev1.ServicePort{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}
	udp80  = corev1.ServicePort{Name: "quic", Port: 80, Protocol: corev1.ProtocolUDP}
)

// TestGating: a gate is added only where a group will exist, and so something that opens it.
func TestGating(t *testing.T) {
	now := metav1.Now()
	deleting := service(negs(`{"exposed_ports":{"80":{}}}`), http80)
	deleting.DeletionTimestamp = &now
	external := service(negs(`{"exposed_ports":{"80":{}}}`), http80)
	external.Spec.Type = corev1.ServiceTypeExternalName
	everything := service(negs(`{"exposed_ports":{"80":{}}}`), http80)
	everything.Spec.Selector = nil
	for name, c := range map[string]struct {
		service *corev1.Service
		ingress []neg.IngressPort
		want    bool
	}{
		"exposed port":                  {service(negs(`{"exposed_ports":{"80":{}}}`), http80), nil, true},
		"another port":                  {service(negs(`{"exposed_ports":{"81":{}}}`), http80), nil, false},
		"no annotation":                 {service(nil, http80), nil, false},
		"malformed":                     {service(negs(`{"exposed_ports":{"80":{}}`), http80), nil, false},
		"UDP":                           {service(negs(`{"exposed_ports":{"80":{}}}`), udp80), nil, false},
		"UDP and TCP":                   {service(negs(`{"exposed_ports":{"80":{}}}`), udp80, http80), nil, true},
		"ingress, referenced by number": {service(negs(`{"ingress":true}`), http80), []neg.IngressPort{{Service: "web", Number: 80}}, true},
		"ingress, referenced by name":   {service(negs(`{"ingress":true}`), http80), []neg.IngressPort{{Service: "web", Name: "http"}}, true},
		"ingress, another port":         {service(negs(`{"ingress":true}`), http80), []neg.IngressPort{{Service: "web", Name: "https"}}, false},
		"ingress, another Service":      {service(negs(`{"ingress":true}`), http80), []neg.IngressPort{{Service: "shop", Number: 80}}, false},
		"ingress, not referenced":       {service(negs(`{"ingress":true}`), http80), nil, false},
		"referenced without asking":     {service(nil, http80), []neg.IngressPort{{Service: "web", Number: 80}}, false},
		"a backend service alone":       {service(map[string]string{neg.AnnotationAutoneg: `{"backend_services":{"80":[{"name":"b"}]}}`}, http80), nil, false},
		"observed":                      {service(map[string]string{neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, neg.AnnotationPolicy: "observe"}, http80), nil, false},
		"being deleted":                 {deleting, nil, false},
		"ExternalName":                  {external, nil, false},
		"a selector that is empty":      {everything, nil, false},
		"headless, exposed": {func() *corev1.Service {
			s := service(negs(`{"exposed_ports":{"80":{}}}`), http80)
			s.Spec.ClusterIP = "None"
			return s
		}(), nil, true},
	} {
		n := mutate.Namespace{Services: []mutate.Service{mutate.ReadService("c1", "shop", c.service)}, Ingress: c.ingress}
		if got := len(n.Gating(map[string]string{"app": "web", "tier": "front"})) > 0; got != c.want {
			t.Errorf("%s: gating %t, want %t", name, got, c.want)
		}
		if len(n.Gating(map[string]string{"app": "other"})) > 0 {
			t.Errorf("%s: gates a Pod that it does not select", name)
		}
	}
}

// TestTwoServicesOneGroup: a Pod gets one gate, and its writer is told of the clash.
func TestTwoServicesOneGroup(t *testing.T) {
	a, b := service(negs(`{"exposed_ports":{"80":{"name":"shop"}}}`), http80), service(negs(`{"exposed_ports":{"80":{"name":"shop"}}}`), http80)
	b.Name = "web-too"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}}
	n := mutate.Namespace{Services: []mutate.Service{mutate.ReadService("c1", "shop", a), mutate.ReadService("c1", "shop", b)}}
	got := mutate.Pod(pod, mutate.Facts{Namespace: n, Alive: true}, mutate.Policy{Gate: neg.GateNEG})
	if len(got.Patch) != 1 {
		t.Errorf("patch %v", got.Patch)
	}
	want := []string{`negfleet: Services web and web-too both claim group "shop"; only one will have it`}
	if d := cmp.Diff(want, got.Warnings); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNoSleep: an API server that drops the sleep action would refuse the Pod.
func TestNoSleep(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}
	n := mutate.Namespace{Services: []mutate.Service{mutate.ReadService("c1", "shop", service(negs(`{"exposed_ports":{"80":{}}}`), http80))}}
	got := mutate.Pod(pod, mutate.Facts{Namespace: n, Alive: true, NoSleep: "too old"}, mutate.Policy{Gate: neg.GateNEG, Drain: 30 * time.Second})
	if len(got.Patch) != 1 || got.Patch[0].Path != "/spec/readinessGates" {
		t.Errorf("patch %v", got.Patch)
	}
	if d := cmp.Diff([]string{"negfleet: no drain: too old"}, got.Warnings); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestGraceWithoutEnd: a grace period that a sleep would carry past what a number holds stays as it
// is: the API server would refuse the Pod for a negative one.
func TestGraceWithoutEnd(t *testing.T) {
	n := mutate.Namespace{Services: []mutate.Service{mutate.ReadService("c1", "shop", service(negs(`{"exposed_ports":{"80":{}}}`), http80))}}
	for grace, want := range map[int64]string{
		math.MaxInt64: "", math.MaxInt64 - 29: "", math.MaxInt64 - 30: "9223372036854775807", 0: "30", 30: "60",
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{{Name: "app"}}}}
		raised := ""
		for _, op := range mutate.Pod(pod, mutate.Facts{Namespace: n, Alive: true}, mutate.Policy{Gate: neg.GateNEG, Drain: 30 * time.Second}).Patch {
			if op.Path == "/spec/terminationGracePeriodSeconds" {
				raised = string(op.Value)
			}
		}
		if raised != want {
			t.Errorf("grace %d: becomes %q, want %q", grace, raised, want)
		}
	}
}

func TestPointer(t *testing.T) {
	if got := mutate.Pointer("metadata", "annotations", "a/b~c"); got != "/metadata/annotations/a~1b~0c" {
		t.Error(got)
	}
}

// TestWarningsAreShown: an API server drops a warning that it cannot put into a header, as one of
// several lines.
func TestWarningsAreShown(t *testing.T) {
	for name, annotations := range map[string]map[string]string{
		"two mistakes":            {neg.AnnotationNEG: `{"exposed_ports":{"80":{}}}`, neg.AnnotationBackendService: `{"80":{"nmae":"x"},"81":{"nmae":"y"}}`},
		"a field of several rows": {neg.AnnotationNEG: "{\"ingress\":{\n\t\"80\":{}\n}}"},
	} {
		got := mutate.ServiceReview{Namespace: "shop", New: service(annotations, http80)}.Decide(nil, mutate.Policy{Cluster: "c1"})
		if len(got.Warnings) == 0 {
			t.Errorf("%s: no warning", name)
		}
		for _, text := range got.Warnings {
			if _, err := utilnet.NewWarningHeader(299, "-", text); err != nil {
				t.Errorf("%s: %q is not shown: %v", name, text, err)
			}
		}
	}
}

// FuzzWarning: what users write ends up in warnings, which stay short and valid.
func FuzzWarning(f *testing.F) {
	f.Add("port 80", strings.Repeat("ä", 300))
	f.Add("\xff", "")
	f.Add("two\nlines", "\u0085")
	f.Fuzz(func(t *testing.T, a, b string) {
		got := mutate.Warning(a + b)
		if _, err := utilnet.NewWarningHeader(299, "-", got); len(got) > 256 || err != nil {
			t.Errorf("%d bytes: %q: %v", len(got), got, err)
		}
	})
}
