package neg

import (
	"regexp"
	"strconv"
	"strings"
)

// MaxName is the longest name of a Compute resource.
const MaxName = 63

// NamePrefix starts every generated group name and every token. The number changes with
// the format.
const NamePrefix = "nf1-"

var resourceName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// ValidName tells whether s may name a Compute resource (RFC 1035, at most 63 characters).
func ValidName(s string) bool { return len(s) <= MaxName && resourceName.MatchString(s) }

// ClusterToken is the token that all groups of the cluster with that kube-system
// namespace UID carry: nf1-<cluster8>.
func ClusterToken(uid string) string { return NamePrefix + hash8(uid) }

// Token is the token that all groups of one Service carry: nf1-<cluster8>-<key8>. It
// follows the cluster's UID, not its name, so renaming a cluster in the fleet file
// orphans nothing.
func Token(uid string, k Key) string {
	return ClusterToken(uid) + "-" + hash8(uid+";"+k.Namespace+";"+k.Service)
}

// GroupName generates the name of the groups of one Service port:
// nf1-<cluster8>-<key8>-<namespace>-<service>-<port>, at most 63 characters. Namespace
// and Service are trimmed to fit, the port never is. Uniqueness comes from the hashes;
// the rest is for people.
func GroupName(uid string, k Key, port int32) string {
	token, number := Token(uid, k), strconv.Itoa(int(port))
	room := MaxName - len(token) - len(number) - len("---")
	ns, svc := trim(k.Namespace, k.Service, room)
	return strings.Join([]string{token, ns, svc, number}, "-")
}

// trim shortens the longer of two labels first, until both fit into room.
func trim(a, b string, room int) (string, string) {
	for len(a)+len(b) > room {
		if len(a) > len(b) {
			a = a[:len(a)-1]
		} else {
			b = b[:len(b)-1]
		}
	}
	return strings.TrimRight(a, "-"), strings.TrimRight(b, "-")
}
