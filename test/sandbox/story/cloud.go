//go:build linux

package story

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/negfleet/negfleet/test/fakegce"
	"github.com/negfleet/negfleet/test/fakegce/admin"
)

// A cloud is what the emulator's timeline adds up to.
type cloud struct {
	admin *admin.Client

	mu     sync.Mutex
	groups map[place]map[string]string // members: address → instance
	past   []fakegce.Transition
	fresh  chan struct{} // closed at the next transition
}

type place struct{ zone, name string }

func newCloud(a *admin.Client) *cloud {
	return &cloud{admin: a, groups: map[place]map[string]string{}, fresh: make(chan struct{})}
}

// follow reads the timeline until ctx ends.
func (c *cloud) follow(ctx context.Context) {
	var since uint64
	for ctx.Err() == nil {
		list, err := c.admin.Timeline(ctx, since, 5*time.Second)
		if err != nil {
			continue // the steps see that nothing comes any more
		}
		for _, tr := range list {
			since = tr.Seq
		}
		c.add(list)
	}
}

func (c *cloud) add(list []fakegce.Transition) {
	if len(list) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tr := range list {
		at := place{tr.Zone, tr.Group}
		switch tr.Event {
		case "created":
			c.groups[at] = map[string]string{}
		case "deleted":
			delete(c.groups, at)
		case "attached":
			c.groups[at][tr.Endpoint] = tr.Instance
		case "detached":
			delete(c.groups[at], tr.Endpoint)
		}
	}
	c.past = append(c.past, list...)
	close(c.fresh)
	c.fresh = make(chan struct{})
}

// changed is closed when something happens after the call.
func (c *cloud) changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fresh
}

// members lists "address instance" of the groups of a name, by zone.
func (c *cloud) members(name string) map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for at, endpoints := range c.groups {
		if at.name != name {
			continue
		}
		var lines []string
		for address, instance := range endpoints {
			lines = append(lines, address+" "+instance)
		}
		slices.Sort(lines)
		out[at.zone] = lines
	}
	return out
}

// occupied is the first zone whose group of that name holds anything, and what it holds.
// Which zones the Pods that a scale-down leaves are in is for Kubernetes to choose.
func (c *cloud) occupied(name string) (zone string, members []string) {
	byZone := c.members(name)
	for _, zone := range slices.Sorted(maps.Keys(byZone)) {
		if len(byZone[zone]) > 0 {
			return zone, byZone[zone]
		}
	}
	return "", nil
}

// names lists the names of all groups.
func (c *cloud) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for at := range c.groups {
		names = append(names, at.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// mark is a place in the past; since returns what came after it.
func (c *cloud) mark() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.past)
}

func (c *cloud) since(mark int) []fakegce.Transition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.past[mark:])
}
