package fakedoor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// A Front is one address with a certificate.
type Front struct {
	t      testing.TB
	tokens *Tokens

	mu     sync.Mutex
	to     http.Handler
	ca     []byte
	server *httptest.Server
	conns  map[net.Conn]bool

	changed chan struct{} // full when conns did
}

// Serve opens a front before a handler until the test ends.
func Serve(t testing.TB, tokens *Tokens, to http.Handler) *Front {
	t.Helper()
	f := &Front{t: t, tokens: tokens, to: to, conns: map[net.Conn]bool{}, changed: make(chan struct{}, 1)}
	f.start()
	t.Cleanup(f.Close)
	return f
}

func (f *Front) start() {
	f.t.Helper()
	pair, ca := certificate(f.t)
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet // clients that do not trust it are what it is for
	server.Config.ConnState = f.note
	server.StartTLS()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server, f.ca = server, ca
}

func (f *Front) note(c net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns[c] = true; state == http.StateClosed {
		delete(f.conns, c)
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Settles waits until no more than so many connections are open; false: they stay.
func (f *Front) Settles(most int) bool {
	late := time.After(5 * time.Second)
	for {
		f.mu.Lock()
		open := len(f.conns)
		f.mu.Unlock()
		if open <= most {
			return true
		}
		select {
		case <-f.changed:
		case <-late:
			return false
		}
	}
}

// Move closes the front and opens it elsewhere, with another certificate; to is what is
// behind it from then, nil the same.
func (f *Front) Move(to http.Handler) {
	f.t.Helper()
	old := f.current()
	old.CloseClientConnections()
	old.Close()
	f.mu.Lock()
	if to != nil {
		f.to = to
	}
	f.mu.Unlock()
	f.start()
}

// Close takes the front away.
func (f *Front) Close() { f.current().Close() }

func (f *Front) current() *httptest.Server {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.server
}

// Host is the address with its port.
func (f *Front) Host() string { return f.current().Listener.Addr().String() }

// URL is the address of the front.
func (f *Front) URL() string { return "https://" + f.Host() }

// CA is the certificate to trust, PEM in base64: masterAuth.clusterCaCertificate.
func (f *Front) CA() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return base64.StdEncoding.EncodeToString(f.ca)
}

// Roots are a pool that trusts the front, for those who would trust a public certificate.
func (f *Front) Roots() *x509.CertPool {
	f.mu.Lock()
	defer f.mu.Unlock()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(f.ca)
	return pool
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.tokens.good(r) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`))
		return
	}
	f.mu.Lock()
	to := f.to
	f.mu.Unlock()
	to.ServeHTTP(w, r)
}

// To sends requests on to an API server at base, which knows the caller by another token.
// transport reaches it; nil: http.DefaultTransport.
func To(base, token string, transport http.RoundTripper) http.Handler {
	target, err := url.Parse(base)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}}
}

// certificate makes a self-signed one for this machine.
func certificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "fakedoor"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

var quiet = log.New(io.Discard, "", 0)
