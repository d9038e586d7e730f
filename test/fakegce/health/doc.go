// Package health probes the endpoints of network endpoint groups and says, for
// each backend service that looks at a group, how each endpoint is.
//
// # How it is built
//
// Machine is the state of one endpoint as one backend service sees it: a value
// that results, detaching and an administrator turn into the next value. Check
// is a health check and knows which address it asks. NewProbe makes the
// function that really asks: one connection a probe, closed when the answer is
// known, through a dialer that the caller may replace.
//
// Engine is the shell around them. Callers tell it the wanted targets: a group,
// the backend service that looks at it, the health check and the endpoints.
// Set, Put and Drop are differences of sets, so nothing that stays loses its
// state. An endpoint of a group is probed once for all the backend services
// that use an equal check, and each of them counts the results it has seen.
//
// Due probes lie in one heap behind one timer. An endpoint has a fixed phase in
// the interval, derived from its address, so that probes spread and restarts
// repeat; its next probe is a whole number of intervals after the last one. What
// is due goes to workers that are started up to a limit and end when nothing is
// due: an idle engine has no goroutine, and a waiting endpoint has no socket.
// When every worker is busy probes become late; the intervals they missed are
// skipped, never made up for. A probe is due again only after it has ended, so
// two of one endpoint and check never overlap.
//
// # What it takes the service to do
//
// An endpoint is UNKNOWN until a threshold is reached. An HTTP answer is good
// when its status is 200, whatever a redirect leads to, and, if the check has a
// response, when that stands in the first 1024 bytes of the body. A TCP or SSL
// answer has to begin with the response; without one the connection is enough.
// Certificates are not verified. PROXY_V1 sends "PROXY UNKNOWN", as a probe
// speaks for no client. Named ports are the serving port, as groups of
// endpoints name no ports. An endpoint that comes back while it drains starts
// afresh.
//
// # What it must not do
//
// It knows nothing of the API, its resources and names: groups, backend
// services and checks are opaque strings. It decides nothing by the wall clock
// but the timeout of a probe, which is I/O. OnTransition is called under the
// engine's lock, in order; it must be brief and must not call the engine.
package health
