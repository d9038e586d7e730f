package config

import (
	"cmp"
	"fmt"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Gates say how long the readiness gates of a cluster's Pods wait.
type Gates struct {
	Waits
	Namespaces map[string]Waits // whole ones, for namespaces that have their own
}

// Waits are time-outs from the readiness of a Pod's containers; neg.Never is none.
type Waits struct {
	Timeout    time.Duration // whatever the gate waits for
	Unattached time.Duration // of a Pod that is in none of its groups
	Hybrid     time.Duration // of one that can be in none: its node is no Compute instance
}

// For returns the time-outs of a namespace.
func (g Gates) For(namespace string) Waits {
	if w, ok := g.Namespaces[namespace]; ok {
		return w
	}
	return g.Waits
}

type gatesFile struct {
	Timeout    text             `yaml:"timeout"`
	Unattached text             `yaml:"unattached"`
	Hybrid     text             `yaml:"hybrid"`
	Namespaces []gatesNamespace `yaml:"namespaces"`
}

type gatesNamespace struct {
	Name       text `yaml:"name"`
	Timeout    text `yaml:"timeout"`
	Unattached text `yaml:"unattached"`
	Hybrid     text `yaml:"hybrid"`
}

func (p *problems) gates(raw gatesFile, field string) Gates {
	own := p.waits(raw, field)
	g := Gates{Waits: own.resolve()}
	names := map[string]int{}
	for n, r := range raw.Namespaces {
		at := fmt.Sprintf("%s.namespaces[%d]", field, n)
		p.namespace(r.Name, names, at+".name")
		w := p.waits(gatesFile{Timeout: r.Timeout, Unattached: r.Unattached, Hybrid: r.Hybrid}, at)
		if g.Namespaces == nil {
			g.Namespaces = map[string]Waits{}
		}
		g.Namespaces[r.Name.value] = w.over(own).resolve()
	}
	return g
}

// said are the time-outs that are; nil: not said.
type said struct{ timeout, unattached, hybrid *time.Duration }

func (p *problems) waits(raw gatesFile, field string) said {
	return said{
		timeout:    p.wait(raw.Timeout, 10*time.Second, field+".timeout"),
		unattached: p.wait(raw.Unattached, 0, field+".unattached"),
		hybrid:     p.wait(raw.Hybrid, 0, field+".hybrid"),
	}
}

func (p *problems) wait(t text, least time.Duration, field string) *time.Duration {
	if t.value == "" {
		return nil
	}
	never := neg.Never
	if t.value == "never" {
		return &never
	}
	d, err := time.ParseDuration(t.value)
	if err != nil || d < least || d > neg.MaxGateTimeout || d%time.Second != 0 {
		p.add(t.line, field, "%q: want whole seconds from %s to %s, such as 10m, or never", t.value, least, neg.MaxGateTimeout)
	}
	return &d
}

func (s said) over(base said) said {
	return said{cmp.Or(s.timeout, base.timeout), cmp.Or(s.unattached, base.unattached), cmp.Or(s.hybrid, base.hybrid)}
}

func (s said) resolve() Waits {
	standard := neg.GateTimeout
	w := Waits{Timeout: *cmp.Or(s.timeout, &standard)}
	w.Unattached = *cmp.Or(s.unattached, &w.Timeout)
	w.Hybrid = *cmp.Or(s.hybrid, &w.Unattached)
	return w
}
