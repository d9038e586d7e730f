package page

import (
	"net/netip"
	"strings"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// Snapshot is what a graph is made of. It is only read.
type Snapshot struct {
	Projects  []string   // every one there is, in order
	Resources []Resource // in any order; collections that are not drawn are skipped
}

// Resource is one link of a load balancer's chain.
type Resource struct {
	Path string         // "projects/p/global/urlMaps/m"
	Doc  map[string]any // as the API has it
	Uses []string       // paths of what it links to

	Endpoints []Endpoint      // of a group
	Left      []Endpoint      // that were; drawn while they are reported of, as they drain
	Health    []health.Health // what backend services, by path, report of a group's endpoints
}

// Endpoint is a member of a group.
type Endpoint struct {
	At          netip.AddrPort // as health names it; port 0: it has none
	Host        string         // of an endpoint without an IP address
	Instance    string         // its name
	Annotations map[string]string
}

// address is how people write it.
func (e Endpoint) address() string {
	switch {
	case !e.At.IsValid():
		return e.Host
	case e.At.Port() == 0:
		return e.At.Addr().String()
	}
	return e.At.String()
}

// place is what a path says of a resource.
type place struct{ project, scope, collection, name string }

func placeOf(path string) place {
	parts := strings.Split(path, "/")
	if len(parts) < 5 {
		return place{name: path}
	}
	n := len(parts)
	return place{project: parts[1], scope: parts[n-3], collection: parts[n-2], name: parts[n-1]}
}
