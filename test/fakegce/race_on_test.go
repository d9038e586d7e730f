//go:build race

package fakegce_test

// The race detector makes everything slower: times say nothing then, and a
// smaller fleet does.
const (
	raceDetector = true
	fleetGroups  = 1000
	fleetFull    = 20
)
