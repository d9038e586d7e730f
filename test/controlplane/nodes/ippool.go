package nodes

import (
	"fmt"
	"sync"
	"time"

	"github.com/negfleet/negfleet/test/controlplane/layout"
)

// cooling is how long an address that was given back stays unused. An address
// that named one Pod a moment ago must not name another while a load balancer
// may still send to it.
const cooling = 20 * time.Second

// ipPool hands out the Pod addresses of one node.
type ipPool struct {
	mu     sync.Mutex
	prefix string
	fresh  int // the last host number that was ever handed out
	used   map[string]bool
	freed  []freedIP // oldest first
}

type freedIP struct {
	ip string
	at time.Time
}

func newIPPool(n layout.Node, octet int) *ipPool {
	return &ipPool{prefix: fmt.Sprintf("10.%d.%d.", octet, n.Index), used: map[string]bool{}}
}

// get returns an address that no Pod has and none had lately.
func (p *ipPool) get(now time.Time) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ip string
	switch {
	case len(p.freed) > 0 && now.Sub(p.freed[0].at) >= cooling:
		ip, p.freed = p.freed[0].ip, p.freed[1:]
	case p.fresh < layout.PodsPerNode:
		p.fresh++
		ip = fmt.Sprintf("%s%d", p.prefix, p.fresh)
	default:
		return "", false
	}
	p.used[ip] = true
	return ip, true
}

// put gives an address back; giving back twice is harmless.
func (p *ipPool) put(ip string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.used[ip] {
		return
	}
	delete(p.used, ip)
	p.freed = append(p.freed, freedIP{ip: ip, at: now})
}
