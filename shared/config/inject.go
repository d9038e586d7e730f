package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// An Inject says what the admission webhook adds to objects of a cluster.
type Inject struct {
	// Unlabelled: namespaces without the label negfleet.dev/inject are opted in too.
	Unlabelled bool
	Rule
	Namespaces map[string]Rule // whole rules, for namespaces that have one of their own
}

// A Rule says what the webhook adds in a namespace beside gates.
type Rule struct {
	Services  Expose
	Ports     []int32       // with ExposePorts: those of a Service's ports; empty: all
	GroupName string        // with ExposePorts: template of group names; empty: generated
	Drain     time.Duration // whole seconds; 0: none
}

// Expose says what a Service without the annotation cloud.google.com/neg gets.
type Expose int

const (
	ExposeIngress Expose = iota // {"ingress":true}, as GKE does
	ExposePorts                 // {"exposed_ports":{…}}
	ExposeNone
)

// For returns the rule of a namespace.
func (i Inject) For(namespace string) Rule {
	if r, ok := i.Namespaces[namespace]; ok {
		return r
	}
	return i.Rule
}

type injectFile struct {
	Default    text            `yaml:"default"`
	Services   text            `yaml:"services"`
	Ports      []text          `yaml:"exposed_ports"`
	GroupName  text            `yaml:"group_name"`
	Drain      text            `yaml:"drain"`
	Namespaces []namespaceFile `yaml:"namespaces"`
}

type namespaceFile struct {
	Name      text   `yaml:"name"`
	Services  text   `yaml:"services"`
	Ports     []text `yaml:"exposed_ports"`
	GroupName text   `yaml:"group_name"`
	Drain     text   `yaml:"drain"`
}

// ruleFile is what a cluster and a namespace have alike.
type ruleFile struct {
	Services  text
	Ports     []text
	GroupName text
	Drain     text
}

func (p *problems) inject(raw injectFile, field string) Inject {
	i := Inject{
		Unlabelled: p.oneOf(raw.Default, field+".default", neg.InjectDisabled, neg.InjectEnabled) == neg.InjectEnabled,
		Rule:       p.rule(ruleFile{raw.Services, raw.Ports, raw.GroupName, raw.Drain}, Rule{}, field),
	}
	names := map[string]int{}
	for n, r := range raw.Namespaces {
		at := fmt.Sprintf("%s.namespaces[%d]", field, n)
		p.namespace(r.Name, names, at+".name")
		if i.Namespaces == nil {
			i.Namespaces = map[string]Rule{}
		}
		i.Namespaces[r.Name.value] = p.rule(ruleFile{r.Services, r.Ports, r.GroupName, r.Drain}, i.Rule, at)
	}
	return i
}

func (p *problems) namespace(t text, names map[string]int, field string) {
	if t.value == "" || (neg.Key{Cluster: "any", Namespace: t.value}).Validate() != nil {
		p.add(max(t.line, 1), field, "%q: want the name of a namespace", t.value)
	}
	p.unique(names, t, field)
}

// rule reads a rule; what it does not say is base's.
func (p *problems) rule(raw ruleFile, base Rule, field string) Rule {
	r := base
	if raw.Services.value != "" {
		word := p.oneOf(raw.Services, field+".services", "ingress", "exposed_ports", "none")
		r.Services = Expose(slices.Index([]string{"ingress", "exposed_ports", "none"}, word))
	}
	if len(raw.Ports) > 0 {
		r.Ports = nil
	}
	for i, t := range raw.Ports {
		n, err := strconv.ParseInt(t.value, 10, 32)
		if err != nil || n < 1 || n > 65535 {
			p.add(t.line, fmt.Sprintf("%s.exposed_ports[%d]", field, i), "%q: want the number of a Service port", t.value)
			continue
		}
		r.Ports = append(r.Ports, int32(n))
	}
	if raw.GroupName.value != "" {
		r.GroupName = raw.GroupName.value
		p.template(raw.GroupName, field+".group_name")
	}
	if raw.Drain.value != "" {
		r.Drain = p.drain(raw.Drain, field+".drain")
	}
	if r.Services != ExposePorts && len(raw.Ports) > 0 {
		p.add(raw.Ports[0].line, field+".exposed_ports", "needs services: exposed_ports")
	}
	if r.Services != ExposePorts && raw.GroupName.value != "" {
		p.add(raw.GroupName.line, field+".group_name", "needs services: exposed_ports")
	}
	return r
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// template checks that every Service and port gets a valid name of its own.
func (p *problems) template(t text, field string) {
	for _, each := range placeholder.FindAllString(t.value, -1) {
		if !slices.Contains([]string{"{cluster}", "{namespace}", "{service}", "{port}"}, each) {
			p.add(t.line, field, "%q: there are {cluster}, {namespace}, {service} and {port}", each)
			return
		}
	}
	for _, needed := range []string{"{namespace}", "{service}", "{port}"} {
		if !strings.Contains(t.value, needed) {
			p.add(t.line, field, "%q: want %s in it, or two Services would share a group", t.value, needed)
			return
		}
	}
	if sample := placeholder.ReplaceAllString(t.value, "a"); !neg.ValidName(sample) || strings.HasPrefix(sample, neg.NamePrefix) {
		p.add(t.line, field, "%q: want lower-case letters, digits and dashes around the placeholders, not starting with %s", t.value, neg.NamePrefix)
	}
}

// drain reads a duration of whole seconds, or off.
func (p *problems) drain(t text, field string) time.Duration {
	if t.value == "off" {
		return 0
	}
	d, err := time.ParseDuration(t.value)
	if err != nil || d < time.Second || d > neg.MaxDrain || d%time.Second != 0 {
		p.add(t.line, field, "%q: want whole seconds from 1s to %s, or off", t.value, neg.MaxDrain)
		return 0
	}
	return d
}
