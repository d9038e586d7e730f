package health

import (
	"net/netip"
	"testing"
	"time"
)

func TestAddress(t *testing.T) {
	const endpoint = "10.0.0.1:8080"
	for _, tt := range []struct {
		name  string
		check Check
		want  string
	}{
		{"fixed", Check{Protocol: HTTP, PortSpec: FixedPort, Port: 90}, "10.0.0.1:90"},
		{"unspecified is fixed", Check{Protocol: HTTP, Port: 90}, "10.0.0.1:90"},
		{"fixed by default", Check{Protocol: HTTP}, "10.0.0.1:80"},
		{"fixed by default with TLS", Check{Protocol: HTTPS}, "10.0.0.1:443"},
		{"TCP", Check{Protocol: TCP, PortSpec: FixedPort}, "10.0.0.1:80"},
		{"SSL", Check{Protocol: SSL, PortSpec: FixedPort}, "10.0.0.1:443"},
		{"gRPC has no default", Check{Protocol: GRPC}, endpoint},
		{"serving", Check{Protocol: HTTP, PortSpec: ServingPort, Port: 90}, endpoint},
		{"named is serving", Check{Protocol: HTTP, PortSpec: NamedPort, Port: 90}, endpoint},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.check.WithDefaults().Address(netip.MustParseAddrPort(endpoint))
			if got.String() != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c := Check{Protocol: HTTP}.WithDefaults()
	if c.Interval != 5*time.Second || c.Timeout != 5*time.Second || c.Healthy != 2 || c.Unhealthy != 2 || c.Path != "/" {
		t.Errorf("%+v", c)
	}
	if again := c.WithDefaults(); again != c {
		t.Errorf("the defaults of defaults are %+v", again)
	}
}
