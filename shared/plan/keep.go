package plan

import (
	"net/netip"
	"time"

	"github.com/negfleet/negfleet/shared/neg"
)

// leaves is when an endpoint that terminates is to be detached; zero: now. A Pod of which
// nothing is known any more is gone, whatever the slices still say.
func (in Input) leaves(e neg.SliceEndpoint) time.Time {
	told, known := in.Stopping[e.Pod]
	if in.Keep == 0 || !e.Serving || !known {
		return time.Time{}
	}
	if at := told.Add(in.Keep); at.After(in.Now) {
		return at
	}
	return time.Time{}
}

// Due is when the first of the attached endpoints that are kept while they terminate is to
// be detached; zero: none is.
func Due(in Input, observed neg.State) time.Time {
	attached := map[string]bool{}
	for _, g := range observed.Groups {
		for _, e := range g.Endpoints {
			attached[e.Addr.Addr().String()] = true
		}
	}
	var due time.Time
	for _, s := range in.Slices {
		for _, e := range s.Endpoints {
			if !e.Terminating || len(e.Addresses) == 0 || !attached[addressOf(e)] {
				continue
			}
			if at := in.leaves(e); !at.IsZero() && (due.IsZero() || at.Before(due)) {
				due = at
			}
		}
	}
	return due
}

// addressOf is an endpoint's first address: one address, one text.
func addressOf(e neg.SliceEndpoint) string {
	if ip, err := netip.ParseAddr(e.Addresses[0]); err == nil {
		return ip.String()
	}
	return e.Addresses[0]
}
