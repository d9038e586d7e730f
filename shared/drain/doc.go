// Package drain follows a cluster of which nothing is to be left in the cloud until that is
// so: what it still holds, which keys to publish for it, and whether anything moves.
//
// What a cluster holds is proved by descriptions and never by names: groups, backend
// services and health checks whose description says that they are its, to the last field,
// and the entries of backend services that carry its mark. Whatever else names its UID
// keeps the network from being deleted all the same, be it of GKE's own controller or of
// nobody we can prove: it is told of, and no key makes it go. Unknown is not empty: a list
// that fails, or lacks a scope, never counts as the end.
//
// Nothing here changes anything. Keys are published, reconcile looks at them and removes,
// and what does not move is published again, some times.
//
// The package must not import Kubernetes, Compute or Pub/Sub.
package drain
