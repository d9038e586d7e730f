package neg

import (
	"encoding/json"
	"time"
)

// A ListedGroup is a group that holds Pods as a list of a whole project shows it, whoever's.
type ListedGroup struct {
	GroupID
	Description string
	Size        int       // endpoints attached
	Created     time.Time // zero: it does not say
}

// A GKEOwner is what GKE's own controller writes into the descriptions of its groups
// (https://github.com/kubernetes/ingress-gce/blob/master/pkg/utils/negdescription.go).
type GKEOwner struct {
	UID       string `json:"cluster-uid"` // of the kube-system namespace
	Namespace string `json:"namespace"`
	Service   string `json:"service-name"`
}

// ParseGKEOwner reads such a description; ok is false when it is none.
func ParseGKEOwner(description string) (o GKEOwner, ok bool) {
	err := json.Unmarshal([]byte(description), &o)
	return o, err == nil && o.UID != "" && o.Namespace != "" && o.Service != ""
}
