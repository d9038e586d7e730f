package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/negfleet/negfleet/shared/neg"
)

// repeat is how old an Event with the same text must be to be counted again. Looks are
// many; an Event is news for a person.
const repeat = 10 * time.Minute

// maxMessage is the most that the API server takes as an Event's message.
const maxMessage = 1024

// Note makes n visible on a Service as one Event per reason: its name follows from the
// Service and the reason, so that a repeated note updates the one that is there.
func (c *Cluster) Note(ctx context.Context, s *neg.Service, n neg.Note) error {
	event := c.event(s, n)
	events := c.client.CoreV1().Events(s.Key.Namespace)
	_, err := events.Create(ctx, event, metav1.CreateOptions{FieldManager: "negfleet"})
	if !apierrors.IsAlreadyExists(err) {
		return c.noteFailed(ctx, s, err)
	}
	old, err := events.Get(ctx, event.Name, metav1.GetOptions{})
	if gone(err) {
		return nil // expired between the two calls; the next look writes it
	}
	if err != nil {
		return c.noteFailed(ctx, s, err)
	}
	if old.Message == event.Message && event.LastTimestamp.Sub(old.LastTimestamp.Time) < repeat {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"message": event.Message, "count": old.Count + 1, "lastTimestamp": event.LastTimestamp})
	if err != nil {
		return err
	}
	_, err = events.Patch(ctx, event.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "negfleet"})
	return c.noteFailed(ctx, s, err)
}

func (c *Cluster) event(s *neg.Service, n neg.Note) *corev1.Event {
	kind := corev1.EventTypeNormal
	if n.Warning {
		kind = corev1.EventTypeWarning
	}
	sum := sha256.Sum256([]byte(s.UID + ";" + n.Reason))
	at := metav1.NewTime(c.now())
	message := strings.ToValidUTF8(n.Message, "")
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-3], "") + "..." // a character may be cut
	}
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Key.Namespace, Name: s.Key.Service + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Service", Namespace: s.Key.Namespace, Name: s.Key.Service, UID: types.UID(s.UID), ResourceVersion: s.ResourceVersion,
		},
		Reason: n.Reason, Message: message, Type: kind, Count: 1,
		FirstTimestamp: at, LastTimestamp: at,
		Source: corev1.EventSource{Component: "negfleet"}, ReportingController: "negfleet.dev/reconcile",
	}
}

// noteFailed classes a failed write. A namespace that is being deleted takes no Events,
// and needs none.
func (c *Cluster) noteFailed(ctx context.Context, s *neg.Service, err error) error {
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || gone(err) {
		return nil
	}
	return c.fail(ctx, "write event for service "+s.Key.Namespace+"/"+s.Key.Service, err)
}
