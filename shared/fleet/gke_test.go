package fleet_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/negfleet/negfleet/shared/config"
	"github.com/negfleet/negfleet/shared/fleet"
	"github.com/negfleet/negfleet/shared/kube"
	"github.com/negfleet/negfleet/shared/neg"
	"github.com/negfleet/negfleet/test/fakecontainer"
	"github.com/negfleet/negfleet/test/fakedoor"
	"github.com/negfleet/negfleet/test/fakekube"
)

const (
	prod       = "projects/p1/locations/us-central1/clusters/prod"
	membership = "projects/123/locations/global/gkeMemberships/prod"
)

var web = neg.Key{Cluster: "c1", Namespace: "shop", Service: "web"}

// A cloud is a world whose cluster c1 is a GKE cluster: a front with a certificate before
// fakekube, the container API that says where it is, and tokens.
type cloud struct {
	*world
	google *fakecontainer.Server
	tokens *fakedoor.Tokens
	front  *fakedoor.Front
	gke    fleet.Google
}

// newCloud has c1 reached by the given connect.
func newCloud(t *testing.T, connect string) *cloud {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), server: fakekube.New(), now: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)}
	w.server.AddCluster("c1", fakekube.WithUID(uid))
	back := httptest.NewServer(w.server)
	t.Cleanup(back.Close)
	w.url = back.URL
	c := &cloud{world: w, google: fakecontainer.New(fakecontainer.Options{}), tokens: fakedoor.NewTokens(t, w.clock)}
	c.front = fakedoor.Serve(t, c.tokens, c.behind("c1"))
	c.seed(nil)
	c.gke = fleet.Google{
		ContainerEndpoint: fakecontainer.Start(t, c.google), GatewayEndpoint: c.front.URL(), Roots: c.front.Roots(),
		Credentials: func(context.Context) (oauth2.TokenSource, error) { return c.tokens, nil },
	}
	w.write("fleet.yaml", strings.Replace(file(uid, ""), "{kubeconfig: c1.kubeconfig}", connect, 1))
	c.reopen()
	return c
}

// reopen makes the fleet of another instance.
func (c *cloud) reopen() {
	c.t.Helper()
	var err error
	c.Fleet, err = fleet.New(filepath.Join(c.dir, "fleet.yaml"), slog.New(slog.NewTextHandler(&c.logs, nil)), c.clock, fleet.WithGoogle(c.gke))
	c.check(err)
}

// behind is what stands behind the front: a cluster of fakekube, below Connect gateway's path too.
func (c *cloud) behind(cluster string) http.Handler {
	to := fakedoor.To(c.url+"/clusters/"+cluster, "negfleet", nil)
	mux := http.NewServeMux()
	mux.Handle("/v1/"+membership+"/", http.StripPrefix("/v1/"+membership, to))
	mux.Handle("/", to)
	return mux
}

// seed tells the container API where the front is, by those endpoints.
func (c *cloud) seed(more map[string]any) {
	c.t.Helper()
	fields := map[string]any{
		"endpoint": c.front.Host(), "masterAuth": map[string]any{"clusterCaCertificate": c.front.CA()},
		"addonsConfig": map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}},
	}
	for k, v := range more {
		fields[k] = v
	}
	c.check(c.google.Seed(fakecontainer.Seed{Clusters: []fakecontainer.Cluster{{Project: "p1", Location: "us-central1", Name: "prod", Cluster: fields}}}))
}

func (c *cloud) read() error {
	_, client, err := c.Cluster(c.t.Context(), "c1")
	if err != nil {
		return err
	}
	_, err = client.Service(c.t.Context(), web)
	return err
}

func (c *cloud) opened() *kube.Cluster {
	c.t.Helper()
	_, client, err := c.Cluster(c.t.Context(), "c1")
	c.check(err)
	return client
}

// TestWays: each way leads to the cluster, and tells who it is.
func TestWays(t *testing.T) {
	dns := func(c *cloud) {
		c.seed(map[string]any{"endpoint": "", "controlPlaneEndpointsConfig": map[string]any{
			"dnsEndpointConfig": map[string]any{"endpoint": c.front.Host(), "allowExternalTraffic": true}, "ipEndpointsConfig": map[string]any{"enabled": false},
		}})
	}
	for name, c := range map[string]struct {
		connect string
		prepare func(*cloud)
	}{
		"IP endpoint":                  {"{gke: " + prod + "}", func(*cloud) {}},
		"DNS endpoint, asked for":      {"{gke: " + prod + ", dns: true}", dns},
		"DNS endpoint, the only one":   {"{gke: " + prod + "}", dns},
		"IP endpoint without settings": {"{gke: " + prod + ", dns: false}", func(*cloud) {}},
		"Connect gateway":              {"{gateway: " + membership + "}", func(*cloud) {}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, c.connect)
			c.prepare(w)
			for range 3 {
				w.check(w.read())
			}
			if got := w.server.Calls().String(); got != "c1 get namespaces: 1\nc1 get services: 3" || w.tokens.Issued() != 1 {
				t.Errorf("calls %s, %d tokens", got, w.tokens.Issued())
			}
			w.server.Cluster("c1").SetUID(otherUID)
			w.advance(time.Minute)
			w.wantBlocked(w.read(), "ClusterReplaced", "line 7 of the fleet file")
		})
	}
}

// TestDefaultCredentials walks Google's own way: the key file, the token endpoint.
func TestDefaultCredentials(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", w.tokens.Credentials(t))
	w.gke.Credentials = nil
	w.reopen()
	w.check(w.read())
	if w.tokens.Issued() != 1 {
		t.Errorf("%d tokens were given out", w.tokens.Issued())
	}
	if got := w.tokens.Scopes(); got != "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email" {
		t.Errorf("the token was asked for %q", got)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(w.dir, "none"))
	w.reopen()
	w.wantBlocked(w.read(), "NoCredentials", "cluster c1: get namespace kube-system")
}

// TestTrust: nothing is sent to a server whose certificate is not the cluster's.
func TestTrust(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	other := fakedoor.Serve(t, w.tokens, w.behind("c1"))
	w.seed(map[string]any{"endpoint": other.Host()})
	w.wantBlocked(w.read(), "ClusterUnreachable", "certificate")
	w.gke.GatewayEndpoint, w.gke.Roots = other.URL(), x509.NewCertPool()
	w.write("fleet.yaml", strings.Replace(file(uid, ""), "{kubeconfig: c1.kubeconfig}", "{gateway: "+membership+"}", 1))
	w.reopen()
	w.wantBlocked(w.read(), "ClusterUnreachable", "certificate")
	if got := w.server.Calls().String(); got != "" {
		t.Errorf("calls %s", got)
	}
}

// TestRedirect: a token is for the place that the fleet file leads to, and for no other that
// an answer sends us to.
func TestRedirect(t *testing.T) {
	for _, connect := range []string{"{gateway: " + membership + "}", "{gke: " + prod + "}"} {
		w := newCloud(t, connect)
		seen := make(chan string, 10)
		elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Header.Get("Authorization") }))
		t.Cleanup(elsewhere.Close)
		w.front.Move(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		w.seed(nil)
		w.gke.GatewayEndpoint, w.gke.Roots = w.front.URL(), w.front.Roots()
		w.reopen()
		if err := w.read(); err == nil {
			t.Error("a cluster was opened by a redirect")
		}
		for len(seen) > 0 {
			if got := <-seen; got != "" {
				t.Errorf("%s: another server got %q", connect, got)
			}
		}
	}
}

// TestTokenIsReplacedInTime: before it ends, so that no request is refused.
func TestTokenIsReplacedInTime(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	w.check(w.read())
	w.advance(56 * time.Minute)
	w.check(w.read())
	if w.tokens.Issued() != 1 {
		t.Errorf("after 56 of 60 minutes: %d tokens", w.tokens.Issued())
	}
	w.advance(time.Minute)
	w.check(w.read())
	if w.tokens.Issued() != 2 {
		t.Errorf("after 57 of 60 minutes: %d tokens", w.tokens.Issued())
	}
}

// TestTokenOutlastsItsSource: while the token endpoint fails, what there is serves to its end.
func TestTokenOutlastsItsSource(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	w.check(w.read())
	w.advance(57 * time.Minute)
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusForbidden} {
		w.tokens.Refuse(status)
		w.check(w.read())
	}
	w.advance(3 * time.Minute)
	if err := w.read(); err == nil {
		t.Error("read with a token that has ended")
	}
	w.tokens.Refuse(0)
	w.check(w.read())
}

// TestTokenRefused: a request that is refused is sent once more with a new token, reads and
// writes alike; a server that refuses all of them does not make us ask for ever more tokens.
func TestTokenRefused(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.tokens.Revoke()
	if _, err := client.Service(t.Context(), web); err != nil || w.tokens.Issued() != 2 {
		t.Errorf("after a revocation: %v, %d tokens", err, w.tokens.Issued())
	}
	w.advance(30 * time.Second)
	w.front.Move(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) }))
	w.seed(nil)
	w.reopen()
	for range 10 {
		w.wantBlocked(w.read(), "ClusterPermissionDenied", "cluster c1")
	}
	if n := w.tokens.Issued(); n > 4 {
		t.Errorf("%d tokens for a server that knows nobody", n)
	}
}

// TestWriteWithRefusedToken: the body is sent again too.
func TestWriteWithRefusedToken(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.tokens.Revoke()
	err := client.Note(t.Context(), &neg.Service{Key: neg.Key{Cluster: "c1", Namespace: "kube-system", Service: "web"}, UID: "1"}, neg.Note{Reason: "GroupsChanged", Message: "m"})
	if got := w.server.Writes(); err != nil || len(got) != 1 || got[0].Verb != "create" {
		t.Errorf("wrote %v, %v", got, err)
	}
}

func TestNoToken(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	w.tokens.Refuse(http.StatusBadRequest)
	w.wantBlocked(w.read(), "NoCredentials", "access token")
	w.tokens.Refuse(http.StatusServiceUnavailable)
	if err := w.read(); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("a token endpoint that is down: %v", err)
	}
	w.tokens.Refuse(0)
	w.check(w.read())
}

// TestContainerAPI: what keeps the container API from saying where a cluster is. What is
// open stays open without it.
func TestContainerAPI(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	w.check(w.google.AddFaults(fakecontainer.Fault{Name: "f", Status: 503}))
	if err := w.read(); neg.OutcomeOf(err) != neg.Again || !strings.Contains(err.Error(), "cluster c1: container API: get "+prod) {
		t.Errorf("unavailable: %v", err)
	}
	w.google.ClearFaults()
	w.check(w.google.AddFaults(fakecontainer.Fault{Status: 403}))
	w.wantBlocked(w.read(), "ContainerPermissionDenied", "container.clusters.get")
	w.google.ClearFaults()
	w.check(w.read())
	w.google.Reset()
	w.advance(time.Hour)
	w.check(w.read())
	w.reopen()
	w.wantBlocked(w.read(), "GKEClusterNotFound", "check its project, location and name")
	w.seed(map[string]any{"endpoint": "", "status": "PROVISIONING"})
	w.wantBlocked(w.read(), "NoEndpoint", "(PROVISIONING) has no endpoint")
}

// TestMoved: a control plane that got another address and certificate is found again, with
// one call to the container API in half a minute. Looks that were under way do not go
// there before it has proved who it is.
func TestMoved(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.front.Move(nil)
	w.seed(nil)
	service := func() error { _, err := client.Service(t.Context(), web); return err }
	w.wantBlocked(service(), "ClusterUnreachable", "c1")
	asked := len(w.google.Calls())
	w.advance(30 * time.Second)
	if err := service(); neg.OutcomeOf(err) != neg.Again || !errors.Is(err, kube.ErrNotSent) {
		t.Errorf("it has moved: %v", err)
	}
	if err := service(); neg.OutcomeOf(err) != neg.Again || !strings.Contains(err.Error(), "must prove who it is") {
		t.Errorf("before the proof: %v", err)
	}
	w.check(w.read())
	w.check(service())
	if n := len(w.google.Calls()) - asked; n != 1 {
		t.Errorf("%d calls to the container API", n)
	}
}

// TestMovedWhileProving: the minute's proof itself finds the control plane where it is.
func TestMovedWhileProving(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	w.check(w.read())
	w.front.Move(nil)
	w.seed(nil)
	w.advance(time.Minute)
	w.check(w.read())
}

// TestRecreated: another cluster under the same name is asked for its UID, and nothing else.
func TestRecreated(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.server.AddCluster("again", fakekube.WithUID(otherUID))
	w.front.Move(w.behind("again"))
	w.seed(nil)
	w.advance(30 * time.Second)
	for range 3 {
		if _, err := client.Service(t.Context(), web); neg.OutcomeOf(err) != neg.Again {
			t.Errorf("a look under way: %v", err)
		}
	}
	w.wantBlocked(w.open(), "ClusterReplaced", "answers with kube-system UID "+otherUID)
	if _, err := client.Service(t.Context(), web); neg.OutcomeOf(err) != neg.Again {
		t.Errorf("a look under way: %v", err)
	}
	if got := w.server.Calls().String(); got != "again get namespaces: 1\nc1 get namespaces: 1" {
		t.Errorf("calls %s", got)
	}
}

// TestRefusedLeavesNothing: a cluster that does not prove itself is dialed anew for each who asks,
// and leaves no connection behind.
func TestRefusedLeavesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		refuse func(*cloud)
		reason string
	}{
		"another cluster": {func(c *cloud) { c.server.Cluster("c1").SetUID(otherUID) }, "ClusterReplaced"},
		"no right":        {func(c *cloud) { c.server.Inject(fakekube.Fault{Status: http.StatusForbidden}) }, "ClusterPermissionDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCloud(t, "{gke: "+prod+"}")
			c.refuse(w)
			for range 10 {
				w.wantBlocked(w.read(), c.reason, "cluster c1")
			}
			w.seed(map[string]any{"masterAuth": map[string]any{"clusterCaCertificate": "bm9uZQ=="}})
			w.reopen()
			if err := w.read(); err == nil || !strings.Contains(err.Error(), "its CA certificate cannot be read") {
				t.Errorf("without a certificate to trust: %v", err)
			}
			if !w.front.Settles(0) {
				t.Error("connections stay open")
			}
		})
	}
}

// TestDownIsNotMoved: a control plane that is down costs a call to the container API each
// half minute at most, however often it is tried.
func TestDownIsNotMoved(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.front.Close()
	asked := len(w.google.Calls())
	w.advance(30 * time.Second)
	for range 20 {
		_, err := client.Service(t.Context(), web)
		w.wantBlocked(err, "ClusterUnreachable", "c1")
	}
	if n := len(w.google.Calls()) - asked; n != 1 {
		t.Errorf("%d calls to the container API", n)
	}
}

// TestCallsOut: a control plane without egress cannot ask the webhook.
func TestCallsOut(t *testing.T) {
	entry := config.Cluster{Name: "c1", Resource: neg.GKECluster{Project: "p1", Location: "us-central1", Name: "prod"}}
	for mode, want := range map[string]bool{"NONE": false, "VIA_CONTROL_PLANE": true} {
		w := newCloud(t, "{gke: "+prod+"}")
		w.seed(map[string]any{"controlPlaneEgress": map[string]any{"mode": mode}})
		if got, err := w.CallsOut(t.Context(), entry); got != want || err != nil {
			t.Errorf("%s: %t, %v", mode, got, err)
		}
	}
	w := newCloud(t, "{gke: "+prod+"}")
	if got, err := w.CallsOut(t.Context(), config.Cluster{Name: "c2"}); !got || err != nil {
		t.Errorf("no GKE cluster: %t, %v", got, err)
	}
}

// TestHTTPLoadBalancing: the last answer stands while there is none, and is renewed.
func TestHTTPLoadBalancing(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	entry, _, err := w.Cluster(t.Context(), "c1")
	w.check(err)
	addOn := func(want fleet.AddOn) {
		t.Helper()
		if got := w.HTTPLoadBalancing(t.Context(), entry); got != want {
			t.Errorf("the add-on is %s, want %s", got, want)
		}
	}
	addOn(fleet.AddOnOff)
	on := map[string]any{"addonsConfig": map[string]any{}}
	w.seed(on)
	addOn(fleet.AddOnOff)
	if n := len(w.google.Calls()); n != 1 {
		t.Errorf("%d calls to the container API", n)
	}
	w.advance(10 * time.Minute)
	addOn(fleet.AddOnOn)
	w.check(w.google.AddFaults(fakecontainer.Fault{Status: 500}))
	w.advance(10 * time.Minute)
	addOn(fleet.AddOnOn)
	w.reopen()
	asked := len(w.google.Calls())
	addOn(fleet.AddOnUnknown)
	addOn(fleet.AddOnUnknown)
	if n := len(w.google.Calls()) - asked; n != 1 || strings.Count(w.logs.String(), "AddOnUnknown") != 2 {
		t.Errorf("%d calls to the container API, logged:\n%s", n, w.logs.String())
	}
	w.google.ClearFaults()
	w.advance(time.Minute)
	addOn(fleet.AddOnOn)
	if got := w.HTTPLoadBalancing(t.Context(), config.Cluster{Name: "c2"}); got != fleet.AddOnNone {
		t.Errorf("not on GKE: %s", got)
	}
}

// TestManyShareOneToken: many requests that need a token get one.
func TestManyShareOneToken(t *testing.T) {
	w := newCloud(t, "{gke: "+prod+"}")
	client := w.opened()
	w.tokens.Revoke()
	done := make(chan error)
	for i := range 50 {
		go func() {
			_, err := client.Service(t.Context(), neg.Key{Cluster: "c1", Namespace: "shop", Service: fmt.Sprint("s", i)})
			done <- err
		}()
	}
	for range 50 {
		w.check(<-done)
	}
	if n := w.tokens.Issued(); n > 2 {
		t.Errorf("%d tokens", n)
	}
}
