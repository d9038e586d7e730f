package audit

import "regexp"

const containerAPI = "container.googleapis.com"

// deleteCluster is the method in each of the API's versions.
var deleteCluster = regexp.MustCompile(`^google\.container\.v1[a-z0-9]*\.ClusterManager\.DeleteCluster$`)

// A Deletion is a GKE cluster's, asked for or done. It is no proof of either.
type Deletion struct {
	Cluster Resource
	Ended   bool // else it has begun, and takes minutes
}

// Deletes returns the deletion that e is about. It is long-running, so there are two
// entries: the first of them may be of a deletion that fails later.
func Deletes(e Entry) (Deletion, bool) {
	if e.Group != containerAPI || e.Resource != "clusters" || e.Verb != "delete" || !e.OK {
		return Deletion{}, false
	}
	return Deletion{Cluster: e.Cluster, Ended: e.Complete}, true
}
