// Package mutate decides what the admission webhook answers, as pure functions of values:
// an object under review, what was read of its namespace, and the fleet file's policy in;
// JSON Patch operations, warnings and Services to look at out.
//
//	Pod      readiness gate, when a Service that will have groups selects it
//	         preStop sleep, by policy, so that it serves until it has been detached
//	Service  annotation cloud.google.com/neg, by policy, where there is none
//
// Every operation is an add: what an object holds is never rewritten, and fields that
// nobody here knows survive. Deciding again on a patched object adds nothing.
//
// It must not do I/O, log, or read a clock. It never denies: it has no word for that.
package mutate
