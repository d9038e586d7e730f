package health

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// selfSigned is for another name and long expired: nothing about it verifies.
var selfSigned = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"other.example"},
		NotAfter:     noon.AddDate(-10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serveHTTP(t testing.TB, protocol Protocol, handler http.HandlerFunc) netip.AddrPort {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned()}}
	server.EnableHTTP2 = protocol == HTTP2
	if protocol == HTTP {
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return netip.MustParseAddrPort(server.Listener.Addr().String())
}

// serveConns hands each connection to a function and closes it afterwards.
func serveConns(t testing.TB, protocol Protocol, serve func(net.Conn)) netip.AddrPort {
	t.Helper()
	l := listen(t)
	addr := netip.MustParseAddrPort(l.Addr().String())
	if protocol == SSL {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{selfSigned()}})
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				serve(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return addr
}

func echoLine(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
			io.WriteString(conn, answer)
		}
	}
}

func serveGRPC(t testing.TB, encrypted bool) netip.AddrPort {
	t.Helper()
	var options []grpc.ServerOption
	if encrypted {
		certificate := selfSigned()
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	}
	statuses := health.NewServer()
	statuses.SetServingStatus("well", grpc_health_v1.HealthCheckResponse_SERVING)
	statuses.SetServingStatus("ill", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, statuses)
	l := listen(t)
	go server.Serve(l)
	t.Cleanup(server.Stop)
	return netip.MustParseAddrPort(l.Addr().String())
}
