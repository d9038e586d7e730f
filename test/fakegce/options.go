package fakegce

import (
	"net/http"
	"time"

	"github.com/negfleet/negfleet/test/fakegce/health"
)

// Conduct says what becomes of an endpoint that is already, or no longer, there.
type Conduct string

// The conducts an attach or a detach may have.
const (
	Idempotent Conduct = "idempotent"
	Invalid    Conduct = "invalid"
	NotFound   Conduct = "notFound"
)

// Options are the switches of a Server. The zero value is ready and strict.
type Options struct {
	Clock Clock // the wall clock if nil

	OpLatency time.Duration // from acceptance to DONE
	OpJitter  time.Duration // added to it, evenly between nothing and this
	CommitAt  string        // "done" (default) or "accept"

	AttachExisting Conduct       // Invalid if empty
	DetachAbsent   Conduct       // NotFound if empty
	InstanceEcho   string        // "url" (default) or "name"
	ListLag        time.Duration // how far lists are behind what get shows
	RejectOverlap  bool

	// MissingFingerprint is the answer to a patch or an update without one:
	// "required" (default, 400), "conditionNotMet" (412) or "optional", which
	// lets a patch pass.
	MissingFingerprint string

	// Quota is how many resources a project, or a region of it, may have by
	// metric ("NETWORK_ENDPOINT_GROUPS"); metrics not named have no limit.
	Quota map[string]int

	// DeniedPermissions are those the caller lacks: "compute.networks.use".
	DeniedPermissions []string

	// RateQuota is the number of calls that a group of methods has per minute,
	// by RateGroup; groups not named have no limit. Past it the answer is
	// RateStatus, 403 (default) or 429.
	RateQuota  map[string]int
	RateStatus int

	// HealthUnreached has endpoints probed though no forwarding rule leads to
	// the backend service.
	HealthUnreached bool
	// DrainingHidden leaves detached endpoints out of listNetworkEndpoints; they
	// are shown as DRAINING otherwise, when health is asked for.
	DrainingHidden bool
	// HealthDelay is how long it takes from the end of an attach, or of what leads to a
	// backend service, until its probers know of an endpoint, and HealthJitter what may
	// be added to it. HealthPending is what is said until then: nothing, "absent"
	// (default), or "unknown".
	HealthDelay, HealthJitter time.Duration
	HealthPending             string
	Dial                      health.Dialer // how endpoints are probed; health.Loopback if nil

	RequestIDWindow time.Duration // 60 minutes if zero
	RequestIDReuse  string        // "replay" (default) or "conflict"
	Retention       time.Duration // of finished operations; 14 days if zero
	MaxOperations   int           // finished operations kept; 100,000 if zero

	CallLog     int // calls kept in the journal; 100,000 if zero
	TimelineLog int // transitions kept; 500,000 if zero

	// Texts are the words of the refusals that nobody has documented: "likely" (default),
	// or "other", which name nothing.
	Texts string

	User string // the author in operations
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	setDefault(&o.CommitAt, "done")
	setDefault(&o.AttachExisting, Invalid)
	setDefault(&o.DetachAbsent, NotFound)
	setDefault(&o.InstanceEcho, "url")
	setDefault(&o.MissingFingerprint, "required")
	setDefault(&o.HealthPending, "absent")
	setDefault(&o.Texts, "likely")
	setDefault(&o.RateStatus, http.StatusForbidden)
	setDefault(&o.RequestIDReuse, "replay")
	setDefault(&o.RequestIDWindow, time.Hour)
	setDefault(&o.Retention, 14*24*time.Hour)
	setDefault(&o.MaxOperations, 100_000)
	setDefault(&o.CallLog, 100_000)
	setDefault(&o.TimelineLog, 500_000)
	setDefault(&o.User, "developer@fakegce.example")
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
