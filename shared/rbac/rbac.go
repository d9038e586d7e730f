// Package rbac compares the roles of infra/rbac with those that a cluster has. It writes
// none: kubectl applies them.
package rbac

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/negfleet/negfleet/infra"
)

// A Role names a ClusterRole, or a Role in its namespace.
type Role struct{ Namespace, Name string }

func (r Role) String() string {
	if r.Namespace == "" {
		return "ClusterRole " + r.Name
	}
	return "Role " + r.Namespace + "/" + r.Name
}

// A Grant is what a role allows, and to whom bindings give it.
type Grant struct {
	Rules    []rbacv1.PolicyRule
	Subjects []rbacv1.Subject
}

// Shipped are the grants of infra/rbac. Their subjects are Users of the functions' names.
func Shipped() (map[Role]Grant, error) {
	files, err := fs.Glob(infra.Files, "rbac/*.yaml")
	if err != nil {
		return nil, err
	}
	grants := map[Role]Grant{}
	for _, file := range files {
		data, err := infra.Files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := decode(data, grants); err != nil {
			return nil, fmt.Errorf("infra/%s: %w", file, err)
		}
	}
	return grants, nil
}

var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	_ = rbacv1.AddToScheme(scheme) // fails for no known type
	return serializer.NewCodecFactory(scheme).UniversalDeserializer()
}()

// decode adds the roles and bindings of a file to grants.
func decode(data []byte, grants map[Role]Grant) error {
	for _, doc := range bytes.Split(data, []byte("\n---\n")) {
		obj, _, err := decoder.Decode(doc, nil, nil)
		if runtime.IsNotRegisteredError(err) {
			continue // a Namespace
		}
		if err != nil {
			return err
		}
		switch o := obj.(type) {
		case *rbacv1.ClusterRole:
			allow(grants, Role{Name: o.Name}, o.Rules)
		case *rbacv1.Role:
			allow(grants, Role{o.Namespace, o.Name}, o.Rules)
		case *rbacv1.ClusterRoleBinding:
			bind(grants, "", o.RoleRef, o.Subjects)
		case *rbacv1.RoleBinding:
			bind(grants, o.Namespace, o.RoleRef, o.Subjects)
		}
	}
	return nil
}

func allow(grants map[Role]Grant, r Role, rules []rbacv1.PolicyRule) {
	g := grants[r]
	g.Rules = append(g.Rules, rules...)
	grants[r] = g
}

// bind adds what a binding in namespace gives; one without namespace gives it everywhere. A
// ClusterRole that is bound in a namespace alone is not given.
func bind(grants map[Role]Grant, namespace string, to rbacv1.RoleRef, subjects []rbacv1.Subject) {
	if (to.Kind == "ClusterRole") != (namespace == "") {
		return
	}
	r := Role{namespace, to.Name}
	g := grants[r]
	g.Subjects = append(g.Subjects, subjects...)
	grants[r] = g
}

// Lacking names what want allows and have does not, as "patch services" or "get
// namespaces/kube-system".
func Lacking(have, want []rbacv1.PolicyRule) []string {
	_, rules := validation.Covers(have, want)
	var all []string
	for _, r := range rules {
		text := strings.Join(r.Verbs, ",") + " " + strings.Join(r.Resources, ",")
		if group := strings.Join(r.APIGroups, ","); group != "" {
			text += "." + group
		}
		if len(r.ResourceNames) > 0 {
			text += "/" + strings.Join(r.ResourceNames, ",")
		}
		all = append(all, text)
	}
	return slices.Compact(slices.Sorted(slices.Values(all)))
}
