package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
)

// A Dialer opens connections, as net.Dialer.DialContext does.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// A Probe asks one endpoint once. An error says why it is not well, in words
// that are the same whenever the reason is.
type Probe func(ctx context.Context, check Check, endpoint netip.AddrPort) error

// proxyUnknown is the PROXY protocol's header for a connection made on nobody's
// behalf.
const proxyUnknown = "PROXY UNKNOWN\r\n"

// NewProbe asks over the network; a nil dialer is the system's.
func NewProbe(dial Dialer) Probe {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, check Check, endpoint netip.AddrPort) error {
		check = check.WithDefaults()
		ctx, cancel := context.WithTimeout(ctx, check.Timeout)
		defer cancel()
		return reason(ctx, check, ask(ctx, dial, check, endpoint))
	}
}

func ask(ctx context.Context, dial Dialer, check Check, endpoint netip.AddrPort) error {
	raw, err := dial(ctx, "tcp", check.Address(endpoint).String())
	if err != nil {
		return err
	}
	defer raw.Close()
	// Closing is what ends a read that waits, whoever does the reading.
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if check.ProxyHeader == ProxyV1 {
		if _, err := io.WriteString(raw, proxyUnknown); err != nil {
			return err
		}
	}
	conn := raw
	if check.overTLS() {
		if conn, err = secure(ctx, raw, check); err != nil {
			return err
		}
	}
	return speak(ctx, conn, check, endpoint)
}

func secure(ctx context.Context, raw net.Conn, check Check) (net.Conn, error) {
	conn := tls.Client(raw, &tls.Config{
		InsecureSkipVerify: true, // as the service: the check asks for an answer, not for an identity
		NextProtos:         check.alpn(),
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	if check.alpn() != nil && conn.ConnectionState().NegotiatedProtocol != "h2" {
		return nil, errors.New("h2 was not negotiated")
	}
	return conn, nil
}

func speak(ctx context.Context, conn net.Conn, check Check, endpoint netip.AddrPort) error {
	switch check.Protocol {
	case HTTP, HTTPS:
		return speakHTTP(conn, check, endpoint)
	case HTTP2:
		return speakHTTP2(ctx, conn, check, endpoint)
	case TCP, SSL:
		return speakBytes(conn, check)
	case GRPC, GRPCWithTLS:
		return speakGRPC(ctx, conn, check, endpoint)
	}
	return fmt.Errorf("protocol %q is not known", check.Protocol)
}

// speakBytes needs no answer when none is expected: then the connection, or the
// TLS handshake, was the proof.
func speakBytes(conn net.Conn, check Check) error {
	if _, err := io.WriteString(conn, check.Request); err != nil {
		return err
	}
	got := make([]byte, len(check.Response))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if string(got) != check.Response {
		return errResponse
	}
	return nil
}
