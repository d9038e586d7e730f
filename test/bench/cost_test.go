package bench

import (
	"math"
	"testing"

	"github.com/negfleet/negfleet/test/costs"
)

// least is the least time that an instance is billed for, in seconds: one request that no
// other shares it with.
const least = 0.1

// A load is what one event costs the platform.
type load struct {
	requests             float64 // to a function
	billed               float64 // seconds of an instance's time, each request
	cpu, memory          float64 // of an instance: vCPU, GiB
	published, delivered float64 // messages
	bytes                float64 // of a message
}

// dollars is the list price of a million events, without the free tier: Cloud Run's
// request-based billing and Pub/Sub, as cloud.google.com/run/pricing and
// cloud.google.com/pubsub/pricing had them in November 2026. Log storage, egress and
// load balancers are not in it.
func (l load) dollars() float64 {
	const (
		million = 1e6
		least   = 1000 // bytes that a message is counted as
	)
	p := costs.List
	run := l.requests * (p.Request + l.billed*(p.VCPU*l.cpu+p.GiB*l.memory))
	messages := (l.published + l.delivered) * math.Max(l.bytes, least) * p.TiB / (1 << 40)
	return million * (run + messages)
}

// TestCost holds the formula to prices worked out by hand.
func TestCost(t *testing.T) {
	for name, c := range map[string]struct {
		load load
		want float64
	}{
		"a small instance, one at a time": {load{requests: 1, billed: 0.3, cpu: 0.167, memory: 0.25, published: 1, delivered: 1}, 1.86},
		"waiting for an operation":        {load{requests: 1, billed: 5, cpu: 0.167, memory: 0.25, published: 1, delivered: 1}, 23.64},
		"nothing but messages":            {load{published: 1, delivered: 1, bytes: 1 << 20}, 76.29},
	} {
		if got := c.load.dollars(); math.Abs(got-c.want) > 0.005 {
			t.Errorf("%s: $%.4f, want %.2f", name, got, c.want)
		}
	}
}

// TestPrices states what an event of each kind costs where requests come one at a time, so
// that none shares its instance: the most it can cost. One vCPU and 512 MiB each.
func TestPrices(t *testing.T) {
	timed(t)
	one := load{requests: 1, billed: least, cpu: 1, memory: 0.5}
	batch := one
	batch.requests = 0.2 // five entries a batch, as measured on a quiet control plane
	key := one
	key.published, key.delivered = 1, 1
	waiting := key
	waiting.billed = 3 // an operation of Compute Engine
	shared := waiting
	shared.billed /= 80 // the concurrency that is advised
	measured(t, "cost-audit", batch.dollars(), 0, "$ a million entries, five a batch")
	measured(t, "cost-reconcile", key.dollars(), 0, "$ a million keys, nothing to wait for")
	measured(t, "cost-reconcile-waiting", waiting.dollars(), 0, "$ a million keys, 3 s each, alone")
	measured(t, "cost-reconcile-shared", shared.dollars(), 0, "$ a million keys, 3 s each, 80 at once")
}
