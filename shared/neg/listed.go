package neg

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
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
	Port      string `json:"port"`
}

// gkePrefix begins the names of its groups.
const gkePrefix = "k8s1-"

// Named tells whether a group's name is the one that the controller made for what the
// description says: k8s1-<uid8>-…-<hash8>, where the hash is over
// "uid8;namespace;service;port" and uid8 is of an identity of the controller's own
// (https://github.com/kubernetes/ingress-gce/blob/master/pkg/utils/namer). Custom names prove
// nothing.
func (o GKEOwner) Named(name string) bool {
	uid8, rest, ok := strings.Cut(strings.TrimPrefix(name, gkePrefix), "-")
	if !ok || !strings.HasPrefix(name, gkePrefix) || o.Port == "" {
		return false
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{uid8, o.Namespace, o.Service, o.Port}, ";")))
	return strings.HasSuffix(rest, "-"+hex.EncodeToString(sum[:])[:8])
}

// ParseGKEOwner reads such a description; ok is false when it is none.
func ParseGKEOwner(description string) (o GKEOwner, ok bool) {
	err := json.Unmarshal([]byte(description), &o)
	return o, err == nil && o.UID != "" && o.Namespace != "" && o.Service != ""
}

// A ListedPod is a Pod as a list shows it, by what its readiness gates are about. Those that
// are going, or have run to their end, are not listed.
type ListedPod struct {
	Namespace string
	Name      string
	Labels    map[string]string
	Gates     []string // types of its readiness gates
	Closed    []string // those of them that are not open
	Ready     bool     // its containers are
	// Exempt: the webhook adds no gate to it, whatever selects it: it says so itself, or has
	// the host's network.
	Exempt bool
}

// A Quota is how many of something a project may have, and has: in a region, or in all.
type Quota struct {
	Metric      string // NETWORK_ENDPOINT_GROUPS, ...
	Region      string // empty: of the project
	Limit, Used float64
}
