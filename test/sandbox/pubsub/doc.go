// Package pubsub stands in for Pub/Sub in the sandbox and in tests: a gRPC server that
// clients reach through PUBSUB_EMULATOR_HOST, and push subscriptions that POST to HTTP
// endpoints as the service does.
//
// The gRPC side is the client library's own in-memory server, pstest. It has no push and
// no backoff, polls its pull subscriptions every 10 ms and keeps every message for ever.
// So messages to topics that have push subscriptions are taken from its Publish call
// straight into queues here, and never reach its store. Pull subscriptions are pstest's.
//
// What a queue does as the service does it: bodies, acknowledging statuses, deadline,
// exponential backoff of each message, dead lettering with its attributes, head-of-line
// blocking by ordering key. What it leaves out: authentication, slow start, retention,
// exactly-once (which push has not), and deliveries repeated without cause.
//
// Where an address of Google's emulator is given, that takes pstest's place, and the
// queues pull from it. Its own push is not used: it breaks on dead letters.
package pubsub
