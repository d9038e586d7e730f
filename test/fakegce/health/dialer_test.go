package health

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestMapped(t *testing.T) {
	for _, tc := range []struct{ from, to, addr, want string }{
		{"10.0.0.0/8", "127.0.0.0/8", "10.70.3.9:8080", "127.70.3.9:8080"},
		{"10.0.0.0/8", "127.0.0.0/8", "192.168.1.2:80", "192.168.1.2:80"},
		{"10.64.0.0/12", "127.16.0.0/12", "10.70.3.9:8080", "127.22.3.9:8080"},
		{"10.1.2.3/32", "127.0.0.1/32", "10.1.2.3:80", "127.0.0.1:80"},
		{"fd00::/8", "::/8", "[fd12::7]:80", "[12::7]:80"},
	} {
		var got string
		dial, err := Mapped(netip.MustParsePrefix(tc.from), netip.MustParsePrefix(tc.to), func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, errIll
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dial(t.Context(), "tcp", tc.addr); !errors.Is(err, errIll) || got != tc.want {
			t.Errorf("%s in %s, mapped to %s, is %s (%v), want %s", tc.addr, tc.from, tc.to, got, err, tc.want)
		}
	}
	for _, tc := range [][2]string{{"10.0.0.0/8", "127.0.0.0/9"}, {"10.0.0.0/8", "fd00::/8"}} {
		if _, err := Mapped(netip.MustParsePrefix(tc[0]), netip.MustParsePrefix(tc[1]), Loopback); err == nil {
			t.Errorf("%s is mapped to %s", tc[0], tc[1])
		}
	}
}

func TestLoopbackStaysAtHome(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := Loopback(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for _, addr := range []string{"10.0.0.1:80", "192.0.2.1:80", "[2001:db8::1]:80", "example.test:80", "0.0.0.0:80"} {
		if _, err := Loopback(t.Context(), "tcp", addr); err == nil {
			t.Errorf("%s was dialled", addr)
		}
	}
}
