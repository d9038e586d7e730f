package health

import (
	"net/netip"
	"time"
)

// Protocol is what a check speaks.
type Protocol string

// The protocols of the API.
const (
	HTTP        Protocol = "HTTP"
	HTTPS       Protocol = "HTTPS"
	HTTP2       Protocol = "HTTP2"
	TCP         Protocol = "TCP"
	SSL         Protocol = "SSL"
	GRPC        Protocol = "GRPC"
	GRPCWithTLS Protocol = "GRPC_WITH_TLS"
)

// PortSpec is how a check finds its port.
type PortSpec string

// The port specifications of the API.
const (
	FixedPort   PortSpec = "USE_FIXED_PORT"
	NamedPort   PortSpec = "USE_NAMED_PORT"
	ServingPort PortSpec = "USE_SERVING_PORT"
)

// ProxyV1 is the proxy header that is not NONE.
const ProxyV1 = "PROXY_V1"

// Check is a health check. Equal checks of one group share their probes.
type Check struct {
	Name        string // opaque
	Protocol    Protocol
	PortSpec    PortSpec // empty: the fixed port
	Port        int      // zero: the protocol's own; gRPC has none and takes the serving port
	Path        string   // HTTP family; empty: /
	Host        string   // HTTP family; empty: the endpoint's address
	ProxyHeader string   // NONE or PROXY_V1; empty: NONE
	Request     string   // TCP and SSL
	Response    string   // HTTP family, TCP and SSL
	GRPCService string
	Interval    time.Duration // zero: 5 s
	Timeout     time.Duration // zero: 5 s
	Thresholds                // zero: 2
}

// WithDefaults fills in what the API fills in.
func (c Check) WithDefaults() Check {
	c.Interval = positive(c.Interval, 5*time.Second)
	c.Timeout = positive(c.Timeout, 5*time.Second)
	c.Healthy = positive(c.Healthy, 2)
	c.Unhealthy = positive(c.Unhealthy, 2)
	if c.Path == "" {
		c.Path = "/"
	}
	if c.Port == 0 {
		c.Port = defaultPort(c.Protocol)
	}
	return c
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

func defaultPort(p Protocol) int {
	switch p {
	case HTTP, TCP:
		return 80
	case HTTPS, HTTP2, SSL:
		return 443
	}
	return 0
}

// Address is where an endpoint is asked.
func (c Check) Address(endpoint netip.AddrPort) netip.AddrPort {
	fixed := c.PortSpec == FixedPort || c.PortSpec == ""
	if !fixed || c.Port <= 0 || c.Port > 65535 {
		return endpoint
	}
	return netip.AddrPortFrom(endpoint.Addr(), uint16(c.Port))
}

func (c Check) overTLS() bool {
	switch c.Protocol {
	case HTTPS, HTTP2, SSL, GRPCWithTLS:
		return true
	}
	return false
}

// alpn is what a TLS handshake has to agree on; nil when anything goes.
func (c Check) alpn() []string {
	switch c.Protocol {
	case HTTP2, GRPCWithTLS:
		return []string{"h2"}
	}
	return nil
}
