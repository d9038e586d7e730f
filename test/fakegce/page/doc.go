// Package page draws the load balancers of the emulator for a person to look at:
// forwarding rule, target proxy, URL map, backend service, group, endpoints with
// their health.
//
// # How it is built
//
// NewGraph makes the graph of a Snapshot: a pure function, so that what the page
// shows is tested without a browser. It finds what leads where, marks what nothing
// leads to, counts health, filters, and puts the nodes into the order in which they
// are drawn: each one beside the first that leads to it. The browser measures and
// paints, and asks again every two seconds.
//
// What is sent is bounded whatever the emulator holds: at most MaxNodes a column,
// and of a group's endpoints the first few, the worst first. The rest is counted.
//
// # What it must not do
//
// It knows nothing of the server and changes nothing. Every text may be hostile:
// the scripts build elements and set text, never markup, and the content security
// policy forbids anything inline. Nothing is loaded from elsewhere.
package page
