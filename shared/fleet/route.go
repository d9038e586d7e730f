package fleet

import (
	"fmt"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/gke"
	"github.com/negfleet/negfleet/shared/neg"
)

// A route is how a GKE cluster's API server is reached.
type route struct {
	host string
	ca   string // PEM; empty: a public certificate
}

// routeTo chooses among a cluster's endpoints. A function runs outside of the cluster's
// network, so unless the fleet file chooses, what answers from there comes first: the public IP
// endpoint, then the DNS endpoint, and only then those that the network must lead to.
func routeTo(c gke.Cluster, dns config.Choice) (route, error) {
	public, private := route{c.PublicIP, string(c.CA)}, route{c.PrivateIP, string(c.CA)}
	name := route{host: c.DNS}
	var choices []route
	switch dns {
	case config.Yes:
		choices = []route{name}
	case config.No:
		choices = []route{public, private}
	default:
		choices = []route{public, private, name}
		if c.DNSExternal {
			choices = []route{public, name, private}
		}
	}
	for _, r := range choices {
		if r.host == "" {
			continue
		}
		if r != name && r.ca == "" {
			return route{}, fmt.Errorf("%s: the container API names no CA certificate", c.Name)
		}
		return r, nil
	}
	what := map[config.Choice]string{config.Auto: "endpoint", config.Yes: "DNS endpoint", config.No: "IP endpoint"}[dns]
	return route{}, neg.Block("NoEndpoint", "%s (%s) has no %s that could be used; enable one, or change connect in the fleet file", c.Name, c.Status, what)
}
