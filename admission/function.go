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
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/telemetry"
)

// instance is the handler of this process.
var instance = &lazy{build: func() (http.Handler, error) { return FromEnv(os.Getenv, telemetry.Logger()) }, log: telemetry.Logger()}

func init() { functions.HTTP("Admission", instance.ServeHTTP) }

// lazy builds the handler at the first request, and again at the next one if that failed.
// Without keys nobody can be told from anybody, so there is nothing better than 503 then.
type lazy struct {
	build func() (http.Handler, error)
	log   *slog.Logger

	mu      sync.Mutex
	handler http.Handler
}

func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, err := l.get()
	if err != nil {
		l.log.Error("the function cannot start: "+err.Error(), "reason", "Misconfigured")
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	handler.ServeHTTP(w, r)
}

func (l *lazy) get() (http.Handler, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handler != nil {
		return l.handler, nil
	}
	handler, err := l.build()
	if err != nil {
		return nil, err
	}
	l.handler = handler
	return handler, nil
}
