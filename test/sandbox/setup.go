//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/negfleet/negfleet/infra"
)

// applyRoles applies infra/rbac, the roles of a deployment, to every cluster.
func (w *World) applyRoles(ctx context.Context) error {
	for _, c := range w.Clusters {
		config, err := c.Config()
		if err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		if err := applyRolesTo(ctx, client); err != nil {
			return fmt.Errorf("cluster %s: %w", c.Name, err)
		}
	}
	return nil
}

func applyRolesTo(ctx context.Context, client kubernetes.Interface) error {
	files, err := fs.Glob(infra.Files, "rbac/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := fs.ReadFile(infra.Files, file)
		if err != nil {
			return err
		}
		for _, doc := range bytes.Split(data, []byte("\n---\n")) {
			obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(doc, nil, nil)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if err := createRole(ctx, client, obj); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

func createRole(ctx context.Context, client kubernetes.Interface, obj runtime.Object) (err error) {
	switch o := obj.(type) {
	case *corev1.Namespace:
		_, err = client.CoreV1().Namespaces().Create(ctx, o, metav1.CreateOptions{})
	case *rbacv1.Role:
		_, err = client.RbacV1().Roles(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
	case *rbacv1.RoleBinding:
		_, err = client.RbacV1().RoleBindings(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
	case *rbacv1.ClusterRole:
		_, err = client.RbacV1().ClusterRoles().Create(ctx, o, metav1.CreateOptions{})
	case *rbacv1.ClusterRoleBinding:
		_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, o, metav1.CreateOptions{})
	default:
		err = fmt.Errorf("%T: want a Namespace, a role or a binding", obj)
	}
	return err
}

// Compute is a client of the emulator, for what a person does by hand.
func (w *World) Compute(ctx context.Context) (*compute.Service, error) {
	return compute.NewService(ctx, option.WithEndpoint(w.gceURL+"/compute/v1/"), option.WithoutAuthentication())
}

// openFirewall lets health checks reach the Pods, as whoever deploys must. The network of
// the sandbox asks for it too, though its probes go over loopback.
func (w *World) openFirewall(ctx context.Context) error {
	api, err := w.Compute(ctx)
	if err != nil {
		return err
	}
	_, err = api.Firewalls.Insert(Project, &compute.Firewall{
		Name: "negfleet-health-checks", Network: "global/networks/" + Network, Direction: "INGRESS",
		SourceRanges: []string{"35.191.0.0/16", "130.211.0.0/22"}, Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp"}},
	}).Context(ctx).Do()
	if err != nil {
		return fmt.Errorf("open the firewall: %w", err)
	}
	return nil
}

// Grace is the deletion grace of the functions.
func (w *World) Grace() time.Duration { return w.opts.Grace }

// LogLine returns the first line of a function's log that holds all of parts; empty when
// there is none.
func (w *World) LogLine(function string, parts ...string) (string, error) {
	lines, err := w.LogLines(function, parts...)
	if err != nil || len(lines) == 0 {
		return "", err
	}
	return lines[0], nil
}

// LogLines returns those lines of a function's log that hold all of parts.
func (w *World) LogLines(function string, parts ...string) ([]string, error) {
	data, err := os.ReadFile(w.Dir.Path("log", function+".log"))
	if err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(string(data)) {
		lacks := func(part string) bool { return !strings.Contains(line, part) }
		if !slices.ContainsFunc(parts, lacks) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found, nil
}
