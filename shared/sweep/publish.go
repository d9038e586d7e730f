package sweep

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/shared/presence"
)

// Budget is how many orphaned keys a run publishes unless told otherwise.
const Budget = 50

// turns is how many runs it takes to look at every key once: with one every ten minutes, an
// hour.
const turns = 6

// Every is the time between two runs.
const Every = 10 * time.Minute

// A Publication is a key that is to be looked at.
type Publication struct {
	Key neg.Key
	// Thorough: only a look that searches for all of the key's groups will do.
	Thorough bool
	Orphan   bool // it counts against the budget
	Gates    bool // the look is one at the gates of the key's namespace
	Why      string
}

// A Selection is what one run publishes.
type Selection struct {
	Publications []Publication
	Deferred     int      // orphaned keys that the budget left for later runs
	Clusters     []string // that are to have runs of their own
}

// Publish picks the keys of what was found: orphans within the budget, drift, gates that
// wait, and the sixth of all wanted keys whose turn it is. Each key is in it once, with its
// weightiest reason.
func Publish(in Inventory, found []Finding, budget int) Selection {
	run := uint32(in.At.Unix()/int64(Every/time.Second)) % turns
	var s Selection
	taken := map[neg.Key]bool{}
	add := func(p Publication) {
		if !taken[p.Key] {
			taken[p.Key] = true
			s.Publications = append(s.Publications, p)
		}
	}
	orphans := orphanKeys(found, run)
	for i, p := range orphans {
		if i >= budget {
			s.Deferred = len(orphans) - budget
			break
		}
		add(p)
	}
	for _, f := range found {
		if f.Verdict == Drifted {
			add(Publication{Key: f.Key, Thorough: f.Kind != "", Why: strings.Join(f.Evidence, "; ")})
		}
	}
	unused := unusedOf(found)
	for i := range in.Clusters {
		c := &in.Clusters[i]
		if c.Left {
			s.Clusters = append(s.Clusters, c.Name)
		}
		for _, p := range c.waiting() {
			add(p)
		}
		for _, k := range c.wanted() {
			if turn(k) == run {
				add(Publication{Key: k, Thorough: unused[k], Why: "its turn in the hour"})
			}
		}
	}
	return s
}

// unusedOf are the keys with something that nothing uses: what was left when their Services
// changed only a look for everything finds.
func unusedOf(found []Finding) map[neg.Key]bool {
	keys := map[neg.Key]bool{}
	for _, f := range found {
		if f.Unused {
			keys[f.Key] = true
		}
	}
	return keys
}

// orphanKeys are the keys of what is to go, each once. Those whose turn it is come first, so
// that what cannot be removed does not use up the budget for ever.
func orphanKeys(found []Finding, run uint32) []Publication {
	whys := map[neg.Key]string{}
	for _, f := range found {
		if (f.Verdict == Orphan || f.Verdict == OrphanOfGone) && f.Held == "" && whys[f.Key] == "" {
			whys[f.Key] = fmt.Sprintf("%s %s is an %s: %s", f.Kind, f.Resource, f.Verdict, strings.Join(f.Evidence, "; "))
		}
	}
	keys := slices.SortedFunc(maps.Keys(whys), func(a, b neg.Key) int {
		return cmp.Or(cmp.Compare((turn(a)+turns-run)%turns, (turn(b)+turns-run)%turns), a.Compare(b))
	})
	var all []Publication
	for _, k := range keys {
		all = append(all, Publication{Key: k, Thorough: true, Orphan: true, Why: whys[k]})
	}
	return all
}

// turn is the run of the hour in which a key is looked at.
func turn(k neg.Key) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.String())) // never fails
	return h.Sum32() % turns
}

// wanted are the keys of Services that ask for groups or, where others keep these, for
// backend services.
func (c *Cluster) wanted() []neg.Key {
	if !c.listed() {
		return nil
	}
	return slices.DeleteFunc(sortedKeys(c.Services), func(k neg.Key) bool {
		s := c.Services[k]
		return c.Skip == "" && !s.Asks || c.Skip != "" && !s.Backends
	})
}

// waiting are the keys of namespaces in which Pods wait for gates. Those of a cluster that
// drains are opened too.
func (c *Cluster) waiting() (all []Publication) {
	if c.Presence.Presence != presence.Alive && c.Presence.Presence != presence.Draining {
		return nil
	}
	for _, ns := range slices.Sorted(maps.Keys(c.Waiting)) {
		why := neg.Count(c.Waiting[ns], "Pod waits for its gate", "Pods wait for their gates")
		all = append(all, Publication{Key: neg.Key{Cluster: c.Name, Namespace: ns}, Gates: true, Why: why})
	}
	return all
}

func sortedKeys[V any](m map[neg.Key]V) []neg.Key {
	return slices.SortedFunc(maps.Keys(m), neg.Key.Compare)
}
