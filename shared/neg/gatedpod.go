package neg

import (
	"net/netip"
	"time"
)

// A Gate is the condition that a Pod's readiness gate waits for.
type Gate struct {
	Open    bool
	Reason  string // CamelCase
	Message string
}

// A GatedPod is one readiness gate of a Pod. A Pod with two gates is two of them.
type GatedPod struct {
	Namespace string
	Name      string
	UID       string
	Labels    map[string]string
	IP        netip.Addr // invalid: none yet
	Node      string     // that it runs on
	Ready     time.Time  // when its containers became ready; zero: they are not
	Changed   time.Time  // when it was made, or a condition last changed its status

	// Attached is when a look first found it in its groups; zero: none did.
	Attached time.Time
	// NoInstance is why its node can have no endpoint in any group; empty: it can, or nobody
	// knows.
	NoInstance string

	Type    string // of the condition
	Gate    Gate   // the condition as it is
	Written bool   // the condition is there
}

// String is NAMESPACE/NAME.
func (p GatedPod) String() string { return p.Namespace + "/" + p.Name }

// Selects tells whether a Service's selector matches labels. None matches nothing.
func (s *Service) Selects(labels map[string]string) bool {
	for name, value := range s.Selector {
		if have, ok := labels[name]; !ok || have != value {
			return false
		}
	}
	return len(s.Selector) > 0
}
