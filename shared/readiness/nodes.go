package readiness

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// nodesAge is how old the list of nodes may be that a Pod in no group is held against.
const nodesAge = 30 * time.Second

// A nodeList is the nodes that are instances, and when they were asked for.
type nodeList struct {
	nodes map[string]neg.Node
	at    time.Time
}

// withoutInstance marks the Pods whose node can have no endpoint in any group. Nodes are
// asked for only while a Pod is in no group; where they cannot be read nobody is marked.
func (l *look) withoutInstance(ctx context.Context, pods []neg.GatedPod, readings []reading) []neg.GatedPod {
	lost := func(p neg.GatedPod) bool {
		ports, doubt := portsOf(p, readings)
		return doubt == none && p.Node != "" && outside(p, ports)
	}
	if !slices.ContainsFunc(pods, lost) {
		return pods
	}
	list, _ := l.f.nodes.get(l.f.Now, nodesAge, l.key.Cluster, func() (nodeList, error) {
		at := l.f.Now()
		nodes, err := l.scope.Cluster.Nodes(ctx, true)
		if err != nil {
			l.log.WarnContext(ctx, err.Error())
			return nodeList{}, nil // older than any Pod: it marks nobody, and is asked for again in a while
		}
		return nodeList{nodes, at}, nil
	}) // which is no error, ever
	marked := slices.Clone(pods)
	for i, p := range marked {
		if lost(p) {
			marked[i].NoInstance = l.noInstance(p, list)
		}
	}
	return marked
}

// noInstance says why a Pod's node can have no endpoint. Of a Pod whose containers were not
// ready before the list nothing is said: its node may be as young.
func (l *look) noInstance(p neg.GatedPod, list nodeList) string {
	node, known := list.nodes[p.Node]
	switch {
	case !known && !p.Ready.IsZero() && !p.Ready.After(list.at):
		return fmt.Sprintf("node %s is no Compute instance", p.Node)
	case known && node.Project != l.scope.Project:
		return fmt.Sprintf("node %s is in project %s, the groups are in %s", p.Node, node.Project, l.scope.Project)
	}
	return ""
}
