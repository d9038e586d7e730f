package neg

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// A Key names what is reconciled: one Service of one cluster. It is what messages
// carry and log lines say. An empty Service means the namespace's readiness gates.
type Key struct {
	Cluster   string // the fleet file's name for the cluster
	Namespace string
	Service   string
}

// String is CLUSTER/NAMESPACE/SERVICE, the form that ParseKey reads.
func (k Key) String() string { return k.Cluster + "/" + k.Namespace + "/" + k.Service }

// Compare orders keys by cluster, namespace and Service.
func (k Key) Compare(o Key) int { return strings.Compare(k.String(), o.String()) }

// MaxClusterName is the longest cluster name a fleet file may use. It leaves room for
// the names that are derived from it.
const MaxClusterName = 40

var (
	clusterName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	// Kubernetes names: RFC 1123 labels of at most 63 characters.
	objectName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

// ParseKey reads CLUSTER/NAMESPACE/SERVICE.
func ParseKey(s string) (Key, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Key{}, fmt.Errorf("key %q: want CLUSTER/NAMESPACE/SERVICE", clip(s))
	}
	k := Key{Cluster: parts[0], Namespace: parts[1], Service: parts[2]}
	return k, k.Validate()
}

// Validate reports the first part of k that cannot be a name.
func (k Key) Validate() error {
	if err := ValidClusterName(k.Cluster); err != nil {
		return err
	}
	if len(k.Namespace) > 63 || !objectName.MatchString(k.Namespace) {
		return fmt.Errorf("namespace %q: want an RFC 1123 label of at most 63 characters", clip(k.Namespace))
	}
	if k.Service != "" && (len(k.Service) > 63 || !objectName.MatchString(k.Service)) {
		return fmt.Errorf("service %q: want an RFC 1123 label of at most 63 characters", clip(k.Service))
	}
	return nil
}

// ValidClusterName says what is wrong with a fleet file's name for a cluster.
func ValidClusterName(s string) error {
	if len(s) > MaxClusterName || !clusterName.MatchString(s) {
		return fmt.Errorf("cluster %q: want an RFC 1035 label of at most %d characters", clip(s), MaxClusterName)
	}
	return nil
}

// clip bounds what hostile input can put into an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// hash8 is the first eight hex digits of SHA-256 over s.
func hash8(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}
