// Package admission is the mutating admission webhook: an HTTP function outside the
// cluster that a kube-apiserver calls by URL, POST /v1/CLUSTER/MAC.
//
//	mutate    what to add to a Pod or Service: pure
//	fresh     reads that are kept for seconds where that is good enough: a match
//	cluster   the reads themselves
//	admission the HTTP shell, the deadline, hints, and the rule below
//
// Never break a cluster: whatever goes wrong here, the answer is 200, allowed, without a
// patch, with a warning for the writer and the audit annotation "missed" for the cluster's
// own log. Only what is no AdmissionReview, or comes by an unknown path, gets another
// status. It must not deny, must not outlast the API server's time-out, and must not reach
// the Compute API, plans or reconciling.
package admission

import (
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/lazy"
)

// Without keys nobody can be told from anybody: there is no answer then but lazy's 503.
func init() { functions.HTTP("Admission", lazy.Of(FromEnv).ServeHTTP) }
