// Package sweep finds what leaked, drifted or was missed, and says why it thinks so.
//
// An Inventory is what was read of the projects and clusters; Judge turns it into findings,
// and Publish picks the keys to look at. Both are pure. Nothing here changes anything: a
// look at a key does, and proves again whatever the sweep says.
//
// What is not proved is Unknown and is reported, never acted on: a list that failed or
// lacks a zone, a cluster that does not answer, an age nobody knows, a cluster that is not in
// the fleet file, too many orphans at once. An orphan is proved by a description that is
// ours to the last field, together with a whole list of Services without its own, or with a
// cluster that is proved gone.
//
// Projects are read before clusters: what was made in between has its Service in the list.
//
// The package must not import Kubernetes, Compute or Pub/Sub.
package sweep
