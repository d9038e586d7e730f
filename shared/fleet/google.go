package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/negfleet/negfleet/shared/gke"
)

// Google is where Google's APIs are and who asks there. The zero value is Google's own,
// with the default credentials of the environment.
type Google struct {
	ContainerEndpoint string // base URL of another container API, asked without credentials
	GatewayEndpoint   string // base URL of another Connect gateway

	// Credentials find a source of access tokens; each call may find new ones.
	Credentials func(context.Context) (oauth2.TokenSource, error)
	// Roots verify what has a public certificate: DNS endpoints and the gateway. Nil: the system's.
	Roots *x509.CertPool
}

// WithGoogle says where Google's APIs are.
func WithGoogle(g Google) Option { return func(f *Fleet) { f.google = g } }

// An Option changes what New makes.
type Option func(*Fleet)

// scopes are those that GKE asks for: with the second one a service account is its e-mail
// to the cluster's RBAC, and not its number (defaultScopes of gke-gcloud-auth-plugin).
var scopes = []string{"https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"}

func defaultCredentials(ctx context.Context) (oauth2.TokenSource, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: 15 * time.Second})
	found, err := google.FindDefaultCredentials(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	return found.TokenSource, nil
}

// container is the client of the container API, made when it is first needed.
func (f *Fleet) container(ctx context.Context) (*gke.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gke != nil {
		return f.gke, nil
	}
	h := &http.Client{Transport: newTransport(f.google.Roots)}
	if f.google.ContainerEndpoint == "" {
		h.Transport = &bearer{h.Transport, f.credentials}
	}
	client, err := gke.New(context.WithoutCancel(ctx), f.google.ContainerEndpoint, h)
	f.gke = client
	return client, err
}

// dialTimeout leaves a request time, within kube's own bound, to learn that its API server
// has moved.
const dialTimeout = 5 * time.Second

func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		// A control plane that was moved leaves connections that never answer.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
	}
}
