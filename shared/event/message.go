package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/negfleet/negfleet/shared/neg"
)

// Topics. Whose messages they carry and who subscribes is in docs/design.md.
const (
	TopicAudit         = "negfleet-audit"         // Cloud Logging's LogEntry, from the log sink
	TopicNotifications = "negfleet-notifications" // GKE cluster notifications
	TopicKeys          = "negfleet-keys"          // Message, for reconcile
	TopicGates         = "negfleet-gates"         // Message, for readiness
	TopicClusters      = "negfleet-clusters"      // a cluster to sweep
	TopicDead          = "negfleet-dead"          // what was retried in vain
)

// Version is the message format's version. A change to the format is a new version.
const Version = 1

// ReasonBadMessage is the blocked reason of a message that can never be worked on.
const ReasonBadMessage = "BadMessage"

// maxText bounds Reason and Source: Pub/Sub refuses attribute values over 1024 bytes.
const maxText = 256

// A Message asks for a look at Key.
type Message struct {
	Key      neg.Key
	Reason   string    // what was seen, for people: "endpointslices update web-x7k2p"
	Source   string    // who saw it: "admission", "audit", "sweep", "reconcile", ...
	Observed time.Time // when it happened there; latency is measured from it
	Chain    int       // how many follow-up looks led to this one
}

// payload is the format on the wire, frozen by testdata/message.json.
type payload struct {
	V         int    `json:"v"`
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	Reason    string `json:"reason"`
	Source    string `json:"source"`
	Observed  string `json:"observed"`
	Chain     int    `json:"chain"`
}

// Encode returns m as a message's data and attributes. Both say the same: the data is
// what is decoded, the attributes let a subscription filter. Its errors are of outcome
// Blocked: the same message would be refused again.
func Encode(m Message) (data []byte, attributes map[string]string, err error) {
	if err := m.validate(); err != nil {
		return nil, nil, neg.Block(ReasonBadMessage, "encode message for %s: %w", clip(m.Key.String()), err)
	}
	p := payload{
		V: Version, Cluster: m.Key.Cluster, Namespace: m.Key.Namespace, Service: m.Key.Service,
		Reason: clip(m.Reason), Source: clip(m.Source),
		Observed: m.Observed.UTC().Format(time.RFC3339Nano), Chain: m.Chain,
	}
	if data, err = json.Marshal(p); err != nil {
		return nil, nil, fmt.Errorf("encode message for %s: %w", m.Key, err)
	}
	return data, p.attributes(), nil
}

func (p payload) attributes() map[string]string {
	return map[string]string{
		"v": strconv.Itoa(p.V), "cluster": p.Cluster, "namespace": p.Namespace, "service": p.Service,
		"reason": p.Reason, "source": p.Source, "observed": p.Observed, "chain": strconv.Itoa(p.Chain),
	}
}

// DecodeMessage reads what Encode wrote. Its errors are of outcome Blocked, since the
// same bytes will never become a message: log the error, acknowledge the delivery.
func DecodeMessage(data []byte) (Message, error) {
	m, err := decode(data)
	if err != nil {
		return Message{}, neg.Block(ReasonBadMessage, "decode message: %w", err)
	}
	return m, nil
}

func decode(data []byte) (Message, error) {
	var p payload
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&p); err != nil {
		return Message{}, fmt.Errorf("not a negfleet message: %w; publish to this topic with negfleet's own tools", shorten(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Message{}, errors.New("bytes follow the JSON object; send one object a message")
	}
	if p.V != Version {
		return Message{}, fmt.Errorf("field v is %d, this build reads %d; drain the topic before deploying another version", p.V, Version)
	}
	observed, err := time.Parse(time.RFC3339Nano, p.Observed)
	if err != nil {
		return Message{}, fmt.Errorf("field observed: want an RFC 3339 time, got %q", clip(p.Observed))
	}
	m := Message{
		Key:    neg.Key{Cluster: p.Cluster, Namespace: p.Namespace, Service: p.Service},
		Reason: clip(p.Reason), Source: clip(p.Source), Observed: observed.UTC(), Chain: p.Chain,
	}
	return m, m.validate()
}

func (m Message) validate() error {
	if err := m.Key.Validate(); err != nil {
		return fmt.Errorf("field %w", err)
	}
	if m.Source == "" {
		return errors.New("field source is empty; name the sender")
	}
	if m.Observed.IsZero() {
		return errors.New("field observed is zero; set the time of what was seen")
	}
	if m.Chain < 0 {
		return fmt.Errorf("field chain is %d; it counts from 0", m.Chain)
	}
	return nil
}

// clip makes s valid UTF-8 of at most maxText bytes.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= maxText {
		return s
	}
	s = s[:maxText]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// shorten bounds what hostile input can put into a log line.
func shorten(err error) error {
	if text := err.Error(); len(text) > maxText {
		return errors.New(clip(text))
	}
	return err
}
