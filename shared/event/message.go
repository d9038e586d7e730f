package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
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

	// PodsCreated and PodsDeleted name Pods of the key's namespace whose writes led to the
	// message, each list at most MaxPods long. EndpointSlices follow those writes, so a
	// look that began with them may be too early. It is not if the slices show no endpoint
	// of a deleted Pod that still counts as live, and one of each created Pod; otherwise
	// one more look is due about a second later. They are no evidence of anything else.
	PodsCreated, PodsDeleted []string
}

// MaxPods bounds each list of Pods. More of them make more messages of the same key.
const MaxPods = 100

// payload is the format on the wire, frozen by testdata/message.json and
// testdata/message-pods.json. Fields may be added that readers of before do well without:
// they skip what they do not know. That is why Pods are fields of their own and not part
// of Reason, which is cut off at maxText and rewritten at will.
type payload struct {
	V         int    `json:"v"`
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace"`
	Service   string `json:"service"`
	Reason    string `json:"reason"`
	Source    string `json:"source"`
	Observed  string `json:"observed"`
	Chain     int    `json:"chain"`

	PodsCreated []string `json:"podsCreated,omitempty"`
	PodsDeleted []string `json:"podsDeleted,omitempty"`
}

// Encode returns m as a message's data and attributes. Both say the same, but for the
// Pods, which would not fit: the data is what is decoded, the attributes let a
// subscription filter. Its errors are of outcome
// Blocked: the same message would be refused again.
func Encode(m Message) (data []byte, attributes map[string]string, err error) {
	if err := m.validate(); err != nil {
		return nil, nil, neg.Block(ReasonBadMessage, "encode message for %s: %w", clip(m.Key.String()), err)
	}
	p := payload{
		V: Version, Cluster: m.Key.Cluster, Namespace: m.Key.Namespace, Service: m.Key.Service,
		Reason: clip(m.Reason), Source: clip(m.Source),
		Observed: m.Observed.UTC().Format(time.RFC3339Nano), Chain: m.Chain,
		PodsCreated: m.PodsCreated, PodsDeleted: m.PodsDeleted,
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
	if err := unmarshalOne(data, &p); err != nil {
		return Message{}, err
	}
	observed, err := checkEnvelope(p.V, p.Observed)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		Key:    neg.Key{Cluster: p.Cluster, Namespace: p.Namespace, Service: p.Service},
		Reason: clip(p.Reason), Source: clip(p.Source), Observed: observed, Chain: p.Chain,
		PodsCreated: p.PodsCreated, PodsDeleted: p.PodsDeleted,
	}
	return m, m.validate()
}

// unmarshalOne reads data as exactly one JSON object.
func unmarshalOne(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("not a negfleet message: %w; publish to this topic with negfleet's own tools", shorten(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes follow the JSON object; send one object a message")
	}
	return nil
}

// checkEnvelope checks what all formats share, and returns the time.
func checkEnvelope(version int, observed string) (time.Time, error) {
	if version != Version {
		return time.Time{}, fmt.Errorf("field v is %d, this build reads %d; drain the topic before deploying another version", version, Version)
	}
	t, err := time.Parse(time.RFC3339Nano, observed)
	if err != nil {
		return time.Time{}, fmt.Errorf("field observed: want an RFC 3339 time, got %q", clip(observed))
	}
	return t.UTC(), nil
}

func (m Message) validate() error {
	if err := m.Key.Validate(); err != nil {
		return fmt.Errorf("field %w", err)
	}
	if m.Source == "" {
		return errors.New("field source is empty; name the sender")
	}
	if err := validTime(m.Observed); err != nil {
		return err
	}
	if m.Chain < 0 {
		return fmt.Errorf("field chain is %d; it counts from 0", m.Chain)
	}
	if err := validPods("podsCreated", m.PodsCreated); err != nil {
		return err
	}
	return validPods("podsDeleted", m.PodsDeleted)
}

// validTime: what RFC 3339 has no year for, in UTC, nobody could read again.
func validTime(observed time.Time) error {
	if observed.IsZero() {
		return errors.New("field observed is zero; set the time of what was seen")
	}
	if y := observed.UTC().Year(); y < 1 || y > 9999 {
		return fmt.Errorf("field observed is in the year %d; set the time of what was seen", y)
	}
	return nil
}

// podName is an RFC 1123 subdomain of at most 253 characters.
var podName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)

func validPods(field string, names []string) error {
	if len(names) > MaxPods {
		return fmt.Errorf("field %s has %d names, at most %d fit; send several messages", field, len(names), MaxPods)
	}
	for _, name := range names {
		if !podName.MatchString(name) {
			return fmt.Errorf("field %s: %q is no name of a Pod", field, clip(name))
		}
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
