// Package infra carries the manifests that a deployment uses, for the tools and tests that
// apply them.
package infra

import "embed"

// Files are the audit policy, the kubeconfig template of the audit webhook and the roles.
//
//go:embed *.yaml *.tmpl rbac
var Files embed.FS
