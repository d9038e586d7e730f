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
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"github.com/negfleet/negfleet/shared/lazy"
)

func init() { functions.HTTP("Events", lazy.Of(FromEnv).ServeHTTP) }
