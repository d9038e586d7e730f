package storm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/rig"
)

const namespace = "shop"

// targets are the container ports behind the Service ports.
var targets = map[int32]int32{80: 8080, 443: 8443}

// An app is a Service with its Deployment, and what it asks for now. Its fields change in
// the storm's own goroutine alone.
type app struct {
	cluster *rig.Cluster
	key     neg.Key
	policy  string // its annotation
	fixed   bool   // its Service stays, and so does what it asks for
	taken   bool   // what it asks for is somebody else's
	// balanced apps ask for backend services too. They are few: a backend service holds 50
	// groups.
	balanced bool

	exists  bool
	hidden  bool             // its selector matches no Pod
	broken  bool             // its annotation cannot be read
	exposed map[int32]string // Service port → custom name, or ""
	ingress []int32          // ports that the Ingress sends traffic to
	asks    bool             // the annotation says ingress:true
	serves  string           // attached, managed or neither
}

// groups maps what the app asks for to names.
func (a *app) groups() map[int32]string {
	names := map[int32]string{}
	if !a.exists {
		return names
	}
	if a.asks {
		for _, port := range a.ingress {
			names[port] = a.generated(port)
		}
	}
	for port, name := range a.exposed {
		if names[port] = name; name == "" {
			names[port] = a.generated(port)
		}
	}
	return names
}

func (a *app) generated(port int32) string {
	return neg.GroupName(string(a.cluster.UID()), a.key, port)
}

func (a *app) custom(port int32) string {
	return fmt.Sprintf("%s-%s-%d", a.key.Cluster, a.key.Service, port)
}

// names are all that its groups may ever have.
func (a *app) names() []string {
	return []string{a.generated(80), a.generated(443), a.custom(80), a.custom(443)}
}

func (a *app) annotations() map[string]string {
	out := map[string]string{}
	if a.policy != "" {
		out[neg.AnnotationPolicy] = a.policy
	}
	var parts []string
	for _, port := range slices.Sorted(maps.Keys(a.exposed)) {
		value := "{}"
		if name := a.exposed[port]; name != "" {
			value = fmt.Sprintf(`{"name":%q}`, name)
		}
		parts = append(parts, fmt.Sprintf(`"%d":%s`, port, value))
	}
	text := fmt.Sprintf(`{"ingress":%t,"exposed_ports":{%s}}`, a.asks, strings.Join(parts, ","))
	if a.broken {
		text = strings.TrimSuffix(text, "}")
	}
	if a.asks || len(parts) > 0 || a.broken {
		out[neg.AnnotationNEG] = text
	}
	if a.balances() != "" {
		name, value := askedOf(a.serves)
		out[name] = value
	}
	return out
}

func (a *app) service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: a.key.Service, Annotations: a.annotations()},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": a.key.Service},
			Ports: []corev1.ServicePort{
				{Name: "http", Port: 80, TargetPort: intstr.FromString("http")},
				{Name: "https", Port: 443, TargetPort: intstr.FromString("https")},
			},
		},
	}
}

// ingressObject names the port 443 by its name and 80 by its number.
func (a *app) ingressObject() *networkingv1.Ingress {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: a.key.Service}}
	paths := &networkingv1.HTTPIngressRuleValue{}
	for _, port := range a.ingress {
		ref := networkingv1.ServiceBackendPort{Number: port}
		if port == 443 {
			ref = networkingv1.ServiceBackendPort{Name: "https"}
		}
		paths.Paths = append(paths.Paths, networkingv1.HTTPIngressPath{Path: "/", Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: a.key.Service, Port: ref},
		}})
	}
	ing.Spec.Rules = []networkingv1.IngressRule{{IngressRuleValue: networkingv1.IngressRuleValue{HTTP: paths}}}
	return ing
}

// newApps are the Services of one cluster, of every kind.
func newApps(c *rig.Cluster) []*app {
	var apps []*app
	add := func(name string, a app) {
		a.cluster, a.key = c, neg.Key{Cluster: c.Name(), Namespace: namespace, Service: name}
		for port, custom := range a.exposed {
			if custom == "custom" {
				a.exposed[port] = a.custom(port)
			}
		}
		apps = append(apps, &a)
	}
	for i, serves := range []string{attached, managed, ""} {
		add(fmt.Sprint("generated-", i), app{exposed: map[int32]string{80: ""}, balanced: true, serves: serves})
	}
	add("custom", app{exposed: map[int32]string{80: "custom"}, balanced: true, serves: attached})
	add("two-ports", app{exposed: map[int32]string{80: "", 443: "custom"}})
	add("ingress", app{asks: true, ingress: []int32{80}, exposed: map[int32]string{}})
	add("plain", app{exposed: map[int32]string{}})
	add("upsert", app{exposed: map[int32]string{80: ""}, policy: "upsert", fixed: true})
	add("observe", app{exposed: map[int32]string{80: ""}, policy: "observe", fixed: true})
	add("malformed", app{exposed: map[int32]string{80: ""}, broken: true, fixed: true})
	add("taken", app{exposed: map[int32]string{80: foreignName}, taken: true, fixed: true})
	return apps
}
