package plan

import (
	"fmt"
	"slices"
)

// A Policy says which steps may be taken.
type Policy int

const (
	Observe Policy = iota // none: no write of any kind, neither to the cloud nor to the cluster
	Upsert                // those that add
	Sync                  // all
)

func (p Policy) String() string { return [...]string{"observe", "upsert", "sync"}[p] }

// ParsePolicy reads observe, upsert or sync; the empty string is sync.
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "observe":
		return Observe, nil
	case "upsert":
		return Upsert, nil
	case "sync", "":
		return Sync, nil
	}
	return Observe, fmt.Errorf("policy %q: want observe, upsert or sync", s)
}

// Filter returns the steps that p allows.
func (p Policy) Filter(steps []Step) []Step {
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool {
		return p == Observe || p == Upsert && s.Op.Removes()
	})
}
