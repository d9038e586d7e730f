package fakekube

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// setDefaults fills in the defaults that a client of Services, Pods and EndpointSlices
// may rely on being there.
func setDefaults(st *store, obj runtime.Object) {
	switch o := obj.(type) {
	case *corev1.Service:
		defaultService(st, o)
	case *corev1.Pod:
		o.Generation = max(o.Generation, 1)
		defaultPod(&o.Spec)
	case *discoveryv1.EndpointSlice:
		o.Generation = max(o.Generation, 1)
		defaultSlice(o)
	case *networkingv1.Ingress:
		o.Generation = max(o.Generation, 1)
	case *corev1.Namespace:
		defaultNamespace(o)
	case *unstructured.Unstructured:
		o.SetGeneration(max(o.GetGeneration(), 1))
	}
}

func defaultService(st *store, o *corev1.Service) {
	spec := &o.Spec
	setIfZero(&spec.Type, corev1.ServiceTypeClusterIP)
	setIfZero(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	for i := range spec.Ports {
		p := &spec.Ports[i]
		setIfZero(&p.Protocol, corev1.ProtocolTCP)
		setIfZero(&p.TargetPort, intstr.FromInt32(p.Port))
	}
	if spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	if spec.ClusterIP == "" {
		spec.ClusterIP = st.nextClusterIP()
	}
	spec.ClusterIPs = []string{spec.ClusterIP}
	if spec.IPFamilies == nil {
		single := corev1.IPFamilyPolicySingleStack
		spec.IPFamilies, spec.IPFamilyPolicy = []corev1.IPFamily{corev1.IPv4Protocol}, &single
	}
	if spec.InternalTrafficPolicy == nil {
		cluster := corev1.ServiceInternalTrafficPolicyCluster
		spec.InternalTrafficPolicy = &cluster
	}
}

// nextClusterIP counts through 172.16.0.0/12, which no simulated Pod is in.
func (st *store) nextClusterIP() string {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.clusterIP++
	n := st.clusterIP
	return fmt.Sprintf("172.%d.%d.%d", 16+n>>16&15, n>>8&255, n&255)
}

func defaultPod(spec *corev1.PodSpec) {
	grace := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if spec.TerminationGracePeriodSeconds == nil {
		spec.TerminationGracePeriodSeconds = &grace
	}
	setIfZero(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	setIfZero(&spec.DNSPolicy, corev1.DNSClusterFirst)
	setIfZero(&spec.SchedulerName, corev1.DefaultSchedulerName)
	for i := range spec.Containers {
		for j := range spec.Containers[i].Ports {
			setIfZero(&spec.Containers[i].Ports[j].Protocol, corev1.ProtocolTCP)
		}
	}
}

func defaultSlice(o *discoveryv1.EndpointSlice) {
	name, protocol := "", corev1.ProtocolTCP
	for i := range o.Ports {
		if o.Ports[i].Name == nil {
			o.Ports[i].Name = &name
		}
		if o.Ports[i].Protocol == nil {
			o.Ports[i].Protocol = &protocol
		}
	}
}

func defaultNamespace(o *corev1.Namespace) {
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[corev1.LabelMetadataName] = o.Name
	setIfZero(&o.Status.Phase, corev1.NamespaceActive)
	if o.Spec.Finalizers == nil {
		o.Spec.Finalizers = []corev1.FinalizerName{corev1.FinalizerKubernetes}
	}
}

func setIfZero[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
