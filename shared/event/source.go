package event

import (
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// Sources of what a resync finds. A look for the first goes by what the Service says of its
// groups, one for the second searches for all of them, which is a heavy-weight read.
const (
	SourceResync       = "resync"
	SourceResyncGroups = "resync-groups"
)

// Sources of what a sweep finds, told apart in the same way.
const (
	SourceSweep       = "sweep"
	SourceSweepGroups = "sweep-groups"
)

// SweepMessage asks for a look at a key that a sweep found.
func SweepMessage(k neg.Key, thorough bool, why string, at time.Time) Message {
	m := Message{Key: k, Reason: why, Source: SourceSweep, Observed: at}
	if thorough {
		m.Source = SourceSweepGroups
	}
	return m
}

// ResyncMessage asks for a look at a key that a resync found.
func ResyncMessage(k neg.Key, thorough bool, why string, at time.Time) Message {
	m := Message{Key: k, Reason: why, Source: SourceResync, Observed: at}
	if thorough {
		m.Source = SourceResyncGroups
	}
	return m
}
