// Package events is the function that turns what control planes say about their own
// writes into keys. It is deployed twice from this one source, because who may call is
// decided per service:
//
//	events  Pub/Sub push of negfleet-audit (LogEntry) and negfleet-notifications
//	audit   POST /v1/CLUSTER/MAC, or /v1/CLUSTER with the MAC as a bearer token: a
//	        kube-apiserver's audit webhook
//
// NEGFLEET_EVENTS_ACCEPT says which of the two a deployment answers; the other is 404.
//
// A batch is answered only when every key in it is published, so the sender's retry is
// the retry. Keys that the entries name are published first, since seconds count for
// them; those that take a look at the cluster follow. News of a cluster as a whole becomes
// a message about the cluster. What can never be worked on is counted and acknowledged.
//
// The function decides nothing about a key and must not read the cloud; a hint too many
// costs one look.
package events

import (
	"log/slog"
	"net/http"
	"sync"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	"github.com/negfleet/negfleet/shared/telemetry"
)

// instance is the handler of this process.
var instance = &lazy{build: wire, log: telemetry.Logger()}

func init() { functions.HTTP("Events", instance.ServeHTTP) }

// lazy builds a handler at the first request, and again at the next one if that failed:
// the instance outlives the trouble.
type lazy struct {
	build func() (http.Handler, error)
	log   *slog.Logger

	mu      sync.Mutex
	handler http.Handler
}

func (l *lazy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, err := l.get()
	if err != nil {
		l.log.Error("build events: "+err.Error(), "outcome", "again")
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
