package health

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

const (
	maxAnswer = 256 << 10 // headers and what is read of the body
	maxBody   = 1024      // where the expected response has to stand
	maxHints  = 8         // answers 1xx before the one that counts
)

// speakHTTP writes and reads by hand: a transport would keep goroutines and
// decide about redirects and pools.
func speakHTTP(conn net.Conn, check Check, endpoint netip.AddrPort) error {
	req, err := request(check, "http", endpoint)
	if err != nil {
		return err
	}
	req.Close = true
	if err := req.Write(conn); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	for range maxHints {
		resp, err := http.ReadResponse(in, req)
		if err != nil {
			return err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return judge(resp, check)
		}
	}
	return fmt.Errorf("more than %d answers 1xx", maxHints)
}

// speakHTTP2 leaves the framing to a transport that lives for one request on
// the connection there is.
func speakHTTP2(ctx context.Context, conn net.Conn, check Check, endpoint netip.AddrPort) error {
	req, err := request(check, "https", endpoint)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		DialTLSContext:         handOver(conn),
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return judge(resp, check)
}

func request(check Check, scheme string, endpoint netip.AddrPort) (*http.Request, error) {
	target, err := url.ParseRequestURI(check.Path)
	if err != nil {
		return nil, fmt.Errorf("the request path %q is not one", check.Path)
	}
	target.Scheme, target.Host = scheme, check.Address(endpoint).String()
	return &http.Request{
		Method: http.MethodGet,
		URL:    target,
		Host:   host(check, endpoint.Addr()),
		Header: http.Header{"User-Agent": {"GoogleHC/1.0"}},
	}, nil
}

func host(check Check, addr netip.Addr) string {
	switch {
	case check.Host != "":
		return check.Host
	case addr.Is6():
		return "[" + addr.String() + "]"
	}
	return addr.String()
}

func judge(resp *http.Response, check Check) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	if check.Response == "" {
		return nil
	}
	// What came before an error may hold the response already.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch {
	case bytes.Contains(body, []byte(check.Response)):
		return nil
	case err != nil:
		return err
	}
	return errResponse
}
