package kube_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/neg"
)

func httpGet(port intstr.IntOrString, path string, headers ...corev1.HTTPHeader) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Port: port, Path: path, HTTPHeaders: headers}}
}

// TestProbes: a port's probe is that of the container behind it, if it asks that port.
func TestProbes(t *testing.T) {
	health := "shop.Health"
	secure := httpGet(intstr.FromInt32(8443), "/ready")
	secure.HTTPGet.Scheme = corev1.URISchemeHTTPS
	ports := []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}, {ContainerPort: 8443}}
	for _, tc := range []struct {
		name   string
		target intstr.IntOrString
		probe  *corev1.ProbeHandler
		want   neg.Probe
	}{
		{"none", intstr.FromInt32(8080), nil, neg.Probe{Known: true}},
		{"HTTP", intstr.FromInt32(8080), ptr(httpGet(intstr.FromString("web"), "/ready", corev1.HTTPHeader{Name: "host", Value: "shop.example"})),
			neg.Probe{Known: true, Type: "HTTP", Path: "/ready", Host: "shop.example", IntervalSec: 7, TimeoutSec: 2}},
		{"by the port's name", intstr.FromString("web"), ptr(httpGet(intstr.FromInt32(8080), "/")), neg.Probe{Known: true, Type: "HTTP", Path: "/", IntervalSec: 7, TimeoutSec: 2}},
		{"HTTPS", intstr.FromInt32(8443), &secure, neg.Probe{Known: true, Type: "HTTPS", Path: "/ready", IntervalSec: 7, TimeoutSec: 2}},
		{"another port's", intstr.FromInt32(8443), ptr(httpGet(intstr.FromInt32(8080), "/ready")), neg.Probe{Known: true}},
		{"TCP", intstr.FromInt32(8080), &corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}, neg.Probe{Known: true, Type: "TCP", IntervalSec: 7, TimeoutSec: 2}},
		{"gRPC", intstr.FromInt32(8080), &corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080, Service: &health}},
			neg.Probe{Known: true, Type: "GRPC", GRPCService: health, IntervalSec: 7, TimeoutSec: 2}},
		{"a command", intstr.FromInt32(8080), &corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}, neg.Probe{Known: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.apply(targeting(tc.target))
			svc, err := w.Service(t.Context(), web)
			w.check(err)
			if probes, err := w.Probes(t.Context(), svc); err != nil || len(probes) != 0 {
				t.Errorf("without a Pod: %v, %v", probes, err)
			}
			w.apply(pod("old", time.Hour, corev1.Container{Name: "c", Ports: ports}))
			container := corev1.Container{Name: "c", Ports: ports}
			if tc.probe != nil {
				container.ReadinessProbe = &corev1.Probe{ProbeHandler: *tc.probe, PeriodSeconds: 7, TimeoutSeconds: 2}
			}
			w.apply(pod("new", time.Minute, corev1.Container{Name: "sidecar"}, container))
			probes, err := w.Probes(t.Context(), svc)
			w.check(err)
			if d := cmp.Diff(map[int32]neg.Probe{80: tc.want}, probes); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func targeting(target intstr.IntOrString) *corev1.Service {
	s := service(nil)
	s.Spec.Selector = map[string]string{"app": "web"}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: target}, {Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP}}
	return s
}

func pod(name string, age time.Duration, containers ...corev1.Container) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": "web"}, CreationTimestamp: metav1.NewTime(time.Now().Add(-age))},
		Spec:       corev1.PodSpec{Containers: containers},
	}
}
