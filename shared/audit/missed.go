package audit

import (
	"slices"
	"strings"
)

// webhooks is what the names of negfleet's admission webhooks end with.
const webhooks = ".negfleet.dev"

// failedOpen begins the audit annotation that a kube-apiserver writes when it lets a
// request pass that a mutating webhook did not answer: the key ends with round and index,
// the value is the webhook's name
// (k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go).
const failedOpen = "failed-open.mutation.webhook.admission.k8s.io/"

// A Missed is a Pod that was made without negfleet having had its say, so it may lack a
// readiness gate that cannot be added any more.
type Missed struct {
	Namespace string
	Pod       string // or what its name begins with, with a star; empty when not logged
	Webhook   string
	Reason    string // "failed open", or the webhook's own word
}

// MissedInjection returns the Pod that e says slipped past negfleet's webhook: because
// there was no answer, or because the webhook answered so, with the audit annotation
// "missed". A kube-apiserver puts the webhook's name and a slash before that.
func MissedInjection(e Entry) (Missed, bool) {
	if !e.succeeded() || e.Group != "" || e.Resource != "pods" || e.Subresource != "" || e.Verb != "create" {
		return Missed{}, false
	}
	var all []Missed
	for key, value := range e.Annotations {
		if webhook, ok := strings.CutSuffix(key, "/missed"); ok && strings.HasSuffix(webhook, webhooks) {
			all = append(all, Missed{Webhook: webhook, Reason: value})
		}
		if strings.HasPrefix(key, failedOpen) && strings.HasSuffix(value, webhooks) {
			all = append(all, Missed{Webhook: value, Reason: "failed open"})
		}
	}
	if len(all) == 0 {
		return Missed{}, false
	}
	// A Pod counts once, however often the webhook was asked about it.
	first := slices.MinFunc(all, func(a, b Missed) int { return strings.Compare(a.Webhook+"\n"+a.Reason, b.Webhook+"\n"+b.Reason) })
	first.Namespace, first.Pod = e.Namespace, e.podName()
	return first, true
}

func (e Entry) podName() string {
	for _, o := range []Object{e.Request, e.Response} {
		if e.name() == "" && o.Metadata.GenerateName != "" {
			return o.Metadata.GenerateName + "*"
		}
	}
	return e.name()
}
