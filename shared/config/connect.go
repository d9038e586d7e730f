package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Connect is the way to a cluster's API server. Exactly one of Kubeconfig, GKE and
// Gateway is set. Two that are equal lead to the same place.
type Connect struct {
	Kubeconfig string         // path
	GKE        neg.GKECluster // endpoint and CA are the container API's to say
	DNS        Choice         // of a GKE cluster: its DNS endpoint, or its IP endpoint
	Gateway    string         // projects/NUMBER/locations/LOCATION/memberships/NAME
}

// A Choice is true, false, or left to negfleet.
type Choice string

// The choices.
const (
	Auto Choice = ""
	Yes  Choice = "true"
	No   Choice = "false"
)

// String says how a cluster is reached in the fleet file's words.
func (c Connect) String() string {
	switch {
	case c.Gateway != "":
		return "gateway"
	case c.GKE == neg.GKECluster{}:
		return "kubeconfig"
	case c.DNS == Yes:
		return "gke, dns"
	}
	return "gke"
}

// GatewayLocation is where a membership is: global, or a region.
func (c Connect) GatewayLocation() string {
	if m := gatewayForm.FindStringSubmatch(c.Gateway); m != nil {
		return m[1]
	}
	return ""
}

// gatewayForm has the project's number, as the gateway's own URLs do; gkeMemberships is
// how GKE clusters are called there, memberships the others.
var gatewayForm = regexp.MustCompile(`^projects/[0-9]+/locations/([a-z0-9-]+)/(?:memberships|gkeMemberships)/[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

type connectFile struct {
	Kubeconfig text `yaml:"kubeconfig"`
	GKE        text `yaml:"gke"`
	DNS        text `yaml:"dns"`
	Gateway    text `yaml:"gateway"`
}

// connect reads the way to a cluster. line is that of the cluster, for what is missing.
func (p *problems) connect(raw connectFile, line int, field string) Connect {
	line = max(line, raw.Kubeconfig.line, raw.GKE.line, raw.DNS.line, raw.Gateway.line)
	var ways []string
	for name, t := range map[string]text{"kubeconfig": raw.Kubeconfig, "gke": raw.GKE, "gateway": raw.Gateway} {
		if t.value != "" {
			ways = append(ways, name)
		}
	}
	if len(ways) != 1 {
		p.add(line, field, "%s; want exactly one of kubeconfig, gke, gateway", counted(ways))
	}
	c := Connect{Kubeconfig: raw.Kubeconfig.value, Gateway: raw.Gateway.value, DNS: Choice(raw.DNS.value)}
	if c.Kubeconfig != "" && !filepath.IsAbs(c.Kubeconfig) {
		c.Kubeconfig = filepath.Join(filepath.Dir(p.path), c.Kubeconfig)
	}
	c.GKE = p.gke(raw.GKE, field+".gke")
	if c.Gateway != "" && !gatewayForm.MatchString(c.Gateway) {
		p.add(raw.Gateway.line, field+".gateway", "%q: want projects/PROJECT_NUMBER/locations/global/memberships/NAME, gkeMemberships for a GKE cluster", c.Gateway)
	}
	switch {
	case c.DNS != Auto && c.DNS != Yes && c.DNS != No:
		p.add(raw.DNS.line, field+".dns", "%q: want true or false", raw.DNS.value)
	case c.DNS != Auto && raw.GKE.value == "":
		p.add(raw.DNS.line, field+".dns", "only beside gke")
	}
	return c
}

func counted(ways []string) string {
	if len(ways) == 0 {
		return "missing"
	}
	return strings.Join(slices.Sorted(slices.Values(ways)), " and ")
}

func (p *problems) gke(t text, field string) neg.GKECluster {
	if t.value == "" {
		return neg.GKECluster{}
	}
	c, err := neg.ParseGKECluster(t.value)
	if err != nil {
		p.add(t.line, field, "%v", err)
	}
	return c
}

// resource is which GKE cluster an entry is. A cluster's nodes, and so its groups, are in
// its own project: another one is a typing error in one of the two.
func (p *problems) resource(raw clusterFile, c Connect, field string) neg.GKECluster {
	from, at := c.GKE, raw.Connect.GKE
	switch {
	case raw.Resource.value == "":
	case at.value != "":
		p.add(raw.Resource.line, field+".resource", "follows from connect.gke; leave it out")
	default:
		from, at = p.gke(raw.Resource, field+".resource"), raw.Resource
	}
	if from.Project != "" && raw.Project.value != "" && raw.Project.value != from.Project {
		p.add(raw.Project.line, field+".project", "%q: line %d has the cluster in %q, and its nodes and groups are where it is; leave project out",
			raw.Project.value, at.line, from.Project)
	}
	return from
}
