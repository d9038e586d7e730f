// Package audit reads what a control plane wrote down about its own writes and says which
// Services those writes may have changed: audit.k8s.io/v1 lists from a kube-apiserver's
// audit webhook, and Cloud Logging entries of the same kind from GKE's log sink.
//
// Both formats become an Entry, and Touches is a pure function from an Entry to what it
// touched. Others tell of a Pod that slipped past injection and of a cluster's deletion; a
// GKE cluster notification is a format of its own.
//
// Often the entry alone does not tell the Service: a deleted EndpointSlice is logged
// without its labels. Then the answer is a question for the caller to put to the live
// cluster, as narrow as the entry allows.
//
// A result is a hint. It may name a Service that does not exist any more or has nothing
// to do with negfleet; the package does not look and must do no I/O. It uses the standard
// library and neg alone. Input is trusted in nothing: sizes are bounded by the caller,
// names are checked here, and no input may panic.
package audit
