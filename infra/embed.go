// Package infra carries the manifests that a deployment uses, for the tools and tests that
// apply them.
package infra

import "embed"

// Files are the audit policy, the kubeconfig template of the audit webhook, the roles, the
// list of functions and the log sink's filter.
//
//go:embed *.yaml *.tmpl rbac roles functions.list log-sink.filter
var Files embed.FS
