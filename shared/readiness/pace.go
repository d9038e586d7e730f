package readiness

import (
	"math"
	"time"
)

const (
	interval   = time.Second      // between looks while something moves
	slowest    = 5 * time.Second  // and when nothing does
	lively     = 30 * time.Second // how long a change counts as something that moves
	patience   = 10 * time.Minute // without a change; then only the sweep comes back to it
	newsCounts = time.Minute      // a delivery is followed for that long at least
	slowRetry  = 15 * time.Second // the longest an error keeps Pods waiting
)

// next is the time from one look's start to the next one's, quiet after the last change,
// when the one before was last.
func next(quiet, last time.Duration) time.Duration {
	if quiet < lively {
		return interval
	}
	return min(2*max(last, interval), slowest)
}

// retry is the same after n looks in a row that failed.
func retry(n int) time.Duration {
	return min(interval<<min(n-1, 10), slowRetry)
}

// A rate is an allowance of calls: some at once, then so many each second. What is taken
// beyond it is owed, and whoever comes later waits longer: first come, first served.
type rate struct {
	perSecond float64
	burst     float64

	at   time.Time // when left was right
	left float64   // negative: owed
}

// take takes n calls and returns how long to wait before making them; a negative n gives
// some back.
func (r *rate) take(now time.Time, n int) time.Duration {
	if r.at.IsZero() {
		r.left = r.burst
	} else if since := now.Sub(r.at); since > 0 {
		r.left = math.Min(r.burst, r.left+since.Seconds()*r.perSecond)
	}
	if now.After(r.at) {
		r.at = now
	}
	r.left -= float64(n)
	if r.left >= 0 {
		return 0
	}
	return time.Duration(-r.left / r.perSecond * float64(time.Second))
}
