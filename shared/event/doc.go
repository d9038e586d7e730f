// Package event carries keys, and news of whole clusters, between functions: the formats
// of both messages, the decoder of every shape in which Pub/Sub hands one over, the
// publisher, and the answer that acknowledges a delivery or asks for it again.
//
// A message says what to look at, never what happened: everything but its key is for
// people and measurements. Messages repeat, overtake each other and get lost, so nothing
// may depend on their content or order; at most the source makes a look more thorough, or
// the Pods that are named make one look again.
//
// Deliveries are decoded from plain HTTP requests. The CloudEvents SDK's receive handler
// is not used: it can wedge an instance for good when a client aborts
// (cloudevents/sdk-go issues 1224 and 1332); its codec alone is free of that.
//
// The package must not read the cluster or the cloud, know what a key's work is, or keep
// anything between requests but the publisher's connection.
package event
