package health

import (
	"net/netip"
	"time"
)

// phase is where in the interval an endpoint is probed: spread evenly, and the
// same for the same names.
func phase(group, check string, endpoint netip.AddrPort, interval time.Duration) time.Duration {
	h := uint64(14695981039346656037)
	h = mix(h, group)
	h = mix(h, check)
	address := endpoint.Addr().As16()
	h = mix(h, address[:])
	port := endpoint.Port()
	h = mix(h, []byte{byte(port >> 8), byte(port)})
	// FNV alone leaves neighbours close together.
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return time.Duration(h % uint64(interval))
}

func mix[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h * 1099511628211
}

// following is the first time after now that is phase into an interval. Times
// count from the engine's start.
func following(now, phase, interval time.Duration) time.Duration {
	if now < phase {
		return phase
	}
	return phase + ((now-phase)/interval+1)*interval
}

// ceil rounds a time up to a whole number of ticks.
func ceil(t, tick time.Duration) time.Duration {
	return (t + tick - 1) / tick * tick
}
