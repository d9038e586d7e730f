package conformance

import (
	"fmt"
	"strings"
)

// Differences writes what was seen as a table for people: a star where the emulator's
// answer is another, which stands below.
func Differences(target, emulator []Observation) string {
	usual := map[string]string{}
	for _, o := range emulator {
		usual[o.Unknown] = o.Value
	}
	var rows strings.Builder
	differing := 0
	for _, o := range target {
		other := usual[o.Unknown]
		if o.Value == other || strings.HasPrefix(o.Value, unwatched) {
			fmt.Fprintf(&rows, "  %-29s %s\n", o.Unknown, o.Value)
			continue
		}
		differing++
		fmt.Fprintf(&rows, "* %-29s %s\n  %-29s %s\n", o.Unknown, o.Value, "      the emulator's default:", other)
	}
	return fmt.Sprintf("what differs: %d of %d\n%s", differing, len(target), rows.String())
}
