//go:build !race

package fakegce_test

const (
	raceDetector = false
	fleetGroups  = 10_000
	fleetFull    = 200
)
