package rbac

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	typed "k8s.io/client-go/kubernetes/typed/rbac/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
)

// Read returns what a cluster has of some roles; a role that it does not have is left out.
// It takes get on the roles, and list on rolebindings and clusterrolebindings.
func Read(ctx context.Context, config *rest.Config, roles []Role) (map[Role]Grant, error) {
	client, err := typed.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	bound, err := bindings(ctx, client, roles)
	if err != nil {
		return nil, err
	}
	found := map[Role]Grant{}
	for _, r := range roles {
		rules, err := rulesOf(ctx, client, r)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("get %s: %w", r, err)
		default:
			found[r] = Grant{Rules: rules, Subjects: bound[r].Subjects}
		}
	}
	return found, nil
}

func rulesOf(ctx context.Context, client typed.RbacV1Interface, r Role) ([]rbacv1.PolicyRule, error) {
	if r.Namespace == "" {
		role, err := client.ClusterRoles().Get(ctx, r.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return role.Rules, nil
	}
	role, err := client.Roles(r.Namespace).Get(ctx, r.Name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return role.Rules, nil
}

// bindings are all of the cluster's, and of the namespaces that some role is in: whoever
// bound a role may have named the binding as they liked.
func bindings(ctx context.Context, client typed.RbacV1Interface, roles []Role) (map[Role]Grant, error) {
	bound, read := map[Role]Grant{}, map[string]bool{}
	for _, r := range roles {
		if read[r.Namespace] {
			continue
		}
		read[r.Namespace] = true
		list := func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if r.Namespace == "" {
				return client.ClusterRoleBindings().List(ctx, o)
			}
			return client.RoleBindings(r.Namespace).List(ctx, o)
		}
		err := pager.New(list).EachListItem(ctx, metav1.ListOptions{}, func(obj runtime.Object) error {
			switch b := obj.(type) {
			case *rbacv1.ClusterRoleBinding:
				bind(bound, "", b.RoleRef, b.Subjects)
			case *rbacv1.RoleBinding:
				bind(bound, r.Namespace, b.RoleRef, b.Subjects)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list bindings of %s: %w", r, err)
		}
	}
	return bound, nil
}
