package health

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// answer is an HTTP handler that sends a status and a body.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// verdict probes and words the result: empty is well.
func verdict(check Check, endpoint netip.AddrPort) string {
	check.PortSpec = ServingPort
	if err := NewProbe(nil)(context.Background(), check, endpoint); err != nil {
		return err.Error()
	}
	return ""
}

func TestProbeHTTPFamily(t *testing.T) {
	far := strings.Repeat(".", maxBody-1) + "well"
	for _, tt := range []struct {
		name     string
		handler  http.HandlerFunc
		response string
		want     string
	}{
		{"ok", answer(200, "fine"), "", ""},
		{"no other 2xx", answer(204, ""), "", "status 204"},
		{"redirect is not followed", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/well", http.StatusFound)
			}
		}, "", "status 302"},
		{"missing", answer(404, ""), "", "status 404"},
		{"failing", answer(503, ""), "", "status 503"},
		{"response at the start", answer(200, "well done"), "well", ""},
		{"response further on", answer(200, "all is well"), "well", ""},
		{"another response", answer(200, "ill"), "well", errResponse.Error()},
		{"no response", answer(200, ""), "well", errResponse.Error()},
		{"response too far on", answer(200, far), "well", errResponse.Error()},
		{"status before response", answer(500, "well"), "well", "status 500"},
		{"hint before the answer", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		}, "", ""},
	} {
		for _, protocol := range []Protocol{HTTP, HTTPS, HTTP2} {
			t.Run(tt.name+" "+string(protocol), func(t *testing.T) {
				endpoint := serveHTTP(t, protocol, tt.handler)
				if got := verdict(Check{Protocol: protocol, Response: tt.response}, endpoint); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestProbeRequest(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, HTTPS, HTTP2} {
		for _, tt := range []struct {
			name, path, host   string
			wantPath, wantHost string
		}{
			{"defaults", "", "", "/", "127.0.0.1"},
			{"path and host", "/healthz?deep=1", "shop.example", "/healthz?deep=1", "shop.example"},
		} {
			t.Run(tt.name+" "+string(protocol), func(t *testing.T) {
				seen := make(chan *http.Request, 1)
				endpoint := serveHTTP(t, protocol, func(_ http.ResponseWriter, r *http.Request) { seen <- r })
				if got := verdict(Check{Protocol: protocol, Path: tt.path, Host: tt.host}, endpoint); got != "" {
					t.Fatal(got)
				}
				r := <-seen
				if r.RequestURI != tt.wantPath || r.Host != tt.wantHost || r.Method != "GET" || r.UserAgent() != "GoogleHC/1.0" {
					t.Errorf("%s %s at %s by %s", r.Method, r.RequestURI, r.Host, r.UserAgent())
				}
				if want := map[Protocol]int{HTTP: 1, HTTPS: 1, HTTP2: 2}[protocol]; r.ProtoMajor != want {
					t.Errorf("HTTP/%d, want %d", r.ProtoMajor, want)
				}
			})
		}
	}
}

func TestProbeHTTP2NeedsH2(t *testing.T) {
	http1 := serveHTTP(t, HTTPS, answer(200, ""))
	if got := verdict(Check{Protocol: HTTP2}, http1); got == "" {
		t.Error("well over HTTP/1.1")
	}
	silent := serveConns(t, SSL, echoLine("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	if got := verdict(Check{Protocol: HTTP2}, silent); got != "h2 was not negotiated" {
		t.Errorf("without ALPN: %q", got)
	}
}

func TestProbeBytes(t *testing.T) {
	for _, tt := range []struct {
		name              string
		answer            string // to every line
		request, response string
		want              string
	}{
		{"connection is enough", "", "", "", ""},
		{"request without response", "", "ping\n", "", ""},
		{"response", "pong", "ping\n", "pong", ""},
		{"only the beginning counts", "pong and more", "ping\n", "pong", ""},
		{"not at the beginning", "a pong", "ping\n", "pong", errResponse.Error()},
		{"other", "gong", "ping\n", "pong", errResponse.Error()},
		{"too short", "po", "ping\n", "pong", "connection closed early"},
		{"none", "", "ping\n", "pong", "connection closed early"},
	} {
		for _, protocol := range []Protocol{TCP, SSL} {
			t.Run(tt.name+" "+string(protocol), func(t *testing.T) {
				endpoint := serveConns(t, protocol, echoLine(tt.answer))
				check := Check{Protocol: protocol, Request: tt.request, Response: tt.response}
				if got := verdict(check, endpoint); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		}
	}
}

func TestProbeGRPC(t *testing.T) {
	for _, tt := range []struct {
		name, service string
		want          string
	}{
		{"server", "", ""},
		{"service", "well", ""},
		{"not serving", "ill", "grpc health NOT_SERVING"},
		{"not known", "nobody", "grpc status NotFound"},
	} {
		for _, protocol := range []Protocol{GRPC, GRPCWithTLS} {
			t.Run(tt.name+" "+string(protocol), func(t *testing.T) {
				endpoint := serveGRPC(t, protocol == GRPCWithTLS)
				if got := verdict(Check{Protocol: protocol, GRPCService: tt.service}, endpoint); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			})
		}
	}
}

var protocols = []Protocol{HTTP, HTTPS, HTTP2, TCP, SSL, GRPC, GRPCWithTLS}

func TestProbeRefused(t *testing.T) {
	l := listen(t)
	endpoint := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	for _, protocol := range protocols {
		if got := verdict(Check{Protocol: protocol}, endpoint); got != "connection refused" {
			t.Errorf("%s: %q", protocol, got)
		}
	}
}

func TestProbeReset(t *testing.T) {
	endpoint := serveConns(t, TCP, func(conn net.Conn) {
		conn.Read(make([]byte, 1))
		conn.(*net.TCPConn).SetLinger(0)
	})
	for _, protocol := range protocols {
		want := "connection reset"
		if protocol == GRPC {
			want = "grpc status Unavailable"
		}
		check := Check{Protocol: protocol, Request: "ping", Response: "pong"}
		if got := verdict(check, endpoint); got != want {
			t.Errorf("%s: %q, want %q", protocol, got, want)
		}
	}
}

// TestProbeTimeout meets a server that says nothing at any step.
func TestProbeTimeout(t *testing.T) {
	endpoint := serveConns(t, TCP, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	for _, protocol := range protocols {
		check := Check{Protocol: protocol, Response: "pong", Timeout: 50 * time.Millisecond}
		if got := verdict(check, endpoint); got != "timed out after 50ms" {
			t.Errorf("%s: %q", protocol, got)
		}
	}
}

func TestProbeSlowAnswer(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, HTTPS, HTTP2} {
		endpoint := serveHTTP(t, protocol, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		check := Check{Protocol: protocol, Timeout: 50 * time.Millisecond}
		if got := verdict(check, endpoint); got != "timed out after 50ms" {
			t.Errorf("%s: %q", protocol, got)
		}
	}
}

func TestProbeProxyHeader(t *testing.T) {
	for _, protocol := range protocols {
		for _, header := range []string{"", "NONE", ProxyV1} {
			first := make(chan string, 1)
			endpoint := serveConns(t, TCP, func(conn net.Conn) {
				buf := make([]byte, len(proxyUnknown))
				n, _ := io.ReadAtLeast(conn, buf, 4)
				first <- string(buf[:n])
			})
			check := Check{Protocol: protocol, ProxyHeader: header, Request: "ping"}
			verdict(check, endpoint)
			if got := strings.HasPrefix(<-first, "PROX"); got != (header == ProxyV1) {
				t.Errorf("%s with %q: a header is %t", protocol, header, got)
			}
		}
	}
}

func TestProbeThroughDialer(t *testing.T) {
	endpoint := serveHTTP(t, HTTP, answer(200, ""))
	var asked string
	probe := NewProbe(func(ctx context.Context, network, addr string) (net.Conn, error) {
		asked = addr
		return new(net.Dialer).DialContext(ctx, network, endpoint.String())
	})
	err := probe(context.Background(), Check{Protocol: HTTP, Port: 81}, netip.MustParseAddrPort("10.3.0.7:8080"))
	if err != nil || asked != "10.3.0.7:81" {
		t.Errorf("asked %s: %v", asked, err)
	}
}

func TestProbeRefusesWhatItDoesNotKnow(t *testing.T) {
	endpoint := serveConns(t, TCP, func(net.Conn) {})
	for _, check := range []Check{{Protocol: "UDP"}, {Protocol: HTTP, Path: "no path"}} {
		if got := verdict(check, endpoint); got == "" {
			t.Errorf("%+v is well", check)
		}
	}
}

func TestProbeCancelled(t *testing.T) {
	reached := make(chan struct{})
	endpoint := serveConns(t, TCP, func(conn net.Conn) {
		close(reached)
		io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-reached; cancel() }()
	check := Check{Protocol: TCP, PortSpec: ServingPort, Response: "pong"}
	if err := NewProbe(nil)(ctx, check, endpoint); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCertificateIsNotVerified(t *testing.T) {
	endpoint := serveConns(t, SSL, func(conn net.Conn) { conn.(*tls.Conn).Handshake() })
	if got := verdict(Check{Protocol: SSL}, endpoint); got != "" {
		t.Error(got)
	}
}
