package fleet

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/negfleet/negfleet/shared/kube"
)

// rereadEvery bounds how often a failing API server has the container API asked where it is.
const rereadEvery = 30 * time.Second

// An endpoint sends requests to a GKE cluster's API server, wherever it is by now. When a
// connection fails, the container API is asked, now and then. If the control plane has
// moved, what stands at the new place may be another cluster of the same name: no request
// gets there until the cluster has proved its UID.
type endpoint struct {
	locate func(context.Context) (route, error)
	roots  *x509.CertPool
	now    func() time.Time

	mu    sync.Mutex
	leg   *leg
	asked time.Time
}

// A leg is the way while it stays the same.
type leg struct {
	route  route
	base   *http.Transport
	proved bool
}

func newEndpoint(ctx context.Context, locate func(context.Context) (route, error), roots *x509.CertPool, now func() time.Time) (*endpoint, error) {
	e := &endpoint{locate: locate, roots: roots, now: now, asked: now()}
	at, err := locate(ctx)
	if err != nil {
		return nil, err
	}
	if e.leg, err = e.to(at); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *endpoint) to(at route) (*leg, error) {
	roots := e.roots
	if at.ca != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(at.ca)) {
			return nil, fmt.Errorf("endpoint %s: its CA certificate cannot be read", at.host)
		}
	}
	return &leg{route: at, base: newTransport(roots)}, nil
}

func (e *endpoint) current() *leg {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leg
}

// host is where the API server is.
func (e *endpoint) host() string { return e.current().route.host }

// proved lets requests through to where a proof came from.
func (e *endpoint) proved(l *leg) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.proved = true
}

// settled tells whether the cluster has proved itself where it is.
func (e *endpoint) settled() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leg.proved
}

type provingKey struct{}

// proving marks the requests by which a cluster proves who it is.
func proving(ctx context.Context) context.Context { return context.WithValue(ctx, provingKey{}, true) }

func (e *endpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	l, open := e.leg, e.leg.proved || r.Context().Value(provingKey{}) != nil
	e.mu.Unlock()
	if !open {
		closeBody(r)
		return nil, fmt.Errorf("%w: the control plane has moved and must prove who it is", kube.ErrNotSent)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = "https", l.route.host, ""
	answer, err := l.base.RoundTrip(r)
	if err == nil || r.Context().Err() != nil {
		return answer, err
	}
	moved, asking := e.reread(r.Context(), l)
	switch {
	case moved:
		return nil, fmt.Errorf("%w: the control plane has moved from %s to %s: %w", kube.ErrNotSent, l.route.host, e.host(), err)
	case asking != nil:
		return nil, fmt.Errorf("%w; whether it has moved is not known: %w", err, asking)
	}
	return nil, err
}

// reread asks where the API server is and tells whether that is somewhere else than the
// way that failed.
func (e *endpoint) reread(ctx context.Context, failed *leg) (moved bool, err error) {
	e.mu.Lock()
	if e.leg != failed {
		e.mu.Unlock()
		return true, nil
	}
	if e.now().Sub(e.asked) < rereadEvery {
		e.mu.Unlock()
		return false, nil
	}
	e.asked = e.now()
	e.mu.Unlock()
	at, err := e.locate(ctx)
	if err != nil || at == failed.route {
		return false, err
	}
	next, err := e.to(at)
	if err != nil {
		return false, err
	}
	e.mu.Lock()
	e.leg = next
	e.mu.Unlock()
	failed.base.CloseIdleConnections()
	return true, nil
}
