package rbac_test

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/negfleet/negfleet/shared/rbac"
	"github.com/negfleet/negfleet/test/fakekube"
)

// TestShipped: each role of infra/rbac allows something, and is for functions alone.
func TestShipped(t *testing.T) {
	shipped, err := rbac.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r, g := range shipped {
		if len(g.Rules) == 0 {
			t.Errorf("%s allows nothing", r)
		}
		var users []string
		for _, s := range g.Subjects {
			if s.Kind != rbacv1.UserKind {
				t.Errorf("%s is bound to a %s", r, s.Kind)
			}
			users = append(users, s.Name)
		}
		got = append(got, r.String()+": "+strings.Join(users, " "))
	}
	slices.Sort(got)
	want := []string{
		"ClusterRole negfleet-admission: negfleet-admission",
		"ClusterRole negfleet-events: negfleet-events negfleet-audit",
		"ClusterRole negfleet-readiness: negfleet-readiness",
		"ClusterRole negfleet-reconcile: negfleet-reconcile",
		"ClusterRole negfleet-sweep: negfleet-sweep",
		"Role negfleet/negfleet-admission: negfleet-admission",
		"Role negfleet/negfleet-readiness: negfleet-readiness",
		"Role negfleet/negfleet-sweep: negfleet-sweep",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func rule(group, resource, verbs string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: strings.Split(resource, ","), Verbs: strings.Split(verbs, ","), ResourceNames: names}
}

func TestLacking(t *testing.T) {
	want := []rbacv1.PolicyRule{rule("", "services,pods", "get,list"), rule("coordination.k8s.io", "leases", "patch", "negfleet")}
	for name, c := range map[string]struct {
		have []rbacv1.PolicyRule
		want []string
	}{
		"the same":             {want, nil},
		"in other rules":       {[]rbacv1.PolicyRule{rule("", "services", "list,get"), rule("", "pods", "list"), rule("", "pods", "get"), want[1]}, nil},
		"more":                 {[]rbacv1.PolicyRule{rule("*", "*", "*")}, nil},
		"by whatever name":     {[]rbacv1.PolicyRule{want[0], rule("coordination.k8s.io", "leases", "patch")}, nil},
		"another name":         {[]rbacv1.PolicyRule{want[0], rule("coordination.k8s.io", "leases", "patch", "other")}, []string{"patch leases.coordination.k8s.io/negfleet"}},
		"another group":        {[]rbacv1.PolicyRule{rule("apps", "services,pods", "get,list"), want[1]}, []string{"get pods", "get services", "list pods", "list services"}},
		"a verb less":          {[]rbacv1.PolicyRule{rule("", "services,pods", "get"), want[1]}, []string{"list pods", "list services"}},
		"subresources are not": {[]rbacv1.PolicyRule{rule("", "services/status,pods", "get,list"), want[1]}, []string{"get services", "list services"}},
		"nothing":              {nil, []string{"get pods", "get services", "list pods", "list services", "patch leases.coordination.k8s.io/negfleet"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rbac.Lacking(c.have, want)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRead: bindings count by the role that they refer to, whatever their own names; a
// ClusterRole that is bound in one namespace is not given to anybody everywhere.
func TestRead(t *testing.T) {
	kube := fakekube.New()
	cluster := kube.AddCluster("c1")
	api := httptest.NewServer(kube)
	defer api.Close()
	user := func(name string) []rbacv1.Subject { return []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name}} }
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	named := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name}
	}
	rules := []rbacv1.PolicyRule{rule("", "services", "get")}
	if err := cluster.Apply(
		&rbacv1.ClusterRole{ObjectMeta: named("", "a"), Rules: rules},
		&rbacv1.ClusterRoleBinding{ObjectMeta: named("", "a"), RoleRef: ref("ClusterRole", "a"), Subjects: user("one")},
		&rbacv1.ClusterRoleBinding{ObjectMeta: named("", "of-another-name"), RoleRef: ref("ClusterRole", "a"), Subjects: user("two")},
		&rbacv1.ClusterRoleBinding{ObjectMeta: named("", "b"), RoleRef: ref("ClusterRole", "b"), Subjects: user("nobody")},
		&rbacv1.RoleBinding{ObjectMeta: named("n", "a"), RoleRef: ref("ClusterRole", "a"), Subjects: user("in n alone")},
		&rbacv1.Role{ObjectMeta: named("n", "a"), Rules: rules},
		&rbacv1.RoleBinding{ObjectMeta: named("n", "b"), RoleRef: ref("Role", "a"), Subjects: user("three")},
		&rbacv1.RoleBinding{ObjectMeta: named("other", "b"), RoleRef: ref("Role", "a"), Subjects: user("of the other a")},
	); err != nil {
		t.Fatal(err)
	}
	asked := []rbac.Role{{Name: "a"}, {Name: "b"}, {Namespace: "n", Name: "a"}, {Namespace: "n", Name: "b"}}
	got, err := rbac.Read(t.Context(), cluster.Config(api.URL, "operator"), asked)
	if err != nil {
		t.Fatal(err)
	}
	want := map[rbac.Role]rbac.Grant{
		asked[0]: {Rules: rules, Subjects: append(user("one"), user("two")...)},
		asked[2]: {Rules: rules, Subjects: user("three")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff, slices.Collect(maps.Keys(got)))
	}
}
