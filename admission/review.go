package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/negfleet/negfleet/admission/mutate"
	"github.com/negfleet/negfleet/shared/neg"
)

// Reasons of the audit annotation "missed", beside those of reads that fail and
// mutate.LeaseStale.
const (
	ReasonBadObject      = "BadObject"         // the object under review cannot be read
	ReasonClusterUnknown = "ClusterUnknown"    // the fleet file has no such cluster
	ReasonDeadline       = "Deadline"          // the cluster was not read in time
	ReasonFleetFile      = "FleetFileInvalid"  // the fleet file cannot be read
	ReasonPanic          = "Panic"             // a mistake in this program
	ReasonReadFailed     = "ClusterReadFailed" // the cluster answered, but not with what was asked
)

// An answer is what becomes of a request, and why.
type answer struct {
	mutate.Result
	skipped string // why nothing was looked at
	err     error  // for the log
}

// review decides about one request. Whatever happens in it, there is an answer.
func (h *Handler) review(ctx context.Context, cluster string, request *admissionv1.AdmissionRequest, asked time.Time) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = missed(neg.Block(ReasonPanic, "panic: %v\n%s", p, debug.Stack()))
		}
	}()
	pol, err := h.Policy(cluster, request.Namespace)
	if err != nil {
		return missed(err)
	}
	kind := request.Resource.Group + "/" + request.Resource.Resource
	switch {
	case request.SubResource != "":
	case kind == "/pods" && request.Operation == admissionv1.Create:
		return h.pod(ctx, pol, request, asked)
	case kind == "/services" && (request.Operation == admissionv1.Create || request.Operation == admissionv1.Update):
		return h.service(ctx, pol, request, asked)
	}
	return answer{skipped: "not a write that anything is added to"}
}

// missed is the answer to trouble of our own.
func missed(err error) answer {
	a := answer{err: err}
	a.Missed = ReasonReadFailed
	if blocked := neg.BlockedReasons(err); len(blocked) > 0 {
		a.Missed = mutate.Missed(blocked[0].Reason)
	} else if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		a.Missed = ReasonDeadline
	}
	a.Warnings = []string{mutate.Warning(fmt.Sprintf("nothing was added, as something went wrong (%s); a Pod made now has no readiness gate", a.Missed))}
	return a
}

// read reads an object under review, and sees that what a patch would add to is there: one that
// does not apply has the API server refuse the request, whatever its failurePolicy.
func read(raw []byte, into any, part string) error {
	if err := utiljson.Unmarshal(raw, into); err != nil {
		return err
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	if !bytes.HasPrefix(parts[part], []byte("{")) {
		return fmt.Errorf("it has no %s", part)
	}
	return nil
}

func (h *Handler) pod(ctx context.Context, pol mutate.Policy, request *admissionv1.AdmissionRequest, asked time.Time) answer {
	var pod corev1.Pod
	if err := read(request.Object.Raw, &pod, "spec"); err != nil {
		return missed(neg.Block(ReasonBadObject, "read pod: %w", err))
	}
	if why := mutate.Skip(&pod, request.Namespace, pol); why != "" {
		return answer{skipped: why}
	}
	matches := func(n mutate.Namespace) bool { return len(n.Gating(pod.Labels)) > 0 }
	found, err := h.Reads.Namespace(ctx, pol.Cluster, request.Namespace, asked, matches)
	if err != nil {
		return missed(err)
	}
	facts := mutate.Facts{Namespace: found}
	if matches(found) {
		if facts.Alive, err = h.Reads.Alive(ctx, pol.Cluster, asked); err != nil {
			return missed(err)
		}
		if mutate.WantsDrain(&pod, pol) {
			facts.NoSleep = h.noSleep(ctx, pol.Cluster, asked)
		}
	}
	return answer{Result: mutate.Pod(&pod, facts, pol)}
}

// noSleep says why the API server may not be given a preStop sleep: one that does not know
// it would refuse the Pod.
func (h *Handler) noSleep(ctx context.Context, cluster string, asked time.Time) string {
	switch known, err := h.Reads.Sleep(ctx, cluster, asked); {
	case err != nil:
		return "the API server's version could not be read"
	case !known:
		return "this API server does not know the preStop sleep action, which came with Kubernetes 1.30"
	}
	return ""
}

func (h *Handler) service(ctx context.Context, pol mutate.Policy, request *admissionv1.AdmissionRequest, asked time.Time) answer {
	review := mutate.ServiceReview{Namespace: request.Namespace, New: &corev1.Service{}}
	if err := read(request.Object.Raw, review.New, "metadata"); err != nil {
		return missed(neg.Block(ReasonBadObject, "read service: %w", err))
	}
	if request.Operation == admissionv1.Update {
		review.Old = &corev1.Service{}
		if err := utiljson.Unmarshal(request.OldObject.Raw, review.Old); err != nil {
			return missed(neg.Block(ReasonBadObject, "read old service: %w", err))
		}
	}
	if why := review.Skip(pol); why != "" {
		return answer{skipped: why}
	}
	if !review.NeedsOthers(pol) {
		return answer{Result: review.Decide(nil, pol)}
	}
	// Whether a name is taken is a matter of warnings: what was read lately is enough.
	others, err := h.Reads.Namespace(ctx, pol.Cluster, request.Namespace, asked, func(mutate.Namespace) bool { return true })
	a := answer{Result: review.Decide(others.Services, pol), err: err}
	if err != nil {
		a.Warnings = append(a.Warnings, mutate.Warning("whether other Services claim the same group names is not known: the cluster could not be read"))
	}
	return a
}
