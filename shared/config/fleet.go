// Package config turns the fleet file and the environment into validated values, and
// reports every problem at once with its line and field. It reads files and the
// environment, and must not make any other I/O.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Fleet is a validated fleet file.
type Fleet struct {
	Project    string
	Network    string
	Subnetwork string
	Clusters   []Cluster
}

// A Cluster is one entry of the fleet file.
type Cluster struct {
	Name     string
	UID      string // of the kube-system namespace: the cluster's identity
	Line     int    // of the uid, for the message that says which line to change
	Project  string // that holds the cluster's instances and groups
	Zones    []neg.Zone
	Connect  Connect
	Resource neg.GKECluster // the GKE cluster that it is; zero: none, or not said
	NEGs     string         // managed or gke
	State    string         // active, draining or decommissioned
	Stated   int            // line that says so; 0: none does
	Gone     string         // report or delete: what becomes of its groups once it is proved gone
	GoneGKE  string         // the same of the groups that GKE's own controller left
	Policy   string         // observe, upsert or sync
	Inject   Inject         // what the admission webhook adds
	Gates    Gates          // how long readiness gates wait
}

// Cluster returns the entry of that name.
func (f *Fleet) Cluster(name string) (Cluster, bool) {
	for _, c := range f.Clusters {
		if c.Name == name {
			return c, true
		}
	}
	return Cluster{}, false
}

// ByResource returns the entry whose log entries those of a GKE cluster are. One that does
// not say which GKE cluster it is goes by name, project and, if it lists zones, region.
func (f *Fleet) ByResource(r neg.GKECluster) (Cluster, bool) {
	for _, c := range f.Clusters {
		if c.Resource == r {
			return c, true
		}
	}
	c, ok := f.Cluster(r.Name)
	return c, ok && c.Resource == neg.GKECluster{} && c.Project == r.Project && c.near(r.Location)
}

// near tells whether a cluster of that region or zone may have the entry's zones. A zonal
// cluster's nodes may be in other zones of its region.
func (c Cluster) near(location string) bool {
	return len(c.Zones) == 0 || slices.ContainsFunc(c.Zones, func(z neg.Zone) bool { return region(string(z)) == region(location) })
}

// region of a region or of a zone in it.
func region(location string) string {
	if zoneForm.MatchString(location) {
		return location[:strings.LastIndexByte(location, '-')]
	}
	return location
}

// text is a scalar that remembers its line.
type text struct {
	value string
	line  int
}

func (t *text) UnmarshalYAML(n *yaml.Node) error {
	t.line = n.Line
	return n.Decode(&t.value)
}

type fleetFile struct {
	Version    *text         `yaml:"version"`
	Project    text          `yaml:"project"`
	Network    text          `yaml:"network"`
	Subnetwork text          `yaml:"subnetwork"`
	Clusters   []clusterFile `yaml:"clusters"`
}

type clusterFile struct {
	Name     text        `yaml:"name"`
	UID      text        `yaml:"uid"`
	Project  text        `yaml:"project"`
	Zones    []text      `yaml:"zones"`
	Connect  connectFile `yaml:"connect"`
	Resource text        `yaml:"resource"`
	NEGs     text        `yaml:"negs"`
	State    text        `yaml:"state"`
	Gone     text        `yaml:"gone"`
	GoneGKE  text        `yaml:"gone_gke"`
	Policy   text        `yaml:"policy"`
	Inject   injectFile  `yaml:"inject"`
	Gates    gatesFile   `yaml:"gates"`
}

// ParseFleet reads a fleet file. path is named in errors, and relative kubeconfig paths
// start at its folder. The error joins all problems.
func ParseFleet(path string, data []byte) (*Fleet, error) {
	var raw fleetFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	p := problems{path: path}
	var wrong *yaml.TypeError
	switch err := dec.Decode(&raw); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: empty", path)
	case errors.As(err, &wrong):
		for _, e := range wrong.Errors {
			p.addText(e)
		}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	fleet := p.fleet(raw)
	p.only(dec)
	return fleet, errors.Join(p.errs...)
}

// only refuses a second document, whose clusters would not count.
func (p *problems) only(dec *yaml.Decoder) {
	for {
		var more any
		err := dec.Decode(&more)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil || more != nil {
			p.errs = append(p.errs, fmt.Errorf("%s: more than one YAML document; want one", p.path))
			return
		}
	}
}

// problems collects what is wrong with one file.
type problems struct {
	path string
	errs []error
}

func (p *problems) add(line int, field, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s: %s", p.path, line, field, fmt.Sprintf(format, args...)))
}

var (
	goType   = regexp.MustCompile(` (in|into) type .*$| into (string|\[\].*|config\..*)$`)
	atLine   = regexp.MustCompile(`^line (\d+): `)
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	zoneForm = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+-(ai[0-9]+)?[a-z]$`)
	projForm = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][-a-z0-9]{0,61}[a-z0-9]$`)
)

// addText turns the YAML library's "line N: …" into our form, without Go's type names.
func (p *problems) addText(s string) {
	s = goType.ReplaceAllString(s, "")
	if m := atLine.FindStringSubmatch(s); m != nil {
		p.errs = append(p.errs, fmt.Errorf("%s:%s: %s", p.path, m[1], strings.TrimPrefix(s, m[0])))
		return
	}
	p.errs = append(p.errs, fmt.Errorf("%s: %s", p.path, s))
}

func (p *problems) fleet(raw fleetFile) *Fleet {
	switch {
	case raw.Version == nil:
		p.add(1, "version", "missing; write version: 1")
	case raw.Version.value != "1":
		p.add(raw.Version.line, "version", "%q: this negfleet reads 1", raw.Version.value)
	}
	p.project(raw.Project, "project", true)
	p.required(raw.Network, 1, "network")
	p.required(raw.Subnetwork, 1, "subnetwork")
	f := &Fleet{Project: raw.Project.value, Network: raw.Network.value, Subnetwork: raw.Subnetwork.value}
	if len(raw.Clusters) == 0 {
		p.add(1, "clusters", "none")
	}
	names, uids, ways := map[string]int{}, map[string]int{}, map[string]int{}
	for i, c := range raw.Clusters {
		field := fmt.Sprintf("clusters[%d]", i)
		f.Clusters = append(f.Clusters, p.cluster(f, field, c))
		p.unique(names, c.Name, field+".name")
		p.unique(uids, c.UID, field+".uid")
		p.unique(ways, c.Connect.Gateway, field+".connect.gateway")
		if c.Connect.GKE.value != "" {
			p.unique(ways, c.Connect.GKE, field+".connect.gke")
		} else {
			p.unique(ways, c.Resource, field+".resource")
		}
	}
	return f
}

func (p *problems) cluster(f *Fleet, field string, raw clusterFile) Cluster {
	line := max(raw.Name.line, raw.UID.line, 1)
	if err := neg.ValidClusterName(raw.Name.value); err != nil {
		p.add(line, field+".name", "%v", err)
	}
	if !uuidForm.MatchString(raw.UID.value) {
		p.add(line, field+".uid", "%q: want the UID that kubectl get namespace kube-system -o jsonpath={.metadata.uid} prints", raw.UID.value)
	}
	p.project(raw.Project, field+".project", false)
	connect := p.connect(raw.Connect, line, field+".connect")
	c := Cluster{
		Name: raw.Name.value, UID: raw.UID.value, Line: raw.UID.line, Stated: raw.State.line, Project: raw.Project.value,
		Connect: connect, Resource: p.resource(raw, connect, field),
		NEGs:    p.oneOf(raw.NEGs, field+".negs", "managed", "gke"),
		State:   p.oneOf(raw.State, field+".state", "active", "draining", "decommissioned"),
		Gone:    p.oneOf(raw.Gone, field+".gone", "report", "delete"),
		GoneGKE: p.oneOf(raw.GoneGKE, field+".gone_gke", "report", "delete"),
		Policy:  p.oneOf(raw.Policy, field+".policy", "sync", "observe", "upsert"),
		Inject:  p.inject(raw.Inject, field+".inject"),
		Gates:   p.gates(raw.Gates, field+".gates"),
	}
	if c.GoneGKE == "delete" && c.Gone != "delete" {
		p.add(raw.GoneGKE.line, field+".gone_gke", "delete needs gone: delete")
	}
	c.Project = cmp.Or(c.Project, c.Resource.Project, f.Project)
	for i, z := range raw.Zones {
		if !zoneForm.MatchString(z.value) {
			p.add(z.line, fmt.Sprintf("%s.zones[%d]", field, i), "%q: want a zone such as us-central1-a", z.value)
		}
		c.Zones = append(c.Zones, neg.Zone(z.value))
	}
	return c
}

func (p *problems) required(t text, line int, field string) {
	if t.value == "" {
		p.add(max(t.line, line), field, "missing")
	}
}

func (p *problems) project(t text, field string, required bool) {
	if t.value == "" && !required {
		return
	}
	if !projForm.MatchString(t.value) {
		p.add(max(t.line, 1), field, "%q: want a project ID", t.value)
	}
}

// oneOf returns t's value, or the first choice when there is none.
func (p *problems) oneOf(t text, field string, choices ...string) string {
	if t.value == "" {
		return choices[0]
	}
	for _, c := range choices {
		if t.value == c {
			return c
		}
	}
	p.add(t.line, field, "%q: want one of %s", t.value, strings.Join(choices, ", "))
	return choices[0]
}

func (p *problems) unique(seen map[string]int, t text, field string) {
	if t.value == "" {
		return
	}
	if line, ok := seen[t.value]; ok {
		p.add(t.line, field, "%q stands at line %d already", t.value, line)
	}
	seen[t.value] = t.line
}
