package pubsub

import (
	"encoding/json"
	"maps"
	"strconv"
	"time"
)

// message is one published message. Queues share it and do not change it.
type message struct {
	id          string
	data        []byte
	attributes  map[string]string
	orderingKey string
	published   time.Time
}

// body is a wrapped push request's, as the service writes it: ids and times twice.
type body struct {
	DeliveryAttempt int         `json:"deliveryAttempt,omitempty"`
	Message         bodyMessage `json:"message"`
	Subscription    string      `json:"subscription"`
}

type bodyMessage struct {
	Attributes   map[string]string `json:"attributes,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	MessageID    string            `json:"messageId"`
	MessageID2   string            `json:"message_id"`
	OrderingKey  string            `json:"orderingKey,omitempty"`
	PublishTime  string            `json:"publishTime"`
	PublishTime2 string            `json:"publish_time"`
}

// wrap is the body of the attempt at m. Without a dead-letter topic attempts are not
// counted, and attempt is 0.
func (m *message) wrap(subscription string, attempt int) ([]byte, error) {
	at := m.published.UTC().Format("2006-01-02T15:04:05.999Z")
	return json.Marshal(body{
		DeliveryAttempt: attempt, Subscription: subscription,
		Message: bodyMessage{
			Attributes: m.attributes, Data: m.data, MessageID: m.id, MessageID2: m.id,
			OrderingKey: m.orderingKey, PublishTime: at, PublishTime2: at,
		},
	})
}

// deadLetter is m with the attributes that the service adds when it gives up.
func (m *message) deadLetter(project, subscription string, attempts int) *message {
	attributes := map[string]string{}
	maps.Copy(attributes, m.attributes)
	attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = strconv.Itoa(attempts)
	attributes["CloudPubSubDeadLetterSourceSubscription"] = subscription
	attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = project
	attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = m.published.UTC().Format(time.RFC3339Nano)
	return &message{data: m.data, attributes: attributes, orderingKey: m.orderingKey}
}
