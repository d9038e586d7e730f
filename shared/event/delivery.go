package event

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/negfleet/negfleet/shared/neg"
)

// MaxBody is the largest request Decode reads: a message of Pub/Sub's limit of 10 MB in
// base64, with its envelope.
const MaxBody = 16 << 20

// A Delivery is one message as Pub/Sub handed it over, whatever the shape. Fields that
// a shape does not carry are zero.
type Delivery struct {
	ID           string
	Data         []byte
	Attributes   map[string]string
	OrderingKey  string
	PublishTime  time.Time
	Attempt      int    // from 1, known only when the subscription has a dead-letter topic
	Subscription string // projects/P/subscriptions/S
	Traceparent  string
}

// Message decodes the delivery's data; see DecodeMessage.
func (d Delivery) Message() (Message, error) { return DecodeMessage(d.Data) }

// Context returns ctx with the trace that the message's publisher was in.
func (d Delivery) Context(ctx context.Context) context.Context {
	return WithTraceparent(ctx, d.Traceparent)
}

// A RequestError is a request that Pub/Sub did not send, or not to its end, with the
// status to answer.
type RequestError struct {
	Status int
	Err    error
}

func (e *RequestError) Error() string { return "decode delivery: " + e.Err.Error() }
func (e *RequestError) Unwrap() error { return e.Err }

// unreadable is of outcome Blocked: the same bytes would be sent again in vain.
func unreadable(format string, args ...any) error {
	return neg.Block(ReasonBadMessage, "decode delivery: "+format, args...)
}

// The CloudEvent that Eventarc makes of a Pub/Sub message.
const typePublished = "google.cloud.pubsub.topic.v1.messagePublished"

// Decode reads a delivery in any shape Pub/Sub and Eventarc use: binary and structured
// CloudEvents, a wrapped push, and an unwrapped push with or without metadata headers.
// Its errors are of outcome Blocked where a body arrived that is no delivery, and
// RequestErrors where none arrived.
func Decode(r *http.Request) (Delivery, error) {
	if r.Method != http.MethodPost {
		return Delivery{}, &RequestError{http.StatusMethodNotAllowed, fmt.Errorf("method %q; use POST", clip(r.Method))}
	}
	d, err := decodeShape(r)
	if err != nil {
		return Delivery{}, err
	}
	if d.Traceparent = d.Attributes["traceparent"]; d.Traceparent == "" {
		d.Traceparent = r.Header.Get("traceparent")
	}
	return d, nil
}

func decodeShape(r *http.Request) (Delivery, error) {
	body, err := readBody(r)
	if err != nil {
		return Delivery{}, err
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case strings.HasPrefix(mediaType, "application/cloudevents-batch"):
		return Delivery{}, unreadable("a batch of CloudEvents; send one event a request")
	case strings.HasPrefix(mediaType, "application/cloudevents"), r.Header.Get("Ce-Specversion") != "":
		return decodeCloudEvent(r, body)
	case len(body) == 0:
		return Delivery{}, unreadable("the body is empty")
	case hasMetadata(r.Header):
		return decodeHeaders(r.Header, body), nil
	}
	return decodeBody(body)
}

func decodeCloudEvent(r *http.Request, body []byte) (Delivery, error) {
	whole := *r
	whole.Body = io.NopCloser(bytes.NewReader(body))
	e, err := cehttp.NewEventFromHTTPRequest(&whole)
	if err != nil {
		return Delivery{}, unreadable("read CloudEvent: %w", shorten(err))
	}
	if e.Type() != typePublished {
		return Delivery{}, unreadable("CloudEvent of type %q; want %s", clip(e.Type()), typePublished)
	}
	d, wrapped, err := unwrap(e.Data())
	if err != nil {
		return Delivery{}, err
	}
	if !wrapped {
		return Delivery{}, unreadable("CloudEvent without a Pub/Sub message in its data")
	}
	if d.ID == "" {
		d.ID = e.ID()
	}
	if d.PublishTime.IsZero() {
		d.PublishTime = e.Time()
	}
	return d, nil
}

// decodeBody takes a wrapped push, or the payload itself where the subscription writes
// no wrapper and no metadata.
func decodeBody(body []byte) (Delivery, error) {
	d, wrapped, err := unwrap(body)
	if err != nil || wrapped {
		return d, err
	}
	return Delivery{Data: body}, nil
}

// envelope is the body of a wrapped push. Pub/Sub writes ids and times in camelCase and
// snake_case; some senders write only one of them.
type envelope struct {
	Message *struct {
		Data         []byte            `json:"data"`
		Attributes   map[string]string `json:"attributes"`
		MessageID    string            `json:"messageId"`
		MessageID2   string            `json:"message_id"`
		PublishTime  string            `json:"publishTime"`
		PublishTime2 string            `json:"publish_time"`
		OrderingKey  string            `json:"orderingKey"`
	} `json:"message"`
	Subscription    string `json:"subscription"`
	DeliveryAttempt int    `json:"deliveryAttempt"`
}

func unwrap(body []byte) (d Delivery, wrapped bool, err error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return d, false, unreadable("parse body as JSON: %w", shorten(err))
	}
	if e.Message == nil {
		return d, false, nil
	}
	m := e.Message
	return Delivery{
		ID: first(m.MessageID, m.MessageID2), Data: m.Data, Attributes: m.Attributes,
		OrderingKey: m.OrderingKey, PublishTime: parseTime(first(m.PublishTime, m.PublishTime2)),
		Attempt: e.DeliveryAttempt, Subscription: e.Subscription,
	}, true, nil
}

// metadata prefixes what a subscription without wrapper, but with metadata, writes.
const metadata = "X-Goog-Pubsub-"

func hasMetadata(h http.Header) bool {
	return h.Get(metadata+"Message-Id") != "" || h.Get(metadata+"Subscription-Name") != ""
}

// attributeHeaders are the attributes that anything here reads. The others stay where
// they are: an unwrapped push mixes attributes with headers that may hold credentials.
var attributeHeaders = []string{
	"v", "cluster", "namespace", "service", "reason", "source", "observed", "chain", "traceparent",
	"project_id", "cluster_location", "cluster_name", "type_url", "payload",
}

func decodeHeaders(h http.Header, body []byte) Delivery {
	attempt, _ := strconv.Atoi(h.Get(metadata + "Delivery-Attempt"))
	d := Delivery{
		ID: h.Get(metadata + "Message-Id"), Data: body, Attributes: map[string]string{},
		OrderingKey: h.Get(metadata + "Ordering-Key"), PublishTime: parseTime(h.Get(metadata + "Publish-Time")),
		Attempt: attempt, Subscription: h.Get(metadata + "Subscription-Name"),
	}
	for _, name := range attributeHeaders {
		if v := h.Get(name); v != "" {
			d.Attributes[name] = v
		}
	}
	return d
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, unreadable("a body of more than %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return nil, &RequestError{http.StatusBadRequest, fmt.Errorf("read body: %w", shorten(err))}
	}
	return body, nil
}

// parseTime is zero for what is not a time: nothing depends on a publish time.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
