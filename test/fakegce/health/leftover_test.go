package health

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// serveWell is a server that is well by a protocol.
func serveWell(t testing.TB, protocol Protocol) netip.AddrPort {
	t.Helper()
	switch protocol {
	case HTTP, HTTPS, HTTP2:
		return serveHTTP(t, protocol, answer(200, "pong"))
	case GRPC, GRPCWithTLS:
		return serveGRPC(t, protocol == GRPCWithTLS)
	}
	return serveConns(t, protocol, echoLine("pong"))
}

func wellCheck(protocol Protocol) Check {
	return Check{Protocol: protocol, PortSpec: ServingPort, Request: "ping\n", Response: "pong"}
}

// counted counts the connections that are open.
type counted struct {
	net.Conn
	open *atomic.Int32
	once atomic.Bool
}

func (c *counted) Close() error {
	if !c.once.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// TestProbesLeaveNothing expects every connection closed when its probe returns,
// and no goroutine that outlives it for long.
func TestProbesLeaveNothing(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			endpoint := serveWell(t, protocol)
			var open, dialed atomic.Int32
			probe := NewProbe(func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				open.Add(1)
				dialed.Add(1)
				return &counted{Conn: conn, open: &open}, err
			})
			before := runtime.NumGoroutine()
			for range 20 {
				if err := probe(context.Background(), wellCheck(protocol), endpoint); err != nil {
					t.Fatal(err)
				}
				if open.Load() != 0 {
					t.Fatalf("%d connections open after a probe", open.Load())
				}
			}
			if dialed.Load() != 20 {
				t.Errorf("%d connections for 20 probes", dialed.Load())
			}
			for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+5; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
				}
			}
		})
	}
}

// BenchmarkProbe asks a server on loopback, which works on the same cores.
func BenchmarkProbe(b *testing.B) {
	for _, protocol := range protocols {
		b.Run(string(protocol), func(b *testing.B) {
			endpoint, probe := serveWell(b, protocol), NewProbe(nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := probe(context.Background(), wellCheck(protocol), endpoint); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
