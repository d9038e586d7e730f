package sweep

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// A Headroom is what a quota has left, and for how long.
type Headroom struct {
	Project string `json:"project"`
	Metric  string `json:"metric"`
	Region  string `json:"region,omitempty"` // empty: of the whole project
	Used    int    `json:"used"`
	Limit   int    `json:"limit"`
	Percent int    `json:"percent"`        // used
	New     int    `json:"new"`            // of what there is, made in the last growth
	Days    *int   `json:"days,omitempty"` // until it is exhausted at that rate; none: nothing is new
}

// growth is the time over which what is new is counted.
const growth = 7 * 24 * time.Hour

// A headroom is low when so much of it is used, or it lasts no longer than so many days.
const (
	lowPercent = 80
	lowDays    = 14
)

// Low tells whether a person should see to a quota.
func (h Headroom) Low() bool { return h.Percent >= lowPercent || h.Days != nil && *h.Days <= lowDays }

// Name is the metric, and its region.
func (h Headroom) Name() string { return strings.TrimSpace(h.Metric + " " + h.Region) }

// Left is the days that are left, in words.
func (h Headroom) Left() string {
	if h.Days == nil {
		return "-"
	}
	return fmt.Sprint(*h.Days)
}

// String says it in words.
func (h Headroom) String() string {
	s := fmt.Sprintf("project %s: quota %s: %d of %d used (%d %%), %d of them new in 7 days", h.Project, h.Name(), h.Used, h.Limit, h.Percent, h.New)
	if h.Days != nil {
		s += fmt.Sprintf("; at that rate it is exhausted in %d days", *h.Days)
	}
	return s
}

// Headrooms are those of the quotas that anything is used of, the tightest first. Whatever
// counts against a quota counts, whoever made it. What was deleted leaves no trace, so that
// things that come and go look like growth: the days are the fewest there may be.
func Headrooms(in Inventory) (all []Headroom) {
	for _, p := range in.Projects {
		for _, q := range p.Quotas {
			if q.Used > 0 {
				all = append(all, headroom(in.At, p, q))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Headroom) int {
		return cmp.Or(cmp.Compare(a.days(), b.days()), cmp.Compare(b.Percent, a.Percent))
	})
	return all
}

func (h Headroom) days() int {
	if h.Days == nil {
		return math.MaxInt
	}
	return *h.Days
}

func headroom(at time.Time, p Project, q neg.Quota) Headroom {
	h := Headroom{Project: p.Name, Metric: q.Metric, Region: q.Region, Used: int(q.Used), Limit: int(q.Limit), Percent: 100}
	if q.Limit > 0 {
		h.Percent = int(100 * q.Used / q.Limit)
	}
	for _, r := range p.Resources {
		if counts(r, q) && !r.Created.IsZero() && at.Sub(r.Created) < growth {
			h.New++
		}
	}
	if h.New > 0 {
		days := int(max(0, q.Limit-q.Used) * growth.Hours() / 24 / float64(h.New))
		h.Days = &days
	}
	return h
}

// counts tells whether a resource counts against a quota.
func counts(r Resource, q neg.Quota) bool {
	switch q.Metric {
	case "NETWORK_ENDPOINT_GROUPS":
		zone := string(r.Group.Zone)
		return r.Kind == Group && zone[:max(0, strings.LastIndexByte(zone, '-'))] == q.Region
	case "BACKEND_SERVICES":
		return r.Kind == BackendService
	case "HEALTH_CHECKS":
		return r.Kind == HealthCheck
	}
	return false
}
