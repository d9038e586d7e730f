package sweep

import (
	"slices"

	"github.com/negfleet/negfleet/shared/neg"
)

// named is how many Pods of a namespace are named in a report.
const named = 5

// Ungated are Pods that went by the webhook: a Service with groups selects them, and nothing
// makes their rollout wait for the load balancer. A gate is added at creation or never.
type Ungated struct {
	Count int      `json:"count"`
	Names []string `json:"names"` // a few, sorted
}

// A census counts, page by page, the Pods of one namespace.
type census struct {
	gates   []string            // that negfleet answers
	gate    string              // that the webhook adds; empty: it adds none here
	selects []map[string]string // selectors of the Services that have groups

	waiting map[string]bool
	ungated map[string]bool
}

// newCensus is about a namespace; injects: the webhook is asked about its Pods.
func (c *Cluster) newCensus(namespace string, services map[neg.Key]Service, injects bool) *census {
	n := &census{gates: c.gates(), waiting: map[string]bool{}, ungated: map[string]bool{}}
	if injects {
		n.gate = n.gates[0]
	}
	for k, s := range services {
		if k.Namespace == namespace && len(s.Selector) > 0 {
			n.selects = append(n.selects, s.Selector)
		}
	}
	return n
}

func (n *census) add(page []neg.ListedPod) {
	for _, p := range page {
		switch {
		case p.Ready && slices.ContainsFunc(p.Closed, n.answers):
			n.waiting[p.Name] = true
		case n.gate != "" && !p.Exempt && !slices.Contains(p.Gates, n.gate) && n.selected(p.Labels):
			n.ungated[p.Name] = true
		}
	}
}

func (n *census) answers(gate string) bool { return slices.Contains(n.gates, gate) }

func (n *census) selected(labels map[string]string) bool {
	return slices.ContainsFunc(n.selects, func(selector map[string]string) bool {
		for name, value := range selector {
			if have, ok := labels[name]; !ok || have != value {
				return false
			}
		}
		return true
	})
}

// missed are the Pods without a gate.
func (n *census) missed() Ungated {
	names := sortedNames(n.ungated)
	return Ungated{Count: len(names), Names: names[:min(len(names), named)]}
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
